"""Sentences that say what the verdicts allow, and no more: one a comparison, one or two for a whole ledger."""

import math
from collections import Counter
from collections.abc import Sequence

from experiments.analysis.comparison import Entry
from experiments.analysis.findings import SUBJECT, Finding, of_subject
from experiments.analysis.metrics import Metric, difference_unit
from experiments.analysis.numbers import ABSENT, fixed, plural
from experiments.analysis.verdict import MOST_SEEDS, fewest_pairs
from experiments.report.names import activation_name, data_name

ANY_NUMBER = "95 % CI at any number of seeds"
"""The name of the interval behind a verdict."""

_WORDS = ("better", "worse", "equivalent", "undecided")
_NO_VERDICT = "without a verdict"


def finding_sentence(finding: Finding, baseline: str) -> str:
    """Like "CAReLU vs ReLU on CIFAR-100, top-1 accuracy: +0.02 points (95 % CI …, n = 5): equivalent, …"."""
    entry, metric = finding.entry, finding.metric
    compared = f"{activation_name(entry.act)} vs {activation_name(baseline)} on {data_name(finding.setting)}"
    return f"{compared}, {metric.title}: {difference_text(entry, metric)}: {conclusion(entry, metric)}."


def difference_text(entry: Entry, metric: Metric) -> str:
    """The mean paired difference with its interval: +0.02 points (95 % CI at any number of seeds …, n = 5)."""
    interval = interval_text(entry, metric)
    known = [*([f"{ANY_NUMBER} {interval}"] if interval else []), f"n = {entry.paired.n}"]
    size = f"{fixed(entry.paired.difference, metric.decimals, signed=True)} {difference_unit(metric)}".strip()
    return f"{size} ({', '.join(known)})"


def interval_text(entry: Entry, metric: Metric) -> str:
    """The interval behind the verdict, `−0.20 to +0.31`; empty without a verdict and where too few pairs bound it."""
    verdict = entry.verdict
    if verdict is None or math.isinf(verdict.low):
        return ""
    return " to ".join(fixed(end, metric.decimals, signed=True) for end in (verdict.low, verdict.high))


def difference_cell(entry: Entry, metric: Metric) -> str:
    """The mean paired difference in a table, with the interval behind the verdict where there is one."""
    size, interval = fixed(entry.paired.difference, metric.decimals, signed=True), interval_text(entry, metric)
    return f"{size} ({interval})" if interval else size


def margin_text(entry: Entry, metric: Metric) -> str:
    """The margin with its unit: `0.5 points`."""
    return f"{entry.margin:g} {difference_unit(metric)}".strip()


def conclusion(entry: Entry, metric: Metric) -> str:
    """What follows from a comparison, at the end of its sentence."""
    verdict = entry.verdict
    if verdict is None:
        return _without_verdict(entry, metric)
    if verdict.word == "equivalent":
        return f"equivalent, within ±{margin_text(entry, metric)}"
    if verdict.word == "undecided":
        return f"undecided; {_missing(entry)}"
    return (
        f"{verdict.word}, by less than the margin of {margin_text(entry, metric)}"
        if verdict.negligible
        else (verdict.word)
    )


def _without_verdict(entry: Entry, metric: Metric) -> str:
    if entry.diverged:
        return f"no verdict, since {plural(entry.diverged, 'run')} diverged"
    return f"no verdict, since {metric.title} has no margin of equivalence"


def _missing(entry: Entry) -> str:
    """What an undecided comparison lacks."""
    fewest = fewest_pairs(entry.compared)
    if entry.verdict.n < fewest:
        return f"an answer needs at least {plural(fewest, 'pair')} of runs"
    if entry.verdict.seeds_needed is None:
        return f"more than {MOST_SEEDS:,} seeds would be needed"
    return f"about {entry.verdict.seeds_needed:,} seeds would decide"


def verdict_text(entry: Entry) -> str:
    """The verdict in a cell of a table; a dash for the baseline and where there is no pair of runs."""
    verdict = entry.verdict
    if verdict is None:
        return "no verdict" if entry.paired and entry.paired.n else ABSENT
    if verdict.word == "undecided":
        fewest = fewest_pairs(entry.compared)
        few = verdict.n < fewest
        return f"undecided: at least {plural(fewest, 'pair')} needed" if few else f"undecided: {_missing(entry)}"
    return f"{verdict.word}, by less than the margin" if verdict.negligible else verdict.word


def summary(found: Sequence[Finding], baseline: str) -> str:
    """A whole ledger in one or two sentences: the subject first, then every activation."""
    base = activation_name(baseline)
    if not found:
        return f"Nothing is compared: no activation shares a seed with {base} in the same setting."
    about = of_subject(list(found))
    if not about[0].entry.act.startswith(SUBJECT):
        return _of_all(found, base)
    if baseline.startswith(SUBJECT):
        return f"{plural(len(about), 'variant')} compared with the default: {_tally(about)}."
    said = _of_one(about, activation_name(SUBJECT), base)
    return said if len(about) == len(found) else f"{said} {_of_all(found, base)}"


def _of_one(found: Sequence[Finding], name: str, base: str) -> str:
    if len(found) > 1:
        return f"{name} compared with {base} {len(found)} times: {_tally(found)}."
    said = {
        "better": f"{name} is better than {base}.",
        "worse": f"{name} is worse than {base}.",
        "equivalent": f"{name} is equivalent to {base}.",
        "undecided": f"Whether {name} differs from {base} is undecided.",
        _NO_VERDICT: f"There is no verdict on {name} and {base}.",
    }
    return said[_word(found[0])]


def _of_all(found: Sequence[Finding], base: str) -> str:
    if len(found) == 1:
        return _of_one(found, activation_name(found[0].entry.act), base)
    return f"All {len(found)} comparisons with {base}: {_tally(found)}."


def _tally(found: Sequence[Finding]) -> str:
    """How many have each verdict: `1 better, 2 undecided`."""
    counts = Counter(map(_word, found))
    return ", ".join(f"{counts[word]} {word}" for word in (*_WORDS, _NO_VERDICT) if counts[word])


def _word(finding: Finding) -> str:
    return finding.entry.verdict.word if finding.entry.verdict else _NO_VERDICT
