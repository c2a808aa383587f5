"""What the metrics of a ledger are: unit, decimals worth printing, and which direction is better."""

from dataclasses import dataclass, replace

from experiments.errors import unknown


@dataclass(frozen=True)
class Metric:
    """How a metric is written and compared."""

    title: str
    unit: str
    """"%", "dB" or "" for a number without unit."""
    decimals: int
    higher_is_better: bool
    best_possible: float | None
    """None for PSNR, which has none."""

    @property
    def heading(self) -> str:
        """The title with its unit, for the head of a column or an axis."""
        return f"{self.title}, {self.unit}" if self.unit else self.title


METRICS = {
    "top1": Metric("top-1 accuracy", "%", 2, True, 100.0),
    "top5": Metric("top-5 accuracy", "%", 2, True, 100.0),
    "accuracy": Metric("accuracy", "%", 2, True, 100.0),
    "macro_f1": Metric("macro F1", "%", 2, True, 100.0),
    "psnr_y": Metric("PSNR (luma)", "dB", 3, True, None),
    "psnr_rgb": Metric("PSNR (RGB)", "dB", 3, True, None),
    "bicubic_psnr_y": Metric("bicubic PSNR (luma)", "dB", 3, True, None),
    "ssim_y": Metric("SSIM (luma)", "", 4, True, 1.0),
    "loss": Metric("loss", "", 4, False, 0.0),
}
"""By the name of the column without the set it is measured on."""


def describe_metric(task: str, name: str) -> Metric:
    """The metric of a column of a task; `set5/psnr_y` is `psnr_y` with the set in its title.

    Raises:
        BadInput: nothing says which direction of this metric is better.
    """
    measured_on, _, base = name.rpartition("/")
    if base not in METRICS:
        raise unknown(
            "metric", name, METRICS, f"known (METRICS in experiments/analysis/metrics.py): {', '.join(METRICS)}"
        )
    metric = METRICS[base]
    if not measured_on:
        return metric
    return replace(metric, title=f"{metric.title} on {measured_on}")
