"""Notes below a comparison on single test examples: what of the difference is due to them, and what to the seeds."""

from collections.abc import Sequence

from experiments.analysis.comparison import Entry
from experiments.analysis.evidence import Evidence
from experiments.analysis.examples import ExampleComparison, compare_examples
from experiments.analysis.metrics import Metric, describe_metric, difference_unit
from experiments.analysis.numbers import fixed
from experiments.report.names import activation_name


def example_notes(evidence: Evidence, entries: Sequence[Entry], metric: str, baseline: str) -> tuple[str, ...]:
    """A sentence for each activation that has predictions, and a warning of each file that cannot be used."""
    compared, problems = compare_examples(evidence, entries, metric, baseline)
    kind = describe_metric(entries[0].runs[0].setting.task, metric)
    sentences = (_sentence(act, found, kind) for act, found in compared.items())
    return (*sentences, *(f"Warning: {problem}." for problem in problems))


def _sentence(act: str, found: ExampleComparison, metric: Metric) -> str:
    low, high = (fixed(end, metric.decimals, signed=True) for end in (found.low, found.high))
    unit = difference_unit(metric)
    difference = f"{fixed(found.difference, metric.decimals, signed=True)} {unit}".strip()
    share = found.seed_share
    parts = "" if share is None else f" ({100 * share:.0f} % and {100 - round(100 * share)} % of its square)"
    return (
        f"{activation_name(act)}, for new seeds and a new test set: {difference} (95 % interval {low} to {high}, "
        f"number of seeds fixed in advance). Standard error from the {found.seeds} seeds: "
        f"{fixed(found.seed_error, metric.decimals)}, from the {found.examples:,} test examples: "
        f"{fixed(found.example_error, metric.decimals)}{parts}."
    )
