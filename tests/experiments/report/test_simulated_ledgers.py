"""What tables find in many simulated ledgers: a planted effect with the stated power, nothing with the stated rate."""

import math

import numpy as np
import pytest

from experiments.analysis.statistics import LEVEL, power
from tests.experiments.ledgers import cells, row, tables_of

LEDGERS, SEEDS = 300, 5
NOISE = 0.5
"""Standard deviation of a run around what its seed has in common with the others, in points of accuracy."""


def verdicts(folder, effects):
    """What the table of each ledger says of each activation, where relu and others are trained with five seeds.

    A seed moves all activations together, by much more than the effect: only pairs can tell.
    """
    random = np.random.default_rng(12345)
    found = []
    for _ in range(LEDGERS):
        by_seed = 40.0 + 3.0 * random.normal(size=SEEDS)
        rows = [
            row(act, seed, round(value + effect + NOISE * random.normal(), 2))
            for act, effect in {"relu": 0.0, **effects}.items()
            for seed, value in enumerate(by_seed)
        ]
        table = tables_of(folder / "ledger.csv", rows)["cifar100"]
        found.append({act: each["stands"].value for act, each in cells(table).items() if act != "relu"})
    return found


def standard_error(rate):
    return math.sqrt(rate * (1 - rate) / LEDGERS)


def test_an_effect_of_one_percent_is_found_with_the_stated_power(tmp_path):
    found = [each["carelu"] for each in verdicts(tmp_path, {"carelu": 1.0})]
    stated = power(SEEDS, NOISE * math.sqrt(2), 1.0)
    assert 0.5 < stated < 0.9  # neither hopeless nor sure, so that a wrong test would show
    assert found.count("better") / LEDGERS == pytest.approx(stated, abs=3 * standard_error(stated))
    assert found.count("worse") == 0


def test_where_there_is_no_effect_a_table_claims_one_no_more_often_than_stated(tmp_path):
    found = verdicts(tmp_path, {"carelu": 0.0, "gelu": 0.0, "prelu": 0.0})
    claims = sum(any(verdict != "no" for verdict in each.values()) for each in found)
    assert claims / LEDGERS <= LEVEL + 3 * standard_error(LEVEL)
