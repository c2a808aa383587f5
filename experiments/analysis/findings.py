"""The comparisons of a ledger that share seeds with the baseline, and those that are about its subjects."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.analysis.comparison import Entry, compare, metrics_shown
from experiments.analysis.evidence import Evidence
from experiments.analysis.runs import Run, Setting
from experiments.configuration.task_spec import Metric
from experiments.errors import BadInput, unknown


@dataclass(frozen=True)
class Finding:
    """One comparison with the baseline on one test set."""

    setting: Setting
    metric: Metric
    entry: Entry


@dataclass(frozen=True)
class Headline:
    """The activations of one setting, compared by its headline metric."""

    setting: Setting
    metric: Metric
    entries: tuple[Entry, ...]
    """The baseline first."""


def headlines(evidence: Evidence, baseline: str = "relu") -> list[Headline]:
    """Every setting in which an activation shares a seed with the baseline."""
    found = []
    for setting in evidence.settings():
        name = next(run.metric for run in evidence.runs if run.setting == setting)
        entries = tuple(compare(evidence, setting, name, baseline))
        if any(entry.differences for entry in entries):
            found.append(Headline(setting, evidence.metric(setting, name), entries))
    return found


def findings(evidence: Evidence, baseline: str, metric: str | None = None) -> list[Finding]:
    """Every comparison with the baseline that shares a seed with it.

    Args:
        evidence: a ledger's runs.
        baseline: the label of the activation that the others are compared with.
        metric: what is compared; None: the headline of each test set.
    """
    found = []
    for setting in evidence.settings():
        for name in metrics_shown(evidence, setting, metric):
            entries = compare(evidence, setting, name, baseline)
            found += findings_of(setting, evidence.metric(setting, name), entries)
    return found


def findings_of(setting: Setting, metric: Metric, entries: Sequence[Entry]) -> list[Finding]:
    """A finding for each activation that shares a seed with the baseline."""
    return [Finding(setting, metric, entry) for entry in entries if entry.paired and entry.paired.n]


def of_subjects(found: Sequence[Finding], subjects: Sequence[str]) -> list[Finding]:
    """The findings about the subjects; without subjects all."""
    return [finding for finding in found if is_subject(finding.entry.runs[0], subjects)]


def is_subject(run: Run, subjects: Sequence[str]) -> bool:
    """Whether a run is of a subject: each is a label, or the name of an activation with any options.

    Without subjects every activation is one.
    """
    return not subjects or run.act in subjects or run.act_name in subjects


def check_subjects(evidence: Evidence, subjects: Sequence[str], baseline: str) -> None:
    """Checks that each subject is an activation of the runs, and not the baseline alone.

    Raises:
        BadInput: one is not.
    """
    there = sorted({run.act for run in evidence.runs if run.act != baseline})
    for subject in subjects:
        if any(is_subject(run, (subject,)) for run in evidence.runs if run.act != baseline):
            continue
        known = f"compared with {baseline} in {evidence.file}: {', '.join(there) or 'none'}"
        if subject == baseline:
            raise BadInput(f"--subject {subject} is the baseline, which is not compared with itself; {known}")
        raise unknown("--subject", subject, there, known)
