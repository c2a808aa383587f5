"""The runs that a run is compared with at its end."""

import pytest

from experiments.training.counterparts import differences
from tests.experiments.ledgers import row, write

MINE = row("carelu", 3, 41.5)
RELU = row("relu", 3, 40.0)


def found(tmp_path, *rows, of=MINE):
    return differences(write(tmp_path / "ledger.csv", rows), of["run_id"])


def test_an_activation_is_compared_with_relu_of_the_same_seed(tmp_path):
    assert found(tmp_path, MINE, RELU, row("gelu", 3, 30.0)) == {"relu": 1.5}


def test_relu_is_compared_with_every_other_activation_of_the_same_seed(tmp_path):
    rows = [MINE, RELU, row("carelu(gain=2)", 3, 42.0), row("gelu", 4, 30.0)]
    assert found(tmp_path, *rows, of=RELU) == {"carelu": -1.5, "carelu(gain=2)": -2.0}


@pytest.mark.parametrize(
    "other",
    [
        row("relu", 4, 40.0),
        row("relu", 3, 40.0, threads=1),
        row("relu", 3, 40.0, recipe="standard"),
        row("relu", 3, 40.0, task="text"),
        row("relu", 3, status="diverged"),
    ],
    ids=["seed", "threads", "recipe", "task", "diverged"],
)
def test_what_is_not_comparable_is_no_counterpart(tmp_path, other):
    assert found(tmp_path, MINE, other) == {}


def test_without_a_row_or_a_value_there_is_no_difference(tmp_path):
    assert found(tmp_path, RELU) == {}
    diverged = row("carelu", 3, status="diverged")
    assert found(tmp_path, RELU, diverged, of=diverged) == {}
    assert differences(tmp_path / "nothing.csv", "x") == {}
