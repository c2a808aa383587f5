"""The activations of one setting set against their baseline: values by seed, summaries, tests, and what stands."""

from collections.abc import Iterable
from dataclasses import dataclass

from experiments.analysis.evidence import Evidence, Run, Setting
from experiments.analysis.metrics import describe_metric
from experiments.analysis.statistics import LEVEL, PairedComparison, Summary, compare_paired, holm, summarise


@dataclass(frozen=True)
class Entry:
    """One activation in one setting."""

    act: str
    runs: tuple[Run, ...]
    values: dict[int, float]
    """By seed, of the runs that have the metric."""
    summary: Summary
    paired: PairedComparison | None
    """With the baseline; None for the baseline itself and where there is none."""
    p_holm: float | None
    """Corrected over the activations of the setting."""
    stands: bool
    """Whether the difference to the baseline, better or worse, stands after the correction."""
    better: bool
    """Whether the mean difference is in the direction of improvement."""

    def count(self, status: str) -> int:
        """Runs that ended with `status`."""
        return sum(run.status == status for run in self.runs)


def compare(evidence: Evidence, setting: Setting, metric: str, baseline: str) -> list[Entry]:
    """Every activation of a setting, the baseline first.

    A difference stands if its corrected p-value is below 5 % and no run of the activation diverged:
    the seeds that survive are no fair sample.

    Raises:
        BadInput: nothing says which direction of the metric is better.
    """
    higher_is_better = describe_metric(setting.task, metric).higher_is_better
    runs_of = evidence.of(setting, baseline)
    values_of = {act: values_by_seed(runs, metric) for act, runs in runs_of.items()}
    base = values_of.get(baseline)
    others = [act for act in runs_of if act != baseline] if base else []
    tests = sum(len(values_of[act].keys() & base.keys()) > 1 for act in others)
    paired = {act: compare_paired(values_of[act], base, higher_is_better, max(1, tests)) for act in others}
    corrected = dict(zip(others, holm([paired[act].p_value for act in others]), strict=True))
    entries = []
    for act, runs in runs_of.items():
        p_holm = corrected.get(act)
        entry = Entry(
            act=act,
            runs=tuple(runs),
            values=values_of[act],
            summary=summarise(list(values_of[act].values())),
            paired=paired.get(act),
            p_holm=p_holm,
            stands=p_holm is not None and p_holm < LEVEL and not any(run.status == "diverged" for run in runs),
            better=act in paired and (paired[act].difference > 0 if higher_is_better else paired[act].difference < 0),
        )
        entries.append(entry)
    return entries


def values_by_seed(runs: Iterable[Run], metric: str | None) -> dict[int, float]:
    """The value of `metric` (None: the headline) by seed, of the runs that have one."""
    values = {run.seed: run.of_metric(metric) for run in runs}
    return {seed: value for seed, value in values.items() if value is not None}


def metrics_shown(evidence: Evidence, setting: Setting, metric: str | None) -> list[str]:
    """What is compared in a setting: `metric` where a run has it; by default the headline and its like on test sets.

    The part of train that a selection looks at is no test set.
    """
    runs = [run for run in evidence.runs if run.setting == setting]
    if metric is not None:
        return [metric] if any(run.of_metric(metric) is not None for run in runs) else []
    headlines = sorted({run.metric for run in runs})
    measured = sorted({name for run in runs for name in run.metrics})
    shown = []
    for headline in headlines:
        like = [name for name in measured if name.endswith(f"/{headline}") and not name.startswith("validation/")]
        shown += [headline, *like]
    return shown
