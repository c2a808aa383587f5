"""Training curves."""

import importlib
import json

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.report.figures import make_figures
from experiments.report.figures.canvas import canvas
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
def test_the_same_epochs_lie_below_each_other_where_the_test_set_is_measured_in_a_few(tmp_path, monkeypatch):
    sheets = []
    module = importlib.import_module("experiments.report.figures.curves")  # the package's attribute is the function
    monkeypatch.setattr(module, "canvas", lambda **options: sheets.append(canvas(**options)) or sheets[-1])
    rows = grid(("relu", "gelu"), (0,))
    for each in rows:
        write_metrics(tmp_path, each)
        file = tmp_path / "metrics" / f"{each['run_id']}.jsonl"
        records = [json.loads(line) for line in file.read_text().splitlines()]
        for record in records[:-2]:
            record.pop("top1", None)
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
    drawn(tmp_path / "ledger.csv", rows)
    (sheet,) = sheets
    assert len(sheet.panels) == 2 and len({axes.get_xlim() for axes in sheet.panels}) == 1


@pytest.mark.slow
def test_single_runs_are_called_so(tmp_path):
    rows = grid(("relu", "carelu"), (0,))
    for each in rows:
        write_metrics(tmp_path, each)
    assert "single runs" in drawn(tmp_path / "ledger.csv", rows)["cifar100_small_curves"].caption
