"""How to read the table of a task: its caption, and a note for each group of columns."""

from collections.abc import Iterable, Sequence

from experiments.analysis.metrics import difference_unit
from experiments.analysis.tuning import Tuning
from experiments.configuration.task_spec import Metric
from experiments.report.names import activation_name
from experiments.report.sentences import ANY_NUMBER


def caption(
    kinds: Iterable[Metric], baseline: str, metric: str | None, tuning: Tuning | None, subjects: Sequence[str]
) -> str:
    """What is compared, how, and what is bold.

    Args:
        kinds: the metrics of the table.
        baseline: the label of the baseline.
        metric: the metric that was asked for; None: the headline.
        tuning: how the runs were chosen, if they were.
        subjects: the activations of which a better one is bold; without them all.
    """
    measured = "test set" if metric is None else f"set of {metric}"
    if metric and metric.startswith("validation/"):
        measured = "validation set, not the test set"
    direction = "higher is better" if all(kind.higher_is_better for kind in kinds) else "lower is better"
    chosen = f" {tuning.key} was tuned for each activation: {tuning.rule}." if tuning else ""
    bold = f"of {', '.join(map(activation_name, subjects))}, what is " if subjects else ""
    return (
        f"Mean ± standard deviation over seeds, on the {measured}; {direction}.{chosen} "
        f"Bold: {bold}better than {activation_name(baseline)}."
    )


def legend(baseline: str, metric: Metric, margin: float | None) -> tuple[str, ...]:
    """The notes on the difference and, where there is a margin, on the verdict."""
    difference = f"Difference to {activation_name(baseline)}: mean over pairs of runs with the same seed"
    if margin is None:
        return (f"{difference}.",)
    delta = f"{margin:g} {difference_unit(metric)}".strip()
    return (
        f"{difference}, with its {ANY_NUMBER}: a confidence sequence, whose 5 % are divided among the "
        "activations compared in the same block (Bonferroni).",
        "Verdict: better or worse where this interval excludes 0; equivalent where it lies within ±δ, the margin of "
        f"{delta}; else undecided, with the number of seeds that would decide if mean and spread stay as they are.",
    )


def activity_legend(recorded: Sequence[str]) -> tuple[str, ...]:
    """One sentence on the columns that are printed."""
    meanings = {
        "scale_spread": "scale spread, the standard deviation of the scale over inputs in % of its mean",
        "flipped": "flipped, the share of the inputs with a negative scale",
        "response_distance": "distance from ReLU, the norm of f(z) − ReLU(z) in % of that of ReLU(z), "
        "over all pre-activations z",
    }
    said = "; ".join(meanings[name] for name in recorded)
    over = "each the median over layers and seeds (flipped: the mean over layers)"
    if "flipped" not in recorded:
        over = "each the median over layers and seeds" if len(recorded) > 1 else "the median over layers and seeds"
    return (f"What the activation did to its inputs at the end of training: {said}; {over}.",) if said else ()


def statistics_legend(margin: float | None) -> tuple[str, ...]:
    """The notes on the statistics."""
    posterior = (
        "P(> δ), P(|·| ≤ δ), P(< \N{MINUS SIGN}δ): probability that the true difference is above, within and below the "
        "margin, by the t posterior under a flat prior.",
    )
    return (
        "95 % interval: t interval of the mean.",
        "95 % t interval and p: of the paired t test, valid for a number of seeds fixed in advance; not corrected. "
        "p (Holm): corrected over the activations of a block by Holm's method.",
        "g: Hedges' g of the paired differences. P(better): share of pairs in which the activation is better, ties ½.",
        "Detectable: the difference that this test would find with 80 % power after the correction, if the true "
        "standard deviation equals the observed one, which few seeds know only roughly.",
        *(posterior if margin is not None else ()),
    )
