"""Sentences that say what the statistics allow, and no more: one a comparison, one or two for a whole ledger."""

from collections.abc import Sequence

from experiments.analysis.comparison import Entry
from experiments.analysis.findings import SUBJECT, Finding, of_subject
from experiments.analysis.metrics import Metric
from experiments.analysis.numbers import ABSENT, fixed, p_equation, plural
from experiments.report.names import activation_name, data_name


def finding_sentence(finding: Finding, baseline: str) -> str:
    """Like "CAReLU vs ReLU on CIFAR-100, top-1 accuracy: +0.02 points (95 % CI …): no significant difference."""
    entry, metric = finding.entry, finding.metric
    compared = f"{activation_name(entry.act)} vs {activation_name(baseline)} on {data_name(finding.setting)}"
    return f"{compared}, {metric.title}: {difference_text(entry, metric)}: {conclusion(entry)}."


def difference_text(entry: Entry, metric: Metric) -> str:
    """The mean paired difference with what is known of its noise: +0.02 points (95 % CI …, corrected p = …, n = 3)."""
    paired, decimals = entry.paired, metric.decimals
    known = []
    if paired.low is not None:
        low, high = (fixed(end, decimals, signed=True) for end in (paired.low, paired.high))
        known.append(f"95 % CI {low} to {high}")
    if entry.p_holm is not None:
        known.append(f"corrected {p_equation(entry.p_holm)}")
    known.append(f"n = {paired.n}")
    size = f"{fixed(paired.difference, decimals, signed=True)} {difference_unit(metric)}".strip()
    return f"{size} ({', '.join(known)})"


def difference_unit(metric: Metric) -> str:
    """The unit of a difference of two values: percentages differ by points."""
    return "points" if metric.unit == "%" else metric.unit


def conclusion(entry: Entry) -> str:
    """What follows from a comparison, in two or three words."""
    if entry.p_holm is None:
        return "no test, which needs two pairs of runs" if entry.paired.n < 2 else "no test, all differences are equal"
    if entry.diverged:
        return f"not tested, since {plural(entry.diverged, 'run')} diverged"
    return verdict(entry) if entry.significant else "no significant difference"


def verdict(entry: Entry) -> str:
    """The word of a table; a dash where there is no test."""
    if entry.p_holm is None:
        return ABSENT
    if not entry.significant:
        return "not significant"
    return "significantly better" if entry.better else "significantly worse"


def summary(found: Sequence[Finding], baseline: str) -> str:
    """A whole ledger in one or two sentences: the subject first, then every activation."""
    base = activation_name(baseline)
    if not found:
        return f"Nothing is compared: no activation shares a seed with {base} in the same setting."
    if not any(finding.tested for finding in found):
        return f"No test was possible: no comparison with {base} has the two pairs of runs that a test needs."
    about = of_subject(list(found))
    if about[0].entry.act.startswith(SUBJECT):
        if baseline.startswith(SUBJECT):
            return _of_variants(about)
        said = _of_one(about, activation_name(SUBJECT), base)
        return said if len(about) == len(found) else f"{said} {_of_all(found, base)}"
    return _of_all(found, base)


def _of_variants(found: Sequence[Finding]) -> str:
    """Variants of the subject against its default."""
    better, worse = _counts(found)
    total = len(found)
    first = f"None of the {total} variants is" if not better else f"{better} of the {total} variants {_is(better)}"
    return f"{first} significantly better than the default; {worse or 'none'} {_is(worse)} significantly worse."


def _of_one(found: Sequence[Finding], name: str, base: str) -> str:
    better, worse = _counts(found)
    total = len(found)
    if total == 1:
        word = "significantly better than" if better else "significantly worse than" if worse else None
        return f"{name} is {word or 'not significantly different from'} {base}."
    if not better and not worse:
        return f"{name} is not significantly different from {base} in any of {total} comparisons."
    return (
        f"{name} is significantly better than {base} in {better} of {total} comparisons and significantly worse in "
        f"{worse}."
    )


def _of_all(found: Sequence[Finding], base: str) -> str:
    better, worse = _counts(found)
    significant, total = better + worse, len(found)
    if total == 1:
        return _of_one(found, activation_name(found[0].entry.act), base)
    if not significant:
        return f"None of the {total} comparisons with {base} is significant."
    return f"Of the {total} comparisons with {base}, {significant} {_is(significant)} significant: " + (
        f"{better} better, {worse} worse."
    )


def _counts(found: Sequence[Finding]) -> tuple[int, int]:
    """How many are significantly better, and worse."""
    return (
        sum(finding.entry.significantly_better for finding in found),
        sum(finding.entry.significantly_worse for finding in found),
    )


def _is(count: int) -> str:
    return "is" if count < 2 else "are"
