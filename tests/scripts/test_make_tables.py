"""The command that writes tables, and the committed tables against the committed ledgers."""

import pytest

from scripts.remake_tables import commands_of
from tests import forked
from tests.conftest import ROOT
from tests.experiments.ledgers import grid, row, write

LEDGERS = sorted((ROOT / "results").rglob("ledger.csv"))


def make_tables(*arguments):
    return forked.run(["scripts/make_tables.py", *arguments])


def test_the_main_tables_are_printed_and_all_are_written_beside_the_ledger(tmp_path):
    ledger = write(tmp_path / "ledger.csv", [*grid(["relu", "carelu"], range(2)), row("gelu", 0, value="?")])
    done = make_tables("--ledger", ledger)
    assert done.returncode == 0
    names = {f"{name}.{suffix}" for name in ("cifar100", "cost", "time_to_verdict") for suffix in ("md", "tex", "csv")}
    assert {file.name for file in (tmp_path / "tables").iterdir()} == names
    lines = done.stdout.splitlines()
    assert lines[0].startswith("CIFAR-100: top-1 accuracy")
    assert [line.split()[0] for line in lines if line.startswith("  ")] == ["activation", "ReLU", "CAReLU"]
    assert [line for line in lines if str(tmp_path) in line] == lines[-1:] == [str(tmp_path / "tables")]
    assert "milliseconds" not in done.stdout  # of the table of costs
    assert done.stderr == "warning: line 6 of ledger.csv is left out: column 'headline_value' is '?', not a number.\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["--ledger", "nowhere.csv"], "error: there is no ledger nowhere.csv"),
        (["--baseline", "rellu"], "error: no run of the baseline 'rellu'"),
        (["--out", "README.md/tables"], "error: --out=README.md/tables cannot be written"),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_code_2_and_nothing_is_written(arguments, answer, tmp_path):
    done = make_tables(*(["--out", tmp_path] if "--out" not in arguments else []), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(answer)
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("ledger", LEDGERS, ids=[file.relative_to(ROOT).as_posix() for file in LEDGERS])
def test_the_committed_tables_are_what_their_commands_make_of_the_committed_ledger(ledger, tmp_path):
    committed = {file.name: file.read_bytes() for file in (ledger.parent / "tables").iterdir()}
    commands = commands_of(ledger.parent / "tables")
    for command in commands:
        done = make_tables(*command, "--out", tmp_path)
        assert done.returncode == 0, done.stderr
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == committed
    name = ledger.relative_to(ROOT).as_posix()
    assert all(("--ledger" in command) == (name != "results/comparison/ledger.csv") for command in commands)
    assert all(name in command for command in commands if "--ledger" in command)
