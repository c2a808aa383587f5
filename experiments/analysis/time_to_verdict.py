"""Time to verdict: after how many pairs of runs, and how many hours of training, a comparison was first decided."""

import math
from dataclasses import dataclass

from experiments.analysis.comparison import Entry
from experiments.analysis.metrics import describe_metric
from experiments.analysis.verdict import Verdict, judge

_SECONDS = 3600.0


@dataclass(frozen=True)
class TimeToVerdict:
    """When a comparison was first decided, its seeds being added in ascending order."""

    act: str
    verdict: Verdict
    """The first that was decided, else the one at all pairs."""
    pairs: int
    """Pairs of runs up to it."""
    hours: float
    """Wall time of both runs of each of these pairs, one after another."""
    pairs_made: int
    """All pairs that there are now."""

    @property
    def pairs_needed(self) -> int | None:
        """Pairs in all that would decide, if mean and spread stay as they are.

        None where it is decided, and where so few pairs say nothing of the spread: their interval has no end.
        """
        return self.verdict.seeds_needed if math.isfinite(self.verdict.low) else None

    @property
    def hours_needed(self) -> float | None:
        """Hours of `pairs_needed`."""
        return None if self.pairs_needed is None else self.hours / self.pairs * self.pairs_needed


def time_to_verdict(entry: Entry, base: Entry, metric: str) -> TimeToVerdict | None:
    """None where there is no verdict.

    Args:
        entry: an activation.
        base: the baseline of its setting.
        metric: the metric that they are compared by.
    """
    if entry.verdict is None or entry.margin is None:
        return None
    seeds, differences = list(entry.differences), list(entry.differences.values())
    higher_is_better = describe_metric(entry.runs[0].setting.task, metric).higher_is_better
    verdicts = (
        judge(differences[:n], entry.margin, higher_is_better=higher_is_better, comparisons=entry.compared)
        for n in range(1, len(seeds) + 1)
    )
    first = next((verdict for verdict in verdicts if verdict.decided), entry.verdict)
    used = set(seeds[: first.n])
    seconds = sum(run.wall_seconds for each in (entry, base) for run in each.runs if run.seed in used)
    return TimeToVerdict(entry.act, first, first.n, seconds / _SECONDS, len(seeds))
