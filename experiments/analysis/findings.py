"""The comparisons of a ledger that share seeds with the baseline, and those that involve its subject."""

from dataclasses import dataclass

from experiments.analysis.comparison import Entry, compare, metrics_shown
from experiments.analysis.evidence import Evidence, Setting
from experiments.analysis.metrics import describe_metric
from experiments.configuration.task_spec import Metric

SUBJECT = "carelu"
"""Prefix of the labels of the subject; if no activation has it, all are the subject."""


@dataclass(frozen=True)
class Finding:
    """One comparison with the baseline on one test set."""

    setting: Setting
    metric: Metric
    entry: Entry


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
    """The findings about the subject."""
    return [finding for finding in found if finding.entry.act.startswith(SUBJECT)] or found
