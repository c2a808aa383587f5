"""Training curves."""

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.report.figures import make_figures
from tests.experiments.ledgers import grid, write
from tests.experiments.simulated import by_name, drawn, write_metrics


@pytest.mark.slow
def test_curves_use_the_runs_that_left_metrics_and_the_others_are_named(tmp_path):
    rows = grid(("relu", "gelu"), range(3))
    for each in rows[:4]:  # two seeds of both
        write_metrics(tmp_path, each)
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    assert "(n: 2)" in by_name(make_figures(evidence))["cifar100_small_curves"].caption
    assert [sentence.split()[0] for sentence in evidence.without_metrics()] == [each["run_id"] for each in rows[4:]]


@pytest.mark.slow
def test_single_runs_are_called_so(tmp_path):
    rows = grid(("relu", "carelu"), (0,))
    for each in rows:
        write_metrics(tmp_path, each)
    assert "single runs" in drawn(tmp_path / "ledger.csv", rows)["cifar100_small_curves"].caption
