"""What each bundled task tells of itself: its metrics, its headline, its margin of practical equivalence."""

import pytest

from experiments.configuration.task_spec import spec_of

PERCENT = ("%", 2, True, 100.0)
DECIBELS = ("dB", 3, True, None)
LOSS = ("", 4, False, 0.0)


@pytest.mark.parametrize(
    ("task", "headline", "margin", "metrics"),
    [
        ("cifar100", "top1", 0.5, {"top1": PERCENT, "top5": PERCENT, "loss": LOSS}),
        (
            "superres",
            "psnr_y",
            0.05,
            {**dict.fromkeys(("psnr_y", "psnr_rgb", "bicubic_psnr_y"), DECIBELS), "ssim_y": ("", 4, True, 1.0)},
        ),
        ("text", "accuracy", 0.5, {"accuracy": PERCENT, "macro_f1": PERCENT, "loss": LOSS}),
    ],
)
def test_each_metric_has_its_unit_decimals_direction_and_best_possible_value(task, headline, margin, metrics):
    spec = spec_of(task)
    assert {
        name: (metric.unit, metric.decimals, metric.higher_is_better, metric.best_possible)
        for name, metric in spec.metrics.items()
    } == metrics
    assert (spec.headline, spec.margin) == (headline, margin)


def test_guessing_one_of_a_hundred_classes_is_right_once_in_a_hundred():
    metrics = spec_of("cifar100").metrics
    assert (metrics["top1"].chance, metrics["top5"].chance) == (1.0, 5.0)
