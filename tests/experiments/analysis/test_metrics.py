"""The metrics: unit, decimals, direction and the best possible value of each."""

import pytest

from experiments.analysis.metrics import METRICS, describe_metric
from experiments.errors import BadInput

PERCENT = ("%", 2, True, 100.0)
DECIBELS = ("dB", 3, True, None)


def test_each_metric_has_its_unit_decimals_direction_and_best_possible_value():
    known = {
        name: (metric.unit, metric.decimals, metric.higher_is_better, metric.best_possible)
        for name, metric in METRICS.items()
    }
    assert known == {
        **dict.fromkeys(("top1", "top5", "accuracy", "macro_f1"), PERCENT),
        **dict.fromkeys(("psnr_y", "psnr_rgb", "bicubic_psnr_y"), DECIBELS),
        "ssim_y": ("", 4, True, 1.0),
        "loss": ("", 4, False, 0.0),
    }


def test_a_metric_of_a_named_set_is_the_metric_with_the_set_in_its_title():
    metric = describe_metric("set5/psnr_y")
    assert metric.heading == "PSNR (luma) on set5, dB"
    assert (metric.higher_is_better, metric.best_possible) == (True, None)
    assert not describe_metric("validation/loss").higher_is_better


def test_an_unknown_metric_is_answered_with_the_known_ones():
    with pytest.raises(BadInput, match=r"'top2'.*top1"):
        describe_metric("top2")
