"""What a ledger allows to be said of CAReLU against the baseline, in sentences made from the statistics."""

from dataclasses import dataclass

from experiments.analysis.comparison import Entry, compare, metrics_shown
from experiments.analysis.evidence import Evidence, Setting
from experiments.analysis.metrics import describe_metric
from experiments.analysis.numbers import fixed, interval, p_text, plural
from experiments.configuration.task_spec import Metric

SUBJECT = "carelu"
"""Activations whose label begins so are what the comparison is about; without any of them, all are."""


@dataclass(frozen=True)
class Finding:
    """One comparison with the baseline on one test set."""

    setting: Setting
    metric: Metric
    entry: Entry

    @property
    def tested(self) -> bool:
        """Whether there are enough pairs for a p-value."""
        return self.entry.p_holm is not None

    def sentence(self, baseline: str) -> str:
        """One sentence: carelu against relu on cifar100, …: +0.80 points, 95 % interval …, n = 3: does not stand."""
        paired, metric = self.entry.paired, self.metric
        size = f"{fixed(paired.difference, metric.decimals, signed=True)} {difference_unit(metric)}".strip()
        what = f"{self.setting.task}, data {self.setting.data}, {metric.title}"
        start = f"{self.entry.act} against {baseline} on {what}: {size}"
        if not self.tested:
            return f"{start}, n = {paired.n}: no claim."
        around = interval(paired.low, paired.high, metric.decimals, signed=True)
        diverged = self.entry.count("diverged")
        return (
            f"{start}, 95 % interval {around}, corrected p {equation(p_text(self.entry.p_holm))}, n = {paired.n}: "
            + (f"{plural(diverged, 'run')} diverged, so it does not stand." if diverged else f"{_verdict(self.entry)}.")
        )


def difference_unit(metric: Metric) -> str:
    """The unit of a difference of two values: percentages differ by points."""
    return "points" if metric.unit == "%" else metric.unit


def equation(text: str) -> str:
    """`= 0.031` or `< 0.001`, to stand after the letter p."""
    return text if text.startswith("<") else f"= {text}"


def _verdict(entry: Entry) -> str:
    if not entry.stands:
        return "does not stand"
    return "stands, better" if entry.better else "stands, worse"


def findings(evidence: Evidence, baseline: str, metric: str | None = None) -> list[Finding]:
    """Every comparison with the baseline that shares a seed with it, on `metric`, or the headline of each test set."""
    found = []
    for setting in evidence.settings():
        for name in metrics_shown(evidence, setting, metric):
            entries = compare(evidence, setting, name, baseline)
            paired = [entry for entry in entries if entry.paired and entry.paired.n]
            found += [Finding(setting, describe_metric(setting.task, name), entry) for entry in paired]
    return found


def of_subject(found: list[Finding]) -> list[Finding]:
    """The findings that the comparison is about."""
    return [finding for finding in found if finding.entry.act.startswith(SUBJECT)] or found


def verdict(found: list[Finding], baseline: str) -> str:
    """The whole in one or two sentences."""
    if not found:
        return f"Nothing is compared: no activation shares a seed with {baseline} in the same setting."
    if not any(finding.tested for finding in found):
        return f"Nothing is claimed: no comparison with {baseline} has the two pairs of runs that a test needs."
    about = of_subject(found)
    what = "the other activations"
    if about[0].entry.act.startswith(SUBJECT):
        what = f"variants of {SUBJECT}" if baseline.startswith(SUBJECT) else SUBJECT
    sentences = [_count(about, f"of {what} with {baseline}")]
    if len(about) < len(found):
        sentences.append(_count(found, f"of any activation with {baseline}"))
    return " ".join(sentences)


def _count(found: list[Finding], what: str) -> str:
    better = sum(finding.entry.stands and finding.entry.better for finding in found)
    worse = sum(finding.entry.stands and not finding.entry.better for finding in found)
    of_all = f"{plural(len(found), 'comparison')} {what}"
    if not better and not worse:
        return f"None of {of_all} stands." if len(found) > 1 else f"The comparison {what} does not stand."
    return (
        f"Of {of_all}, {_stand(better, 'better')} and {_stand(worse, 'worse')}; {len(found) - better - worse} do not."
    )


def _stand(count: int, direction: str) -> str:
    return f"{count or 'none'} stands as {direction}" if count < 2 else f"{count} stand as {direction}"
