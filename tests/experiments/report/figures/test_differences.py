"""Differences to the baseline, with verdicts."""

import importlib

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.report.figures.canvas import canvas
from experiments.report.figures.subject import Subject
from tests.experiments.ledgers import grid, row, write
from tests.experiments.simulated import drawn


def test_the_words_hold_the_numbers_of_the_ledger(tmp_path):
    rows = [row("relu", seed, 40.0 + seed) for seed in range(3)]
    rows += [row("gelu", seed, 41.0 + seed + 0.1 * seed) for seed in range(3)]
    alt = drawn(tmp_path / "ledger.csv", rows)["cifar100_small_differences"].alt
    assert "GELU +1.10 points" in alt and "n = 3): significantly better." in alt


def test_one_seed_has_no_test(tmp_path):
    alt = drawn(tmp_path / "ledger.csv", grid(("relu", "carelu"), (0,)))["cifar100_small_differences"].alt
    assert "(n = 1): no test" in alt


@pytest.mark.parametrize(("effect", "weight"), [(30.0, "bold"), (-30.0, "normal"), (0.0, "normal")])
def test_only_a_significant_gain_is_bold(tmp_path, monkeypatch, effect, weight):
    module, sheets = importlib.import_module("experiments.report.figures.differences"), []
    monkeypatch.setattr(module, "canvas", lambda **options: sheets.append(canvas(**options)) or sheets[-1])
    evidence = read_evidence(write(tmp_path / "ledger.csv", grid(("relu", "gelu"), range(5), effects={"gelu": effect})))
    module.differences(Subject.of(evidence, "relu"), evidence.settings()[0])
    (verdict,) = sheets[0].panels[0].texts
    assert verdict.get_weight() == weight


def test_unfinished_runs_and_unshared_seeds_are_reported(tmp_path):
    rows = grid(("relu", "gelu"), range(4))
    rows[-1] = row("gelu", 3, status="diverged")
    caption = drawn(tmp_path / "ledger.csv", rows)["cifar100_small_differences"].caption
    assert "3 pairs from 3 seeds of it and 4 of ReLU" in caption
    assert "1 of 4 runs diverged" in caption
