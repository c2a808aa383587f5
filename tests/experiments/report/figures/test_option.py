"""Curves over a numeric option of an activation."""

import pytest

from experiments.report.figures import option as module
from tests.experiments.ledgers import row, write_config
from tests.experiments.simulated import drawn

NAME = "cifar100_small_carelu_over_alpha"


def of_alpha(alpha, seed, value, spread, **fields):
    return row(f"carelu(alpha={alpha})", seed, value, scale_spread=spread, **fields)


def rows_of(alphas=(1, 2, 4), **fields):
    rows = [row("relu", seed, 41.0 + seed, **fields) for seed in range(2)]
    return rows + [
        of_alpha(alpha, seed, 40.0 + seed - alpha, alpha / 100, **fields) for alpha in alphas for seed in range(2)
    ]


@pytest.mark.slow
def test_three_values_of_an_option_make_a_curve_of_quality_and_of_spread(tmp_path):
    figure = drawn(tmp_path / "ledger.csv", rows_of())[NAME]
    assert "CAReLU 39.50 at 1 (spread 1.0 %), 38.50 at 2 (spread 2.0 %), 36.50 at 4 (spread 4.0 %)" in figure.alt
    assert "dotted: the mean of ReLU" in figure.caption


@pytest.mark.slow
def test_two_values_make_none(tmp_path):
    assert NAME not in drawn(tmp_path / "ledger.csv", rows_of(alphas=(1, 2)))


@pytest.mark.slow
def test_the_value_of_a_run_that_overrides_nothing_is_in_its_configuration(tmp_path):
    plain = row("carelu", 0, 44.0, scale_spread=0.0)
    write_config(tmp_path / "ledger.csv", plain["run_id"], "act:\n  options:\n    alpha: 0.0\n")
    figure = drawn(tmp_path / "ledger.csv", [*rows_of(alphas=(1, 2)), plain])[NAME]
    assert "CAReLU 44.00 at 0 (spread 0 %), 39.50 at 1" in figure.alt


@pytest.mark.slow
def test_runs_that_differ_in_another_option_are_another_curve(tmp_path):
    others = [row(f"carelu(alpha={alpha}, over=channel)", 0, 30.0 + alpha, scale_spread=0.1) for alpha in (1, 2, 4, 8)]
    alt = drawn(tmp_path / "ledger.csv", [*rows_of(), *others])[NAME].alt
    assert "36.50 at 4 (spread 4.0 %); CAReLU (over=channel) 31.00 at 1 (spread 10 %)" in alt


@pytest.mark.slow
def test_where_the_validation_set_selects_its_metric_is_shown(tmp_path):
    selected = {"overrides": {"trainer.selection": "validation"}}
    rows = [{**each, "validation/top1": 10.0 * each["seed"]} for each in rows_of(**selected)]
    (figure,) = (each for name, each in drawn(tmp_path / "ledger.csv", rows).items() if name.endswith("over_alpha"))
    assert "CAReLU 5.00 at 1" in figure.alt
    assert "validation" in figure.caption


@pytest.mark.slow
def test_the_values_are_equally_far_apart_and_the_baseline_is_a_line(tmp_path, monkeypatch):
    sheets, canvas = [], module.canvas
    monkeypatch.setattr(module, "canvas", lambda **options: sheets.append(canvas(**options)) or sheets[-1])
    drawn(tmp_path / "ledger.csv", rows_of())
    upper, lower = sheets[0].panels
    assert [label.get_text() for label in lower.get_xticklabels()] == ["1", "2", "4"]
    (spread,) = lower.lines
    assert list(spread.get_xdata()) == [0, 1, 2]
    assert [round(value, 6) for value in spread.get_ydata()] == [1.0, 2.0, 4.0]
    assert any(list(line.get_ydata()) == [41.5, 41.5] for line in upper.lines)
