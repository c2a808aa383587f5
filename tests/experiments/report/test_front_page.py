"""The results on the front page: tables, sentences, and the marks around them."""

import pytest

from experiments.errors import BadInput
from experiments.report.front_page import BEGIN, END, OptionStudy, results_block, with_results
from tests import forked
from tests.experiments.ledgers import grid, row, write

PAGE = f"before\n\n{BEGIN}\nold\n{END}\nafter\n"


def test_a_setting_has_a_row_with_a_verdict_for_each_activation_and_a_sentence_on_the_subject(tmp_path):
    gains = {
        "relu": (0.0,) * 5,
        "carelu": (0.8, 0.9, 1.0, 0.9, 0.9),
        "gelu": (-0.8, -0.9, -1.0, -0.9, -0.9),
        "elu": (0.3, -0.2, 0.1, 0.4, -0.4),
    }
    rows = [row(act, seed, 40 + seed + gain) for act, of_act in gains.items() for seed, gain in enumerate(of_act)]
    write(tmp_path / "results" / "ledger.csv", rows)
    block = results_block(tmp_path, "results/ledger.csv", subjects=("carelu",))
    head, _, cells = (line.split(" | ") for line in block.splitlines() if line.startswith("|"))
    assert head[1:] == ["ReLU", "CAReLU", "ELU", "GELU |"]
    assert cells[0] == "| ResNet-18 w16 on CIFAR-100: top-1 accuracy, %" and cells[1] == "42.00 ± 1.58"
    # sd 0.0707; with three comparisons the half-width at 5 pairs is 8.2 standard errors.
    assert cells[2] == "**better: +0.90 (+0.64 to +1.16), n = 5**"
    assert cells[3].startswith("undecided: +0.04 (") and cells[4].startswith("worse: −0.90 (")
    assert "[CIFAR-100](results/tables/cifar100.md)" in block
    assert block.startswith(
        "**In short.** CAReLU against ReLU in 1 setting: 1 better (ResNet-18 w16 on CIFAR-100). ELU, GELU against "
        "ReLU, 2 comparisons: 1 worse, 1 undecided.\n\n"
    )
    (sentence,) = (line for line in block.splitlines() if " vs " in line)
    assert sentence.startswith("- **ResNet-18 w16**: CAReLU vs ReLU on CIFAR-100") and sentence.endswith("better.")


def test_its_first_sentence_counts_the_verdicts_of_each_activation_over_the_settings(tmp_path):
    rows = []
    for model, gain in (("m1", -2.0), ("m2", 0.0), ("m3", 2.0), ("m4", -2.0)):
        rows += [row("relu", seed, 40.0, model=model) for seed in range(6)]
        rows += [row("carelu", seed, 40.0 + gain + 0.01 * seed, model=model) for seed in range(6)]
    rows += [row("gelu", seed, 40.0 + 9 * (-1) ** seed, model="m1") for seed in range(6)]
    rows += [row("gelu", 0, 41.0, model="m2")]
    write(tmp_path / "ledger.csv", rows)
    first, *_ = results_block(tmp_path, "ledger.csv").splitlines()
    assert first == (
        "**In short.** CAReLU against ReLU in 4 settings: 1 better (m3 on CIFAR-100), 2 worse (m1 on CIFAR-100, m4 on "
        "CIFAR-100), 1 equivalent (m2 on CIFAR-100). GELU against ReLU in 2 settings: 0 better, 2 undecided."
    )


@pytest.mark.parametrize(
    ("spreads", "said"),
    [
        ((0.5, 0.5), " Its scale depended on the input in 2 of 2."),
        (
            (0.5, 0.01),
            " Its scale depended on the input in 1 of 2 (m0 on CIFAR-100); elsewhere at least half of its layers acted "
            "as ReLU times a constant.",
        ),
        (
            (0.01, 0.01),
            " Its scale depended on the input in 0 of 2; elsewhere at least half of its layers acted as ReLU times a "
            "constant.",
        ),
        ((None, None), ""),
    ],
)
def test_its_first_sentence_says_where_a_scale_depended_on_its_input(tmp_path, spreads, said):
    rows = []
    for number, spread in enumerate(spreads):
        recorded = {} if spread is None else {"scale_spread": spread, "flipped": 0.0}
        rows += [row(act, 0, model=f"m{number}", **recorded) for act in ("relu", "carelu")]
    write(tmp_path / "ledger.csv", rows)
    first, *_ = results_block(tmp_path, "ledger.csv").splitlines()
    assert first == "**In short.** CAReLU against ReLU in 2 settings: 0 better, 2 undecided." + said


def test_what_departs_is_named_where_two_settings_would_be_called_alike(tmp_path):
    rows = [
        row(act, 0, recipe=recipe, task=task)
        for act in ("relu", "gelu")
        for task, recipe in (
            ("cifar100", "small"),
            ("cifar100", "medium(data.held_out=9)"),
            ("text", "small(task.a=1)"),
        )
    ]
    write(tmp_path / "ledger.csv", rows)
    first, *lines = results_block(tmp_path, "ledger.csv").splitlines()
    _, _, *settings = [line for line in lines if line.startswith("|")]
    assert [line.split(" | ")[0].partition(":")[0] for line in settings] == [
        "| ResNet-18 w16 on CIFAR-100 (held_out=9) with recipe medium",
        "| ResNet-18 w16 on CIFAR-100 with recipe small",
        "| BERT on text",
    ]
    assert first == "**In short.** GELU against ReLU in 3 settings: 0 better, 3 undecided."


def test_an_activation_without_a_pair_has_a_dash_and_a_setting_without_one_no_row(tmp_path):
    rows = [*grid(["relu", "gelu"], range(2)), row("elu", 7), row("elu", 0, task="text")]
    write(tmp_path / "ledger.csv", rows)
    lines = [line for line in results_block(tmp_path, "ledger.csv").splitlines() if line.startswith("|")]
    assert len(lines) == 3 and lines[0].split(" | ")[2] == "ELU" and lines[2].split(" | ")[2] == "–"


def test_a_ledger_without_a_comparison_is_refused(tmp_path):
    write(tmp_path / "ledger.csv", [row("relu", 0), row("gelu", 1)])
    with pytest.raises(BadInput, match=r"ledger\.csv has no activation that shares a seed with relu"):
        results_block(tmp_path, "ledger.csv")


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


def test_without_subjects_every_activation_has_its_sentence(tmp_path):
    write(tmp_path / "results" / "ledger.csv", grid(["relu", "gelu", "elu"], range(2)))
    block = results_block(tmp_path, "results/ledger.csv")
    said = [line.partition(" vs ")[0] for line in block.splitlines() if " vs ReLU" in line]
    assert said == ["- **ResNet-18 w16**: ELU", "- **ResNet-18 w16**: GELU"]
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
    assert "| CAReLU" in page.read_text(encoding="utf-8")
    assert make_readme("--readme", page, "--check").returncode == 0


@pytest.mark.slow
def test_a_page_that_is_not_there_is_answered_in_one_line(tmp_path):
    done = make_readme("--readme", tmp_path / "nowhere.md")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "nowhere.md" in done.stderr
