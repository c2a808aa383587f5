"""`runs.py`: its five commands, its question before it deletes, its errors."""

import pytest

from experiments.record import ledger
from scripts import runs
from tests.experiments.ledgers import grid, write
from tests.experiments.record.test_stored_runs import make_folder


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Calls a command on an output root of four runs; returns its exit code."""
    rows = grid(["relu", "carelu"], [0, 1])
    write(tmp_path / "ledger.csv", rows)
    for each in rows:
        make_folder(tmp_path, each)

    def main(*arguments, answer=None):
        monkeypatch.setattr("sys.argv", ["runs.py", *arguments, "--output-root", str(tmp_path)])
        monkeypatch.setattr("builtins.input", lambda question: answer or "")
        return runs.main()

    return main


def test_list_shows_whole_ids_and_size_the_space(call, capsys, tmp_path):
    assert call("list", "--act", "relu") == 0
    printed = capsys.readouterr().out
    ids = {row.run_id for row in ledger.read(tmp_path / "ledger.csv")[0]}
    assert {word for word in ids if word in printed} == {word for word in ids if "carelu" not in word}
    assert call("size") == 0
    assert "checkpoint.pt" in capsys.readouterr().out


def test_show_and_compare_take_a_part_of_an_id(call, capsys):
    assert call("show", "small-carelu-s1") == 0
    assert "python run.py" in capsys.readouterr().out
    assert call("compare", "small-carelu-s1", "small-relu-s1") == 0
    assert "difference" in capsys.readouterr().out
    assert call("show", "small-gelu") == 2
    assert capsys.readouterr().err.startswith("error: unknown run 'small-gelu'")


def test_remove_asks_first(call, capsys, tmp_path):
    assert call("remove", "small-carelu-s1", answer="n") == 2
    assert len(ledger.read(tmp_path / "ledger.csv")[0]) == 4
    assert call("remove", "small-carelu-s1", answer="y") == 0
    assert len(ledger.read(tmp_path / "ledger.csv")[0]) == 3
    assert call("remove", "--act", "relu", "--yes") == 0
    assert [row.act for row in ledger.read(tmp_path / "ledger.csv")[0]] == ["carelu"]
    assert "removed 2 runs" in capsys.readouterr().out


def test_remove_never_takes_all_by_default(call, capsys, tmp_path):
    assert call("remove", "--yes") == 2
    assert "name the runs to remove" in capsys.readouterr().err
    assert len(ledger.read(tmp_path / "ledger.csv")[0]) == 4
