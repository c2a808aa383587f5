"""The activations of one setting against their baseline: values by seed, summaries, tests and verdicts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from experiments.analysis.activity import Activity, activity_of
from experiments.analysis.evidence import Evidence
from experiments.analysis.metrics import describe_metric, margin_of
from experiments.analysis.runs import Conditions, Run, Setting
from experiments.analysis.statistics import PairedComparison, Summary, compare_paired, holm, summarise
from experiments.analysis.verdict import Posterior, Verdict, judge, posterior


@dataclass(frozen=True)
class Entry:
    """One activation in one setting."""

    act: str
    runs: tuple[Run, ...]
    values: dict[int, float]
    """Value by seed, of the runs that have the metric."""
    summary: Summary
    differences: dict[int, float]
    """Activation − baseline by ascending seed, of the pairs; empty for the baseline, and without one."""
    paired: PairedComparison | None
    """Comparison with the baseline at a number of seeds fixed in advance; None for the baseline, and without one."""
    p_holm: float | None
    """Holm-corrected over the activations of the setting."""
    diverged: int
    """Diverged runs of the activation and the baseline; with any, the seeds left are a biased sample."""
    margin: float | None
    """Margin of practical equivalence; None for a metric without one."""
    verdict: Verdict | None
    """None for the baseline, without a pair of runs or a margin, and where a run diverged."""
    posterior: Posterior | None
    """Probabilities that the true difference is above the margin, within it and below it; None as for `verdict`."""
    unlike: tuple[int, ...]
    """Seeds that it shares with the baseline and that are no pair, because the conditions of the two runs differ."""
    compared: int
    """The comparisons that share the level of the verdicts: the activations that share a seed with the baseline."""
    level: float | None
    """Mean of the baseline over the seeds of `differences`; None without a pair."""
    reference: float | None
    """PSNR of bicubic interpolation on the same images; None for another metric, or where runs disagree."""
    activity: Activity

    @property
    def better(self) -> bool:
        """Whether the verdict is better."""
        return self.verdict is not None and self.verdict.word == "better"

    @property
    def different(self) -> bool:
        """Whether the verdict is better or worse."""
        return self.verdict is not None and self.verdict.word in ("better", "worse")

    @property
    def decided(self) -> bool:
        """Whether the verdict is better, worse or equivalent."""
        return self.verdict is not None and self.verdict.decided

    def count(self, status: str) -> int:
        """Runs that ended with `status`."""
        return sum(run.status == status for run in self.runs)


def compare(
    evidence: Evidence,
    setting: Setting,
    metric: str,
    baseline: str,
    *,
    margin: float | None = None,
) -> list[Entry]:
    """Every activation of a setting, the baseline first.

    Args:
        evidence: the runs.
        setting: those to compare.
        metric: the column to compare.
        baseline: the label of the activation that the others are compared with.
        margin: of practical equivalence; None: the task's own.

    Raises:
        BadInput: the direction of the metric is unknown.
    """
    higher_is_better = describe_metric(setting.task, metric).higher_is_better
    margin = margin or margin_of(setting.task, metric)
    runs_of = evidence.of(setting, baseline)
    values_of = {act: values_by_seed(runs, metric) for act, runs in runs_of.items()}
    base = values_of.get(baseline)
    others = [act for act in runs_of if act != baseline] if base else []
    unlike = {act: _unlike(runs_of[act], runs_of[baseline], values_of[act].keys() & base.keys()) for act in others}
    # For each activation, the values of the baseline with which it makes pairs.
    base_of = {act: {seed: value for seed, value in base.items() if seed not in unlike[act]} for act in others}
    differences = {act: _differences(values_of[act], base_of[act]) for act in others}
    compared = sum(len(of_act) > 0 for of_act in differences.values())
    tests = sum(len(of_act) > 1 for of_act in differences.values())
    paired = {act: compare_paired(values_of[act], base_of[act], higher_is_better, max(1, tests)) for act in others}
    corrected = dict(zip(others, holm([paired[act].p_value for act in others]), strict=True))
    reference = _reference(evidence, setting, metric)
    entries = []
    for act, runs in runs_of.items():
        diverged = sum(run.status == "diverged" for each in {act, baseline} for run in runs_of.get(each, ()))
        found = differences.get(act, {})
        judged = (list(found.values()) or None) if margin and not diverged else None
        entries.append(
            Entry(
                act=act,
                runs=tuple(runs),
                values=values_of[act],
                summary=summarise(list(values_of[act].values())),
                differences=found,
                paired=paired.get(act),
                p_holm=corrected.get(act),
                diverged=diverged,
                margin=margin,
                verdict=judged and judge(judged, margin, higher_is_better=higher_is_better, comparisons=compared),
                posterior=judged and posterior(judged, margin),
                unlike=unlike.get(act, ()),
                compared=compared,
                level=sum(base[seed] for seed in found) / len(found) if found else None,
                reference=reference,
                activity=activity_of(runs),
            )
        )
    return entries


@dataclass(frozen=True)
class Inequality:
    """A condition in which the runs of one comparison differ."""

    condition: str
    """A field of `Conditions`."""
    counts: dict[str, int]
    """Value → runs that have it; the value is empty where it was not recorded."""


def inequalities(entries: Iterable[Entry]) -> list[Inequality]:
    """Every condition in which the runs of a comparison differ."""
    conditions = [run.conditions for entry in entries for run in entry.runs]
    found = []
    for field in fields(Conditions):
        counts = Counter(getattr(each, field.name) for each in conditions)
        if len(counts) > 1:
            found.append(Inequality(field.name, dict(sorted(counts.items()))))
    return found


def _unlike(runs: Iterable[Run], base: Iterable[Run], seeds: Iterable[int]) -> tuple[int, ...]:
    own, of_base = ({run.seed: run.conditions for run in each} for each in (runs, base))
    return tuple(seed for seed in sorted(seeds) if own[seed] != of_base[seed])


def _differences(values: Mapping[int, float], base: Mapping[int, float]) -> dict[int, float]:
    return {seed: values[seed] - base[seed] for seed in sorted(values.keys() & base.keys())}


def _reference(evidence: Evidence, setting: Setting, metric: str) -> float | None:
    """The metric of bicubic interpolation, if all runs of a setting that have it agree."""
    measured_on, slash, base = metric.rpartition("/")
    name = f"{measured_on}{slash}bicubic_{base}"
    values = {run.metrics[name] for run in evidence.runs if run.setting == setting and name in run.metrics}
    return values.pop() if len(values) == 1 else None


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
