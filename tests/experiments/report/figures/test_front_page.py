"""The picture of the front page."""

import pytest

from experiments.errors import BadInput
from experiments.report.figures.front_page import front_page
from tests.conftest import ROOT

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
