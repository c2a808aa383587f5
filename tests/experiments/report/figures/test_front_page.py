"""The picture of the front page."""

import pytest

from experiments.analysis.verdict import judge
from experiments.errors import BadInput
from experiments.report.figures import front_page as module
from experiments.report.figures.front_page import front_page
from experiments.report.rendering import to_csv
from tests.conftest import ROOT
from tests.experiments.ledgers import row, tables_of

TABLES = [ROOT / f"results/tables/{task}.csv" for task in ("cifar100", "superres", "text")]


def test_the_committed_picture_is_that_of_the_published_tables():
    assert front_page(TABLES)["svg"] == (ROOT / "results/figures/front_page.svg").read_bytes()


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"cifar100\.csv.*make_tables\.py"):
        front_page([tmp_path / "cifar100.csv"])


def test_a_table_without_a_comparison_is_refused(tmp_path):
    head, first = TABLES[0].read_text(encoding="utf-8").splitlines()[:2]
    (tmp_path / "cifar100.csv").write_text(f"{head}\n{first}\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"cifar100\.csv.*two seeds"):
        front_page([tmp_path / "cifar100.csv"])


def sheet_of(tmp_path, monkeypatch, seeds=4):
    """The picture of one task whose table is made from a ledger with so many seeds."""
    sheets = []
    monkeypatch.setattr(module, "_saved", lambda sheet, suffix: sheets.append(sheet) or b"")
    rows = [row("relu", seed, 40.0) for seed in range(seeds)]
    rows += [row("gelu", seed, 41.0 + 0.1 * (-1) ** seed) for seed in range(seeds)]
    (tmp_path / "cifar100.csv").write_text(to_csv(tables_of(tmp_path / "ledger.csv", rows)["cifar100"]))
    front_page([tmp_path / "cifar100.csv"])
    return sheets[0]


def drawn(tmp_path, monkeypatch, seeds):
    """The panel of the task."""
    return sheet_of(tmp_path, monkeypatch, seeds).axes[1]


def test_the_responses_are_those_of_the_tables(tmp_path, monkeypatch):
    labels = sheet_of(tmp_path, monkeypatch).axes[0].get_legend_handles_labels()[1]
    assert labels == ["ReLU", "GELU"]


def test_the_bar_is_the_interval_of_the_verdict_and_the_margin_a_band(tmp_path, monkeypatch):
    axes = drawn(tmp_path, monkeypatch, seeds=4)
    verdict = judge([1.1, 0.9, 1.1, 0.9], 0.5)
    assert list(axes.lines[0].get_xdata()) == pytest.approx([verdict.low, verdict.high])
    assert axes.lines[0].get_linestyle() == "-"
    assert (axes.patches[0].get_x(), axes.patches[0].get_width()) == (-0.5, 1.0)


def test_an_interval_without_ends_is_drawn_as_a_dashed_t_interval(tmp_path, monkeypatch):
    assert drawn(tmp_path, monkeypatch, seeds=3).lines[0].get_linestyle() == "--"
