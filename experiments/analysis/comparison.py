"""The activations of one setting against their baseline: values by seed, summaries, tests and significance."""

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
    """Value by seed, of the runs that have the metric."""
    summary: Summary
    paired: PairedComparison | None
    """Comparison with the baseline; None for the baseline, and if the setting has none."""
    p_holm: float | None
    """Holm-corrected over the activations of the setting."""
    diverged: int
    """Diverged runs of the activation and the baseline; with any, no difference counts as significant."""
    better: bool
    """Whether the mean difference is in the direction of improvement."""

    @property
    def significant(self) -> bool:
        """Whether the corrected p-value is below 5 % and no run diverged (a biased sample)."""
        return self.p_holm is not None and self.p_holm < LEVEL and not self.diverged

    @property
    def significantly_better(self) -> bool:
        """Significant, in the direction of improvement."""
        return self.significant and self.better

    @property
    def significantly_worse(self) -> bool:
        """Significant, against the direction of improvement."""
        return self.significant and not self.better

    def count(self, status: str) -> int:
        """Runs that ended with `status`."""
        return sum(run.status == status for run in self.runs)


def compare(evidence: Evidence, setting: Setting, metric: str, baseline: str) -> list[Entry]:
    """Every activation of a setting, the baseline first.

    Raises:
        BadInput: the direction of the metric is unknown.
    """
    higher_is_better = describe_metric(setting.task, metric).higher_is_better
    runs_of = evidence.of(setting, baseline)
    values_of = {act: values_by_seed(runs, metric) for act, runs in runs_of.items()}
    base = values_of.get(baseline)
    others = [act for act in runs_of if act != baseline] if base else []
    tests = sum(len(values_of[act].keys() & base.keys()) > 1 for act in others)
    paired = {act: compare_paired(values_of[act], base, higher_is_better, max(1, tests)) for act in others}
    corrected = dict(zip(others, holm([paired[act].p_value for act in others]), strict=True))
    return [
        Entry(
            act=act,
            runs=tuple(runs),
            values=values_of[act],
            summary=summarise(list(values_of[act].values())),
            paired=paired.get(act),
            p_holm=corrected.get(act),
            diverged=sum(run.status == "diverged" for each in {act, baseline} for run in runs_of.get(each, ())),
            better=act in paired and (paired[act].difference > 0 if higher_is_better else paired[act].difference < 0),
        )
        for act, runs in runs_of.items()
    ]


def values_by_seed(runs: Iterable[Run], metric: str | None) -> dict[int, float]:
    """The value of `metric` (None: the headline) by seed, of the runs that have it."""
    values = {run.seed: run.of_metric(metric) for run in runs}
    return {seed: value for seed, value in values.items() if value is not None}


def metrics_shown(evidence: Evidence, setting: Setting, metric: str | None) -> list[str]:
    """The metrics to compare in a setting: `metric` if a run has it; by default the headline metric on every test set.

    The validation set is not a test set.
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
