"""Differences to the baseline, with verdicts."""

import importlib

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.analysis.statistics import compare_paired
from experiments.analysis.verdict import judge
from experiments.report.figures.canvas import canvas
from experiments.report.figures.subject import Subject
from tests.experiments.ledgers import grid, row, write
from tests.experiments.simulated import drawn


def test_the_words_hold_the_numbers_of_the_ledger(tmp_path):
    rows = [row("relu", seed, 40.0 + seed) for seed in range(4)]
    rows += [row("gelu", seed, 41.0 + seed + 0.1 * seed) for seed in range(4)]
    alt = drawn(tmp_path / "ledger.csv", rows)["cifar100_small_differences"].alt
    assert "GELU +1.15 points" in alt and "n = 4): better." in alt


def test_one_seed_is_undecided(tmp_path):
    alt = drawn(tmp_path / "ledger.csv", grid(("relu", "carelu"), (0,)))["cifar100_small_differences"].alt
    assert "(n = 1): undecided" in alt


@pytest.fixture
def panel_of(tmp_path, monkeypatch):
    """A function from rows of a ledger to the first panel of its figure."""
    module, sheets = importlib.import_module("experiments.report.figures.differences"), []
    monkeypatch.setattr(module, "canvas", lambda **options: sheets.append(canvas(**options)) or sheets[-1])

    def panel(rows):
        evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
        module.differences(Subject.of(evidence, "relu"), evidence.settings()[0])
        return sheets[-1].panels[0]

    return panel


@pytest.mark.parametrize(("effect", "weight"), [(30.0, "bold"), (-30.0, "normal"), (0.0, "normal")])
def test_only_the_verdict_better_is_bold(panel_of, effect, weight):
    (verdict,) = panel_of(grid(("relu", "gelu"), range(5), effects={"gelu": effect})).texts
    assert verdict.get_weight() == weight


@pytest.mark.parametrize(("seeds", "line"), [(4, "-"), (3, "--")])
def test_the_bar_is_the_interval_of_the_verdict_and_without_ends_a_dashed_t_interval(panel_of, seeds, line):
    values = [0.8, 0.9, 1.0, 0.9][:seeds]
    rows = [row("relu", seed, 40.0) for seed in range(seeds)]
    rows += [row("gelu", seed, 40.0 + value) for seed, value in enumerate(values)]
    (bar,) = (each for each in panel_of(rows).lines if len(each.get_xdata()) == 2 and each.get_ydata()[1] == 0)
    verdict = judge(values, 0.5)
    t_interval = compare_paired(dict(enumerate(values)), dict.fromkeys(range(seeds), 0.0))
    expected = verdict if seeds == 4 else t_interval
    assert list(bar.get_xdata()) == pytest.approx([expected.low, expected.high])
    assert bar.get_linestyle() == line


def test_the_margin_is_a_band(panel_of):
    (band,) = panel_of(grid(("relu", "gelu"), range(3))).patches
    assert (band.get_x(), band.get_width()) == (-0.5, 1.0)


def test_a_mark_is_a_pair_and_runs_of_unlike_conditions_are_none(panel_of):
    rows = [row("relu", seed, 40.0) for seed in range(3)] + [row("gelu", seed, 41.0 + seed) for seed in range(3)]
    rows[-1]["kernel"] = "another"
    single = {line.get_xdata()[0] for line in panel_of(rows).lines if len(line.get_xdata()) == 1}
    assert sorted(single) == pytest.approx([1.0, 1.5, 2.0])  # two pairs and their mean


def test_unfinished_runs_and_unshared_seeds_are_reported(tmp_path):
    rows = grid(("relu", "gelu"), range(4))
    rows[-1] = row("gelu", 3, status="diverged")
    caption = drawn(tmp_path / "ledger.csv", rows)["cifar100_small_differences"].caption
    assert "3 pairs from 3 seeds of it and 4 of ReLU" in caption
    assert "1 of 4 runs diverged" in caption


def test_names_of_several_lines_have_room(panel_of):
    acts = ["relu", *(f"carelu(competition_input=pre_norm, gain={gain}, over=channel)" for gain in (2, 3))]
    axes = panel_of(grid(acts, range(2)))
    height = axes.figure.get_size_inches()[1] * axes.get_position().height
    row = height / abs(axes.get_ylim()[1] - axes.get_ylim()[0])
    assert row > 4 * axes.get_yticklabels()[0].get_size() / 72  # four lines
