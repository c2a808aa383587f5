"""Sentences that say what the verdicts allow, and no more: one a comparison, one or two for a whole ledger."""

import math
from collections import Counter
from collections.abc import Sequence

from experiments.analysis.activity import Activity
from experiments.analysis.comparison import Entry
from experiments.analysis.findings import Finding, of_subjects
from experiments.analysis.metrics import Metric, difference_unit
from experiments.analysis.numbers import ABSENT, fixed, percent, plural
from experiments.analysis.option_curves import OptionCurve
from experiments.analysis.verdict import MOST_SEEDS, fewest_pairs
from experiments.report.names import activation_name, data_name

ANY_NUMBER = "95 % CI at any number of seeds"
"""The name of the interval behind a verdict."""

_WORDS = ("better", "worse", "equivalent", "undecided")
_NO_VERDICT = "without a verdict"


def finding_sentence(finding: Finding, baseline: str) -> str:
    """Like "GELU vs ReLU on CIFAR-100, top-1 accuracy: +0.02 points (ReLU: 41.39 %, …, n = 5): equivalent, …".

    Where it is recorded what the activation did to its inputs, a second sentence says it.
    """
    entry, metric = finding.entry, finding.metric
    compared = f"{activation_name(entry.act)} vs {activation_name(baseline)} on {data_name(finding.setting)}"
    difference = difference_text(entry, metric, level_text(entry, metric, baseline))
    said = f"{compared}, {metric.title}: {difference}: {conclusion(entry, metric)}."
    return " ".join(filter(None, [said, activity_sentence(entry.activity)]))


def difference_text(entry: Entry, metric: Metric, level: str = "") -> str:
    """The mean paired difference with its interval: +0.02 points (95 % CI at any number of seeds …, n = 5).

    Args:
        entry: the activation, with a pair.
        metric: what is compared.
        level: what opens the bracket.
    """
    interval = interval_text(entry, metric)
    known = ", ".join([*([f"{ANY_NUMBER} {interval}"] if interval else []), f"n = {entry.paired.n}"])
    size = f"{fixed(entry.paired.difference, metric.decimals, signed=True)} {difference_unit(metric)}".strip()
    return f"{size} ({f'{level}; ' if level else ''}{known})"


def level_text(entry: Entry, metric: Metric, baseline: str) -> str:
    """The mean of the baseline, and the value of guessing or of bicubic interpolation: ReLU: 41.39 %, chance: 1 %."""
    level = f"{fixed(entry.level, metric.decimals)} {metric.unit}".strip()
    said = [f"{activation_name(baseline)}: {level}", chance_text(metric)]
    if entry.reference is not None:
        said.append(f"bicubic: {fixed(entry.reference, metric.decimals)} {metric.unit}".strip())
    return ", ".join(filter(None, said))


def curve_words(curve: OptionCurve, metric: str, decimals: int) -> str:
    """The means along an option: "CAReLU 39.09 at 0 (spread 0.45 %), 39.65 at 1 (spread 1.1 %)"."""
    spreads = curve.spreads()
    points = [
        f"{fixed(mean, decimals)} at {value:g}" + (f" (spread {percent(spreads[value])} %)" if value in spreads else "")
        for value, mean in curve.means(metric).items()
    ]
    return f"{activation_name(curve.label)} {', '.join(points)}"


def chance_text(metric: Metric) -> str:
    """`chance: 1 %`; empty where the value of guessing is not known."""
    return "" if metric.chance is None else f"chance: {metric.chance:.3g} {metric.unit}".strip()


def activity_sentence(activity: Activity) -> str:
    """What the activation did to its inputs, and whether it acted as ReLU; empty where nothing is recorded."""
    distance = f"its response differed from that of ReLU by {percent(activity.response_distance)} % in the median layer"
    if activity.like_relu:
        return _sentence(f"{distance}, so at least half of its layers acted as ReLU")
    if activity.scale_spread is None:
        return "" if activity.response_distance is None else _sentence(distance)
    scale = f"its scale varied by {percent(activity.scale_spread)} % over inputs in the median layer"
    if activity.constant_scale:
        return _sentence(f"{scale}, so at least half of its layers acted as ReLU times a constant")
    flipped = "" if activity.flipped is None else f"; it was negative for {percent(activity.flipped)} % of them"
    return _sentence(f"{scale}{flipped}")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


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


def summary(found: Sequence[Finding], baseline: str, subjects: Sequence[str] = ()) -> str:
    """A whole ledger in a few sentences: one for each subject, then every activation.

    Args:
        found: every comparison with the baseline.
        baseline: its label.
        subjects: the activations that the summary is about; without them it is about all.
    """
    base = activation_name(baseline)
    if not found:
        return f"Nothing is compared: no activation shares a seed with {base} in the same setting."
    said = [_of_subject(of_subjects(found, (subject,)), subject, baseline) for subject in subjects]
    if not subjects and _are_variants(found, baseline):
        return _of_variants(found, baseline)
    about = of_subjects(found, subjects)
    return " ".join([*said, *([_of_all(found, base)] if not said or len(about) < len(found) else [])])


def tally(found: Sequence[Finding]) -> str:
    """How many have each verdict: `1 better, 2 undecided`."""
    counts = Counter(map(_word, found))
    return ", ".join(f"{counts[word]} {word}" for word in (*_WORDS, _NO_VERDICT) if counts[word])


def _of_subject(about: Sequence[Finding], subject: str, baseline: str) -> str:
    name, base = activation_name(subject), activation_name(baseline)
    if not about:
        return f"{name} shares no seed with {base} in the same setting."
    return _of_variants(about, baseline) if _are_variants(about, baseline) else _of_one(about, name, base)


def _are_variants(found: Sequence[Finding], baseline: str) -> bool:
    """Whether they compare the baseline, without options, with itself with options."""
    return all(finding.entry.runs[0].act_name == baseline for finding in found)


def _of_variants(found: Sequence[Finding], baseline: str) -> str:
    count = len({finding.entry.act for finding in found})
    often = "" if count == len(found) else f", {len(found)} comparisons"
    return (
        f"{plural(count, 'variant')} of {activation_name(baseline)} compared with the default{often}: {tally(found)}."
    )


def _of_one(found: Sequence[Finding], name: str, base: str) -> str:
    if len(found) > 1:
        return f"{name} compared with {base} {len(found)} times: {tally(found)}."
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
    again = len(found) - len({(finding.setting, finding.entry.act) for finding in found})
    further = f", {again} of them by the same runs on further test sets" if again else ""
    return f"All {len(found)} comparisons with {base}{further}: {tally(found)}."


def _word(finding: Finding) -> str:
    return finding.entry.verdict.word if finding.entry.verdict else _NO_VERDICT
