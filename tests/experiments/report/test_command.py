"""What the scripts of tables, figures and page share."""

from pathlib import Path

import pytest

from experiments.report.command import parser_of, write_from
from tests.experiments.ledgers import grid, row, write


def given(ledger, *words):
    return parser_of("what it does", "where to", "tables").parse_args(["--ledger", str(ledger), *words])


def test_the_shared_options_have_their_defaults():
    given = parser_of("what it does", "where to", "tables").parse_args([])
    assert (given.ledger, given.out, given.baseline, given.recipe) == (
        Path("results/comparison/ledger.csv"),
        None,
        "relu",
        None,
    )


@pytest.mark.parametrize(
    ("arguments", "subjects"),
    [
        ([], ()),
        (["--subject", "gelu"], ("gelu",)),
        (["--subject", "gelu,elu"], ("gelu", "elu")),
        (["--subject", "gelu", "--subject", "elu,gelu"], ("gelu", "elu")),
        (["--subject", "carelu(alpha=2, beta=-1), elu"], ("carelu(alpha=2, beta=-1)", "elu")),
    ],
)
def test_subjects_are_given_with_commas_or_by_repeating_the_option(arguments, subjects):
    assert parser_of("what it does", "where to", "tables").parse_args(arguments).subject == subjects


def test_the_written_files_are_printed_and_a_row_that_is_left_out_is_a_warning(tmp_path, capsys):
    ledger = write(tmp_path / "ledger.csv", [row("relu", 0), row("gelu", 0, value="?")])
    assert write_from(given(ledger), lambda evidence: [Path(run.act) for run in evidence.runs]) == 0
    said = capsys.readouterr()
    assert said.out == "relu\n"
    assert said.err.startswith("warning: line 3 of ledger.csv") and said.err.count("\n") == 1


def test_runs_without_curves_are_a_warning_where_curves_are_drawn(tmp_path, capsys):
    ledger = write(tmp_path / "ledger.csv", [row("relu", 0)])
    write_from(given(ledger), lambda evidence: [], curves=True)
    assert "has no metrics.jsonl" in capsys.readouterr().err


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, capsys):
    assert write_from(given(tmp_path / "nowhere.csv"), lambda evidence: []) == 2
    assert capsys.readouterr().err.startswith("error: there is no ledger")


def test_a_recipe_and_settings_are_chosen_alike_by_every_script(tmp_path, capsys):
    rows = [*grid(["relu", "carelu"], range(2)), row("relu", 0, recipe="small(trainer.max_steps=2)")]
    ledger = write(tmp_path / "ledger.csv", rows)

    def ids(*words):
        seen = []
        assert write_from(given(ledger, *words), lambda evidence: [seen.append(len(evidence.runs)), tmp_path][1:]) == 0
        return seen, capsys.readouterr().err

    assert ids() == ([4], ids()[1])
    assert "small(trainer.max_steps=2)" in ids()[1]
    assert ids("--select", "trainer.max_steps=null") == ([4], "")
    assert ids("--select", "trainer.max_steps=2") == ([1], "")


def test_each_leaves_out_a_recipe_without_the_baseline_with_a_warning(tmp_path, capsys):
    rows = [*grid(["relu", "mine"], range(2)), row("mine", 0, recipe="small(trainer.max_steps=2)")]
    ledger = write(tmp_path / "ledger.csv", rows)
    kept = []
    assert write_from(given(ledger, "--recipe", "each"), lambda evidence: kept.extend(evidence.runs) or []) == 0
    assert [run.setting.recipe_label for run in kept] == ["small"] * 4
    warning = "warning: recipe small(trainer.max_steps=2) is left out: it has no run of the baseline relu\n"
    assert capsys.readouterr().err == warning


def test_a_wrong_selection_is_one_line(tmp_path, capsys):
    ledger = write(tmp_path / "ledger.csv", [row("relu", 0)])
    assert write_from(given(ledger, "--select", "nonsense"), lambda evidence: []) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: --select 'nonsense'") and said.count("\n") == 1
