"""The page: it holds what the ledger allows, fetches nothing, and is the same for the same ledger."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.report.figures import make_figures
from experiments.report.page import render_page
from experiments.report.tables import build_tables
from tests import forked
from tests.experiments.ledgers import grid, row, write

VOID = {"meta", "img", "path", "use", "rect", "br"}


class Page(HTMLParser):
    """The elements of a page with their attributes, its text, and which elements were not closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def html(evidence, figures):
    return render_page(evidence, build_tables(evidence), figures)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def page_of(file, rows, subject=(), **options):
    evidence = read_evidence(write(file, rows))
    figures = make_figures(evidence, subject=subject, **options)
    return Page(
        render_page(evidence, build_tables(evidence, subject=subject, **options), figures, subject=subject, **options)
    )


def test_every_element_is_closed_and_every_id_unique(page):
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert Counter(ids).most_common(1)[0][1] == 1


def test_nothing_is_fetched(html, page):
    for tag, attributes in page.elements:
        for key in ("src", "href", "xlink:href", "data", "poster", "srcset", "action"):
            if attributes.get(key) and (tag, key) != ("a", "href"):
                assert attributes[key].startswith(("#", "data:")), (tag, key)
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in page.elements}
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))


def test_references_within_the_page_have_a_target(html, page):
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = {
        attributes[key][1:] for _, attributes in page.elements for key in ("href", "xlink:href") if key in attributes
    }
    assert links | set(re.findall(r"url\(#([^)]*)\)", html)) <= ids


def test_every_figure_and_table_is_there(evidence, figures, page):
    ids = {attributes.get("id") for attributes in page.all("figure")}
    assert ids == {"opening", *(f"figure-{figure.name}" for figure in figures if figure.png)}
    for table in build_tables(evidence):
        for block in table.blocks:
            assert block.title in page.text


def test_every_picture_has_words(figures, page):
    drawings = [attributes for attributes in page.all("svg") if attributes.get("role") == "img"]
    words = [attributes["aria-label"] for attributes in drawings] + [
        attributes["alt"] for attributes in page.all("img")
    ]
    at_the_top = "Line chart of y over z for CAReLU at shares p of the positive side from 0 to 1."
    assert sorted(words) == sorted([at_the_top, *(figure.alt for figure in figures if figure.png)])


def test_a_figure_that_is_not_drawn_is_a_sentence_with_the_reason(figures, page):
    missing = [figure for figure in figures if figure.png is None]
    assert missing
    sentences = {attributes.get("id") for attributes in page.all("p")}
    assert {f"figure-{figure.name}" for figure in missing} <= sentences
    for figure in missing:
        assert "Not drawn: benchmarks/ beside the ledger has no benchmark" in figure.caption
        assert figure.caption.replace(" ", "") in re.sub(r"\s", "", page.text)


def test_the_first_screen_has_formula_and_picture_of_carelu(html, page):
    top = page.text[: page.text.index("In each row everything but the activation")]
    assert "CAReLU(z) = ReLU(K tanh(α p + β) · z)" in top
    assert html.index('id="opening"') < html.index('class="cards"')


@pytest.mark.slow
def test_the_first_screen_of_another_subject_has_its_response(tmp_path):
    rows = grid(("relu", "gelu", "carelu"), range(3))
    page = page_of(tmp_path / "ledger.csv", rows, subject=("gelu",))
    (first, *_) = [attributes["aria-label"] for attributes in page.all("svg") if attributes.get("role") == "img"]
    assert first == "Line charts of y and of its derivative over z: ReLU, GELU."
    assert "tanh" not in page.text
    assert "CAReLU vs" not in page.text and "GELU vs ReLU" in page.text


def test_each_setting_has_a_card_with_a_verdict_in_words_for_each_activation(tmp_path):
    rows = grid(("relu", "gelu", "elu"), range(5), ("cifar100", "text"), effects={"gelu": 30.0, "elu": -30.0})
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    html = render_page(evidence, build_tables(evidence), [])
    cards = re.findall(r"<article.*?</article>", html, flags=re.DOTALL)
    assert len(cards) == 2
    assert re.findall(r"<h3>(.*?)</h3>", "".join(cards)) == ["CIFAR-100", "Text classification"]
    for card in cards:
        verdicts = re.findall(r'<li class="(\w+)"><span class="word">(\w+)</span><b>(\w+)</b>', card)
        assert verdicts == [("worse", "worse", "ELU"), ("better", "better", "GELU")]


def test_every_table_that_scrolls_says_so_on_a_narrow_screen(html):
    tables = len(re.findall(r'<div class="scroll"[^>]*>\s*<table>', html))
    assert tables == len(re.findall(r'class="hint"[^>]*>The table scrolls sideways', html)) > 3
    assert re.search(r"@media \(max-width: 52rem\) \{\s*\.hint \{ display: block", html)


def test_commands_wrap_and_are_one_a_line(html, page):
    assert re.search(r"pre \{[^}]*white-space: pre-wrap; overflow-wrap: anywhere", html)
    assert re.search(r"pre code \{ display: block", html)
    commands = re.findall(r"<code>(.*?)</code>", html, flags=re.DOTALL)
    assert all(command.count("python ") == 1 for command in commands) and len(commands) > 3


def test_a_figure_alone_takes_the_whole_width(html):
    assert re.search(r"\.figures > :only-child \{ column-span: all", html)


def test_drawings_follow_the_page_in_the_dark(html):
    assert "prefers-color-scheme: dark" in html
    drawings = re.findall(r"<svg .*?</svg>", html, flags=re.DOTALL)
    for colour in ("#ffffff", "#1b1f24"):
        assert not any(colour in drawing for drawing in drawings)


def test_the_findings_precede_the_tables(page):
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    findings = text[text.index("Findings") :]
    order = ("All 4 comparisons with ReLU", "n = 3): undecided", "In each row everything but the activation")
    places = [findings.index(part) for part in order]
    assert places == sorted(places)


def test_only_the_verdict_better_is_bold(tmp_path):
    rows = grid(("relu", "gelu", "elu"), range(5), effects={"gelu": 30.0, "elu": -30.0})
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    html = render_page(evidence, build_tables(evidence), [])
    (better,) = re.findall(r'<li class="better">(.*?)</li>', html)
    assert "<p>GELU vs ReLU" in better
    assert re.findall(r'<li class="worse">.*<p>(ELU vs ReLU)', html)
    assert len(re.findall(r"<strong>", html)) == 3  # mean, difference and verdict of GELU


@pytest.mark.slow
def test_a_page_without_carelu_does_not_name_it(tmp_path):
    evidence = read_evidence(write(tmp_path / "ledger.csv", grid(("relu", "gelu"), range(3))))
    html = render_page(evidence, build_tables(evidence), make_figures(evidence))
    assert "carelu" not in re.sub(r"<code>.*?</code>", "", html, flags=re.DOTALL).lower()


def test_a_page_is_about_its_subjects(tmp_path):
    evidence = read_evidence(write(tmp_path / "ledger.csv", grid(("relu", "gelu", "carelu"), range(3))))
    about = {"subject": ("gelu",)}
    html = render_page(evidence, build_tables(evidence, **about), [], **about)
    assert "<h1>GELU compared with ReLU</h1>" in html
    assert re.findall(r"<p>(\w+) vs ReLU", html) == ["GELU"]
    assert "Whether GELU differs from ReLU is undecided. All 2 comparisons" in html
    assert html.count("--subject gelu") == 3


def test_the_page_says_over_what_the_level_of_a_verdict_is_shared(page):
    assert "each table has its own 5" in " ".join(page.text.split())


def test_the_provenance_names_commits_devices_and_commands(page):
    text = page.text[page.text.rindex("Provenance") :]
    for part in (
        "b3d14228b011c9fc7310c9cbfe60ce730885aa66",
        "AMD EPYC (2 threads)",
        "18 finished",
        "act=relu,prelu,carelu",
        "scripts/make_report.py",
    ):
        assert part in text


@pytest.mark.slow
def test_unfinished_runs_and_damaged_rows_are_reported(tmp_path):
    rows = [*grid(("relu", "gelu"), range(2)), row("gelu", 2, status="failed"), row("gelu", 3, headline_value="x")]
    text = page_of(tmp_path / "ledger.csv", rows).text
    assert "GELU (2 of 3)" in text
    assert "4 finished" in text and "1 failed" in text
    assert "column 'headline_value' is 'x'" in text


@pytest.mark.slow
def test_labels_of_a_ledger_are_text_and_never_markup(tmp_path):
    page = page_of(tmp_path / "ledger.csv", grid(("relu", "<script>alert(1)</script>"), range(2), data='<img src="x">'))
    assert not page.all("script") and not page.all("img")
    assert '<img src="x">' in page.text


@pytest.mark.slow
def test_only_the_recipe_that_was_asked_for_is_reported(tmp_path):
    rows = [*grid(("relu", "gelu"), range(2)), *grid(("relu", "gelu"), range(3), recipe="fast")]
    text = page_of(tmp_path / "ledger.csv", rows, recipe="small").text
    assert "4 runs" in text and "recipe=fast" not in text
    each = page_of(tmp_path / "ledger.csv", rows, recipe="each")
    assert "10 runs" in each.text
    assert {"figure-cifar100_small_differences", "figure-cifar100_fast_differences"} <= {
        attributes["id"] for attributes in each.all("figure")
    }


@pytest.mark.slow
def test_the_command_writes_the_same_page_as_before(evidence, html, tmp_path):
    file = tmp_path / "new" / "report.html"
    done = forked.run(["scripts/make_report.py", "--ledger", evidence.file, "--out", file])
    assert done.stdout.strip() == str(file)
    assert file.read_text() == html
    assert len(html) < 5_000_000


@pytest.mark.slow
def test_a_folder_gets_the_page_under_its_usual_name(tmp_path):
    ledger = write(tmp_path / "ledger.csv", grid(("relu", "gelu"), range(2)))
    assert forked.run(["scripts/make_report.py", "--ledger", ledger, "--out", tmp_path / "out"]).returncode == 0
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.slow
def test_the_command_answers_a_mistake_in_one_line_before_it_draws(tmp_path, evidence, monkeypatch):
    monkeypatch.setattr("experiments.report.figures.make_figures", lambda *_: pytest.fail("it draws"))
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "report.html"
    done = forked.run(["scripts/make_report.py", "--ledger", evidence.file, "--out", out])
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "--out" in done.stderr and "Traceback" not in done.stderr
