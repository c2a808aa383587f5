"""The figures of a ledger: which there are, what they say, and that the same ledger gives the same bytes."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from xml.etree import ElementTree

import pytest
from PIL import Image

from experiments.errors import BadInput
from experiments.report.figures import write_figures
from tests import forked
from tests.conftest import ROOT
from tests.experiments.ledgers import grid, write
from tests.experiments.simulated import drawn, write_metrics

OF_A_SETTING = ["differences", "curves", "quality_against_cost"]


@pytest.mark.slow
def test_each_setting_has_its_figures_and_the_ledger_its_responses(figures):
    learned = ["effect_carelu", "learned_carelu", "learned_prelu"]
    assert [figure.name for figure in figures] == [
        *(f"cifar100_small_{kind}" for kind in [*OF_A_SETTING, *learned]),
        *(f"superres_small_{kind}" for kind in [*OF_A_SETTING, "strips", *learned]),
        "responses",
    ]


@pytest.mark.slow
def test_the_files_are_svg_without_text_and_date_pdf_and_png_with_captions(figures, tmp_path):
    files = write_figures(figures, tmp_path / "figures")
    assert {file.name for file in files} == {file.name for file in (tmp_path / "figures").iterdir()}
    for file in files:
        if file.suffix == ".png":
            with Image.open(file) as picture:
                assert min(picture.size) > 200
                assert not picture.info.keys() & {"Software", "Creation Time"}
        elif file.suffix == ".svg":
            root = ElementTree.fromstring(file.read_bytes())
            assert root.find(".//{http://www.w3.org/2000/svg}text") is None  # letters are outlines
            assert "date" not in file.read_text().lower()
    kinds = Counter(file.suffix for file in files)
    drawn_ones = [figure for figure in figures if figure.png]
    assert len(drawn_ones) == len(figures) - 2  # without a benchmark there is no cost
    assert kinds[".svg"] == kinds[".pdf"] == len(drawn_ones) - 1  # one is a photograph
    assert (kinds[".png"], kinds[".md"], kinds[".tex"]) == (len(drawn_ones), 1, 1)


def test_captions_name_every_figure_with_its_title_and_what_to_include(figures, tmp_path):
    write_figures(figures, tmp_path)
    captions = (tmp_path / "captions.md").read_text(encoding="utf-8")
    floats = (tmp_path / "figures.tex").read_text(encoding="utf-8")
    assert floats.isascii()
    for figure in figures:
        assert f"**{figure.title}.** {figure.caption}" in captions
        assert (f"]({figure.name}.png)" in captions) == (figure.png is not None)
        included = f"\\includegraphics{{{figure.name}.{'pdf' if figure.pdf else 'png'}}}" in floats
        assert included == (figure.png is not None)


@pytest.mark.slow
def test_the_same_ledger_gives_the_same_bytes(evidence, figures, tmp_path):
    """In another process, where no cache and no order of sets is the same."""
    command = [sys.executable, ROOT / "scripts" / "make_figures.py", "--ledger", evidence.file, "--out", tmp_path]
    subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}, check=True)
    again = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    of_figures = {f"{figure.name}.{suffix}": content for figure in figures for suffix, content in figure.files()}
    assert {name: again[name] for name in of_figures} == of_figures


def test_a_ledger_alone_has_figures_too(tmp_path):
    assert list(drawn(tmp_path / "ledger.csv", grid(("relu", "gelu"), range(2)))) == [
        "cifar100_small_differences",
        "cifar100_small_quality_against_cost",
        "responses",
    ]


@pytest.mark.slow
def test_the_figures_of_a_subject_show_it_and_the_baseline_alone(tmp_path):
    rows = grid(("relu", "gelu", "carelu", "mine", "mine(slope=2)"), range(2))
    for each in rows:
        write_metrics(tmp_path, each)
    figures = drawn(tmp_path / "ledger.csv", rows, subject=("mine",))
    assert figures.keys() == {*(f"cifar100_small_{kind}" for kind in OF_A_SETTING), "responses"}
    for figure in figures.values():
        said = figure.title + figure.caption + figure.alt
        assert "CAReLU" not in said and "GELU" not in said
    assert "mine (slope=2)" in figures["cifar100_small_curves"].alt
    exact = drawn(tmp_path / "ledger.csv", rows, subject=("mine(slope=2)",))["cifar100_small_curves"].alt
    assert "mine (slope=2)" in exact and "mine 4" not in exact


@pytest.mark.slow
def test_settings_of_one_task_and_recipe_have_names_of_their_own(tmp_path):
    rows = [*grid(("relu", "gelu"), (0, 1), data="sst2-dev"), *grid(("relu", "gelu"), (0, 1), data='x(sets=["a"])')]
    names = drawn(tmp_path / "ledger.csv", rows)
    assert {"cifar100_small_sst2-dev_differences", "cifar100_small_x-sets=-a_differences"} <= names.keys()


@pytest.mark.slow
def test_every_label_of_an_activation_can_be_drawn(tmp_path):
    acts = ["relu", *(f"carelu(gain={gain}, competition_input=pre_norm)" for gain in range(2, 14)), "unknown_here"]
    figures = drawn(tmp_path / "ledger.csv", grid(acts, range(2), ("cifar100", "text")))
    assert "unknown_here" in figures["text_small_differences"].alt


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({}, "several recipes.*--recipe each"),
        ({"recipe": "large"}, "unknown recipe 'large'"),
        ({"recipe": "small", "subject": ("gel",)}, "unknown subject 'gel'; did you mean gelu"),
        ({"recipe": "small", "baseline": "tanh"}, "no run of the baseline 'tanh'.*gelu .*relu .*--baseline"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path, options, answer):
    rows = [*grid(("relu", "gelu"), (0, 1)), *grid(("relu", "gelu"), (0, 1), recipe="fast")]
    with pytest.raises(BadInput, match=answer):
        drawn(tmp_path / "ledger.csv", rows, **options)


@pytest.mark.slow
def test_each_recipe_has_its_own_figures(tmp_path):
    tasks = ("cifar100", "text")
    rows = [each for recipe in ("small", "fast") for each in grid(("relu", "gelu"), (0, 1), tasks, recipe=recipe)]
    names = drawn(tmp_path / "ledger.csv", rows, recipe="each")
    assert {"cifar100_small_differences", "cifar100_fast_differences"} <= names.keys()


@pytest.mark.parametrize(
    ("line", "answer"), [("{", "line 6 is damaged"), (json.dumps({"step": 1}), "line 6 is damaged")]
)
def test_damaged_metrics_are_named(tmp_path, line, answer):
    rows = grid(("relu", "gelu"), (0,))
    write_metrics(tmp_path, rows[0])
    with (tmp_path / "metrics" / f"{rows[0]['run_id']}.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(BadInput, match=answer):
        drawn(tmp_path / "ledger.csv", rows)


@pytest.mark.slow
def test_the_command_answers_a_mistake_in_one_line(tmp_path):
    shutil.copy(ROOT / "README.md", tmp_path / "ledger.csv")
    done = forked.run(["scripts/make_figures.py", "--ledger", tmp_path / "ledger.csv"])
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "is not a ledger" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_command_writes_only_what_is_asked_for(tmp_path):
    ledger = write(tmp_path / "ledger.csv", grid(["relu", "gelu"], range(2)))
    command = ["scripts/make_figures.py", "--ledger", ledger, "--out", tmp_path / "out"]
    assert forked.run([*command, "--only", "differences"]).returncode == 0
    assert {file.stem for file in (tmp_path / "out").glob("*.png")} == {"cifar100_small_differences"}
    refused = forked.run([*command, "--only", "difference_plot"])
    assert refused.returncode == 2 and "--only difference_plot: no figure" in refused.stderr
