"""The comparison of activations: pairs, correction, what is significant; and that in many simulated ledgers."""

import math

import numpy as np
import pytest

from experiments.analysis.comparison import compare, metrics_shown
from experiments.analysis.evidence import read_evidence
from experiments.analysis.statistics import LEVEL, holm, power
from tests.experiments.ledgers import grid, row, write

LEDGERS, SEEDS = 300, 5
NOISE = 0.5
"""Standard deviation of a run around what its seed has in common with the others, in points of accuracy."""


def compared(file, rows, metric="top1", baseline="relu"):
    evidence = read_evidence(write(file, rows))
    (setting,) = evidence.settings()
    return {entry.act: entry for entry in compare(evidence, setting, metric, baseline)}


def gains(values, act="carelu"):
    """Runs of relu, and of another activation that is so much above it at each seed."""
    rows = [row("relu", seed, 40.0 + seed) for seed in range(len(values))]
    return rows + [row(act, seed, 40.0 + seed + value) for seed, value in enumerate(values)]


def test_p_values_are_corrected_over_the_activations(tmp_path):
    found = compared(tmp_path / "ledger.csv", grid(["relu", "carelu", "gelu", "elu"], range(3)))
    others = ["carelu", "elu", "gelu"]
    assert [found[act].p_holm for act in others] == holm([found[act].paired.p_value for act in others])


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([0.8, 0.9, 1.0], (True, False)), ([-0.8, -0.9, -1.0], (False, True)), ([-0.8, 0.9, 1.0], (False, False))],
)
def test_a_difference_is_significantly_better_or_worse_or_neither(tmp_path, values, verdict):
    entry = compared(tmp_path / "ledger.csv", gains(values))["carelu"]
    assert (entry.significantly_better, entry.significantly_worse) == verdict
    assert entry.significant == any(verdict)


def test_where_lower_is_better_a_lower_value_is_better(tmp_path):
    rows = [{**each, "loss": each["top1"]} for each in gains([-0.8, -0.9, -1.0])]
    assert compared(tmp_path / "ledger.csv", rows, "loss")["carelu"].significantly_better


@pytest.mark.parametrize("act", ["carelu", "relu"])
def test_nothing_is_significant_where_the_activation_or_the_baseline_diverged(tmp_path, act):
    rows = [*gains([0.8, 0.9, 1.0]), row(act, 3, status="diverged")]
    entry = compared(tmp_path / "ledger.csv", rows)["carelu"]
    assert entry.p_holm < LEVEL
    assert (entry.diverged, entry.significant) == (1, False)


def test_a_run_of_another_activation_that_diverged_changes_nothing(tmp_path):
    rows = [*gains([0.8, 0.9, 1.0]), row("gelu", 0, status="diverged")]
    assert compared(tmp_path / "ledger.csv", rows)["carelu"].significantly_better


def test_without_the_baseline_nothing_is_paired(tmp_path):
    found = compared(tmp_path / "ledger.csv", grid(["carelu", "gelu"], range(3)))
    assert {(entry.paired, entry.p_holm, entry.significant) for entry in found.values()} == {(None, None, False)}


def test_the_headline_is_shown_on_every_test_set_and_not_on_the_held_out_part(tmp_path):
    rows = grid(["relu"], range(2), ["superres"], **{"set5/psnr_y": 36.0, "validation/psnr_y": 30.0})
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    (setting,) = evidence.settings()
    assert metrics_shown(evidence, setting, None) == ["psnr_y", "set5/psnr_y"]
    assert metrics_shown(evidence, setting, "validation/psnr_y") == ["validation/psnr_y"]
    assert metrics_shown(evidence, setting, "top1") == []


def simulated(folder, effects):
    """The entries of many ledgers, where relu and others are trained with five seeds.

    A seed moves all activations together, by much more than the effect: only pairs can tell.
    """
    random = np.random.default_rng(12345)
    for _ in range(LEDGERS):
        by_seed = 40.0 + 3.0 * random.normal(size=SEEDS)
        rows = [
            row(act, seed, round(value + effect + NOISE * random.normal(), 2))
            for act, effect in {"relu": 0.0, **effects}.items()
            for seed, value in enumerate(by_seed)
        ]
        yield compared(folder / "ledger.csv", rows)


def standard_error(rate):
    return math.sqrt(rate * (1 - rate) / LEDGERS)


@pytest.mark.slow
def test_an_effect_of_one_point_is_found_with_the_stated_power(tmp_path):
    found = [entries["carelu"] for entries in simulated(tmp_path, {"carelu": 1.0})]
    stated = power(SEEDS, NOISE * math.sqrt(2), 1.0)
    assert 0.5 < stated < 0.9  # neither hopeless nor sure, so that a wrong test would show
    rate = np.mean([entry.significantly_better for entry in found])
    assert rate == pytest.approx(stated, abs=3 * standard_error(stated))
    assert not any(entry.significantly_worse for entry in found)


@pytest.mark.slow
def test_without_an_effect_a_ledger_has_a_significant_one_no_more_often_than_stated(tmp_path):
    found = simulated(tmp_path, {"carelu": 0.0, "gelu": 0.0, "prelu": 0.0})
    rate = np.mean([any(entry.significant for entry in entries.values()) for entries in found])
    assert rate <= LEVEL + 3 * standard_error(LEVEL)
