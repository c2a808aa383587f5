"""How far a run has come, and the two ways in which training ends early."""

from dataclasses import dataclass, field

from torch import Tensor


class Diverged(Exception):
    """The loss, a metric or a weight is not a finite number."""


class Interrupted(Exception):
    """A signal asked the run to stop; its checkpoint is written."""


@dataclass
class TrainingState:
    """How far a run has come: what a checkpoint holds besides the states of model, optimizer and random generators."""

    epoch: int = 0
    """Completed epochs, which is the index of the current one."""
    steps: int = 0
    """Optimizer steps so far."""
    examples: int = 0
    """Training examples seen in the current epoch."""
    sums: dict[str, Tensor] = field(default_factory=dict)
    """Training metrics of the current epoch, summed over its examples; float64, on the device."""
    learning_rate: float = 0.0
    """What the optimizer used in the last step, for the first of its parameter groups."""
    train_seconds: float = 0.0
    """Time spent on training steps."""
    other_seconds: float = 0.0
    """Time spent on evaluation and on writing files."""
    peak_memory_mib: float = 0.0
    """Peak memory so far, over all processes that worked on the run."""
    history: list[dict[str, object]] = field(default_factory=list)
    """The records of metrics.jsonl."""

    @property
    def wall_seconds(self) -> float:
        return self.train_seconds + self.other_seconds
