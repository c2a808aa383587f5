"""The results on the front page: tables, sentences, and the marks around them."""

import pytest

from experiments.errors import BadInput
from experiments.report.front_page import BEGIN, END, OptionStudy, Study, results_block, with_results
from tests import forked
from tests.experiments.ledgers import grid, row, write

PAGE = f"before\n\n{BEGIN}\nold\n{END}\nafter\n"


def test_a_task_has_a_table_with_verdicts_and_a_sentence_on_the_subject(tmp_path):
    gains = {
        "relu": (0.0,) * 5,
        "carelu": (0.8, 0.9, 1.0, 0.9, 0.9),
        "gelu": (-0.8, -0.9, -1.0, -0.9, -0.9),
        "elu": (0.3, -0.2, 0.1, 0.4, -0.4),
    }
    rows = [row(act, seed, 40 + seed + gain) for act, of_act in gains.items() for seed, gain in enumerate(of_act)]
    write(tmp_path / "results" / "ledger.csv", rows)
    block = results_block(tmp_path, "results/ledger.csv", (), ("carelu",))
    # sd 0.0707; with three comparisons the half-width at 5 pairs is 8.2 standard errors.
    assert "| ReLU | 42.00 ± 1.58 | baseline | – |" in block
    assert "| CAReLU | 42.90 ± 1.61 | +0.90 (+0.64 to +1.16) | **better** |" in block
    assert "| worse |" in block and "| undecided: about " in block
    assert "](results/tables/cifar100.md)" in block
    (sentence,) = (line for line in block.splitlines() if line.startswith("CAReLU vs ReLU on CIFAR-100"))
    assert sentence.endswith("n = 5): better.")


def test_a_study_answers_with_its_summary_and_what_differs(tmp_path):
    write(tmp_path / "results" / "ledger.csv", grid(["relu", "gelu"], range(2)))
    acts = ("carelu", "carelu(gain=2)", "carelu(gain=3)")
    write(tmp_path / "study" / "ledger.csv", grid(acts, range(5), effects={"carelu(gain=3)": -30.0}))
    study = Study("Which gain?", "study/ledger.csv", "study/tables/cifar100.md", baseline="carelu")
    block = results_block(tmp_path, "results/ledger.csv", (study,))
    said = block[block.index("**Which gain?**") :].splitlines()
    assert "2 variants of CAReLU compared with the default: 1 worse, 1 undecided." in said[0]
    assert [line.partition(" vs ")[0] for line in said[1:]] == ["- CAReLU (gain=3)"]


def test_a_study_of_an_option_shows_its_curves_without_a_verdict(tmp_path):
    write(tmp_path / "results" / "ledger.csv", grid(["relu", "gelu"], range(2)))
    rows = [row("relu", seed, 41.0 + seed) for seed in range(2)]
    for alpha in (1, 2, 4):
        rows += [
            row(f"carelu(alpha={alpha})", seed, 40.0 + seed - alpha, scale_spread=alpha / 100) for seed in range(2)
        ]
    write(tmp_path / "study" / "ledger.csv", rows)
    study = OptionStudy("Does it help?", "study/ledger.csv", "t.md", "f.svg", "carelu", "act.options.alpha", "top1")
    block = results_block(tmp_path, "results/ledger.csv", (study,))
    said = block[block.index("**Does it help?**") :].splitlines()
    assert said[0].startswith("**Does it help?** ([curves](f.svg), [all numbers](t.md)) Top-1 accuracy, %, by alpha: ")
    assert "mean of 2 seeds, too few for a verdict" in said[0] and said[0].endswith(" ReLU: 41.50.")
    assert said[1:] == ["- CAReLU 39.50 at 1 (spread 1.0 %), 38.50 at 2 (spread 2.0 %), 36.50 at 4 (spread 4.0 %)"]


def test_a_study_picks_from_several_settings_only_what_stands_over_all_of_them(tmp_path):
    """Mean 0.4 and sd 0.0707 at 5 pairs: the half-width is 0.22 for 2 comparisons and 0.46 for 8."""
    write(tmp_path / "results" / "ledger.csv", grid(["relu", "gelu"], range(2)))
    gains = {"gelu": (0.3, 0.4, 0.5, 0.4, 0.4), "elu": (0.3, -0.2, 0.1, 0.4, -0.4)}
    rows = [row("relu", seed, 40.0 + seed, data=data) for data in "abcd" for seed in range(5)]
    rows += [
        row(act, seed, 40 + seed + gain * (data == "a" or act == "elu"), data=data)
        for data in "abcd"
        for act, of_act in gains.items()
        for seed, gain in enumerate(of_act)
    ]
    for each in rows:  # so that nothing but the planted gain is constant
        if each["act"] == "gelu" and each["data"] != "a":
            each["headline_value"] = each["top1"] = each["top1"] + 0.3 * (-1) ** each["seed"]

    def said(rows):
        write(tmp_path / "study" / "ledger.csv", rows)
        study = Study("Which?", "study/ledger.csv", "study/tables/cifar100.md")
        block = results_block(tmp_path, "results/ledger.csv", (study,))
        return block[block.index("**Which?**") :]

    alone = said([each for each in rows if each["data"] == "a"])
    assert "1 better, 1 undecided" in alone and "- GELU vs ReLU" in alone and "share" not in alone
    of_all = said(rows)
    assert "better" not in of_all and "8 undecided" in of_all
    assert "The 8 comparisons share the 5 % of their intervals" in of_all


def test_without_subjects_every_activation_has_its_sentence(tmp_path):
    write(tmp_path / "results" / "ledger.csv", grid(["relu", "gelu", "elu"], range(2)))
    block = results_block(tmp_path, "results/ledger.csv", ())
    assert [line.partition(" vs ")[0] for line in block.splitlines() if " vs ReLU" in line] == ["ELU", "GELU"]
    assert "CAReLU" not in block


def test_only_the_text_between_the_marks_is_replaced():
    assert with_results(PAGE, "new") == f"before\n\n{BEGIN}\nnew\n{END}\nafter\n"


@pytest.mark.parametrize("page", ["no marks", f"{END}\n{BEGIN}", BEGIN, PAGE + PAGE])
def test_a_page_without_the_two_marks_is_refused(page):
    with pytest.raises(BadInput, match=BEGIN):
        with_results(page, "new")


def make_readme(*arguments):
    return forked.run(["scripts/make_readme.py", *arguments])


@pytest.mark.slow
def test_the_command_writes_the_page_and_checks_it(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(PAGE, encoding="utf-8")
    stale = make_readme("--readme", page, "--check")
    assert (stale.returncode, page.read_text(encoding="utf-8")) == (1, PAGE)
    assert "scripts/make_readme.py" in stale.stderr and stale.stderr.count("\n") == 1
    assert make_readme("--readme", page).returncode == 0
    assert "| CAReLU |" in page.read_text(encoding="utf-8")
    assert make_readme("--readme", page, "--check").returncode == 0


@pytest.mark.slow
def test_a_page_that_is_not_there_is_answered_in_one_line(tmp_path):
    done = make_readme("--readme", tmp_path / "nowhere.md")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "nowhere.md" in done.stderr
