"""What happens between training steps: timing, and the decisions to write a checkpoint or to stop.

It decides and measures; the engine acts.
"""

import time
from typing import NamedTuple

from experiments.distributed.processes import Processes
from experiments.training.signals import StopRequested
from experiments.training.state import TrainingState


class Decision(NamedTuple):
    """What to do after a training step, the same in every process of the run."""

    diverged: bool
    stop: bool
    checkpoint: bool


class Pace:
    """The clock of a run, which starts with it, and the decisions that depend on time and signals.

    Args:
        state: the measured seconds are added to it.
        processes: the processes of the run; all act on the decision of any.
        checkpoint_minutes: time between checkpoints within an epoch.
        stop_requested: whether this process was asked to stop.
    """

    def __init__(
        self,
        state: TrainingState,
        processes: Processes,
        checkpoint_minutes: float,
        stop_requested: StopRequested,
    ):
        self._state, self._processes = state, processes
        self._checkpoint_seconds = 60 * checkpoint_minutes
        self._stop_requested = stop_requested
        self._counted_until = time.perf_counter()

    def count_training(self) -> None:
        """Adds the time since the last count to the training time."""
        self._state.train_seconds += self._lap()

    def count_other(self) -> None:
        """Adds the time since the last count to the other time, and restarts the checkpoint interval."""
        self._state.other_seconds += self._lap()

    def after_step(self, diverged: bool) -> Decision:
        """What to do after a training step; every process of the run must call it.

        Args:
            diverged: whether this process has seen a loss that is not finite.
        """
        # Between two checkpoints only training is counted, so the last count is the last checkpoint.
        due = time.perf_counter() - self._counted_until > self._checkpoint_seconds
        return Decision(*self._processes.any_rank(diverged, self._stop_requested(), due))

    def must_stop(self) -> bool:
        """Whether any process was asked to stop; every process of the run must call it."""
        return any(self._processes.any_rank(self._stop_requested()))

    def finish_epoch(self) -> float:
        """Counts the time up to this call; returns the seconds of the epoch that it ends."""
        self.count_other()
        return self._state.wall_seconds - sum(record.get("seconds", 0.0) for record in self._state.history)

    def seconds_left(self, total_steps: int) -> float:
        """An estimate of the time until `total_steps`, from the average time of a step so far."""
        return (total_steps - self._state.steps) * self._state.wall_seconds / self._state.steps

    def _lap(self) -> float:
        now = time.perf_counter()
        seconds, self._counted_until = now - self._counted_until, now
        return seconds
