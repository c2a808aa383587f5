"""The experiment suite: trains an activation on a task, records it, and compares the records."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.inference.trained_run import TrainedRun


def load_run(folder: str | Path, device: str | None = None) -> "TrainedRun":
    """A finished run with its trained model: `experiments.inference.trained_run.load_run`."""
    from experiments.inference import trained_run  # torch takes seconds to load, and most modules do not need it

    return trained_run.load_run(folder, device)
