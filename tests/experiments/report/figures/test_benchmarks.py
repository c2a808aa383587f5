"""The cost of a step from benchmarks."""

import csv

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.errors import BadInput
from experiments.report.figures.benchmarks import costs
from tests.experiments.ledgers import grid, write

ROW = {
    **{"device": "AMD EPYC (2 threads)", "benchmark": "activations", "task": "cifar100", "model": "resnet18-w16"},
    **{"data": "cifar100-sample", "recipe": "small", "precision": "float32", "baseline": "relu"},
}


def benchmark(folder, ratios, name="machine_training.csv", **fields):
    """Writes a table with these time ratios; their quartiles are 0.1 away."""
    rows = [
        {
            **ROW,
            "activation": act,
            "time_ratio": ratio,
            "time_ratio_q1": ratio - 0.1,
            "time_ratio_q3": ratio + 0.1,
            **fields,
        }
        for act, ratio in ratios.items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def setting(tmp_path):
    (setting,) = read_evidence(write(tmp_path / "ledger.csv", grid(("relu",), range(1)))).settings()
    return setting


def test_costs_come_from_any_folder_within_and_the_baseline_costs_1(tmp_path, setting):
    benchmark(tmp_path / "a" / "b", {"gelu": 1.25})
    found = costs(tmp_path, setting, "relu")
    assert (found.by_act["gelu"].middle, found.by_act["gelu"].low) == (1.25, 1.15)
    assert found.by_act["relu"].middle == 1.0


@pytest.mark.parametrize("column", ["task", "model", "recipe", "precision", "benchmark", "baseline"])
def test_a_benchmark_of_something_else_does_not_count(tmp_path, setting, column):
    benchmark(tmp_path, {"gelu": 1.25}, **{column: "other"})
    assert costs(tmp_path, setting, "relu") is None


def test_the_device_of_the_runs_goes_before_the_number_of_activations(tmp_path, setting):
    benchmark(tmp_path, {"gelu": 2.0, "elu": 2.0, "mish": 2.0}, "other_training.csv", device="H100")
    benchmark(tmp_path, {"gelu": 1.25}, "own_training.csv")
    assert costs(tmp_path, setting, "relu").by_act["gelu"].middle == 1.25


@pytest.mark.parametrize(("fields", "answer"), [({"time_ratio": "x"}, "no time ratio of gelu"), ({}, "it lacks task")])
def test_a_damaged_table_is_named(tmp_path, setting, fields, answer):
    benchmark(tmp_path, {"gelu": 1.0}, **fields)
    file = tmp_path / "machine_training.csv"
    if not fields:
        file.write_text(file.read_text().replace("task", "tusk"))
    with pytest.raises(BadInput, match=rf"machine_training\.csv.*{answer}"):
        costs(tmp_path, setting, "relu")
