import sys

import pytest

from experiments.benchmarking.results import from_csv
from experiments.benchmarking.surgery import Row
from scripts import check_models


@pytest.fixture
def checking(monkeypatch, tmp_path):
    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["check_models.py", *words, "--no-export", "--out", str(tmp_path)])
        return check_models.main()

    return run


def test_rows_are_written_in_order_and_those_of_other_models_stay(checking, tmp_path):
    assert checking("--models", "torch/TransformerDecoderLayer") == 0
    assert checking("--models", "torch/TransformerEncoderLayer") == 0

    rows = from_csv(tmp_path / "models.csv", Row)
    assert [row.model for row in rows] == ["torch/TransformerEncoderLayer", "torch/TransformerDecoderLayer"]
    assert "2 of 2 models pass" in (tmp_path / "models.md").read_text(encoding="utf-8")


def test_an_unknown_model_is_one_clear_error(checking, capsys):
    assert checking("--models", "tortch/") != 0
    assert "no model is called so; known: torch/TransformerEncoderLayer" in capsys.readouterr().err
