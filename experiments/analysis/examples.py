"""What a paired difference owes to the seeds and to the test examples, from the results of single examples.

The differences of n seeds and m examples are a crossed design with one value a cell: mean + seed + example + rest, the
last three random (Searle, Casella & McCulloch 1992, "Variance Components", chapter 4; for readers and cases in place of
seeds and examples Dorfman, Berbaum & Metz 1992, Investigative Radiology 27, 723–731). The variance of the overall mean
is the sum of two parts: MS(seeds) / (n m), which more seeds reduce, and (MS(examples) − MS(rest)) / (n m), which only
more test examples do. A part that is estimated below zero counts as zero.

The interval is mean ± √(t²(n−1) · part of the seeds + t²(m−1) · part of the examples), with the 97.5 % quantiles of t.
Such a sum covers at least at the stated rate for two independent, normal means (Banerjee 1960, Sankhyā 22, 357–358);
`scripts/simulate_examples.py` shows how often it does for two parts of one design.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.analysis.comparison import Entry
from experiments.analysis.evidence import Evidence
from experiments.analysis.metrics import describe_metric
from experiments.analysis.numbers import plural
from experiments.analysis.runs import Run
from experiments.analysis.statistics import LEVEL
from experiments.errors import BadInput

CORRECT = "correct"
"""Whether a prediction is right: the result of an example where the headline metric is an accuracy in percent."""


@dataclass(frozen=True)
class ExampleComparison:
    """A paired difference, for seeds and test examples that are both a sample.

    Args:
        seeds, examples: how many there are.
        difference: their mean, in the metric's unit.
        seed_error: the part of its standard error that comes from the seeds, and that more of them reduce.
        example_error: the part that comes from the test examples.
        low, high: the 95 % interval for new seeds and a new test set, valid for a number of seeds fixed in advance.
    """

    seeds: int
    examples: int
    difference: float
    seed_error: float
    example_error: float
    low: float
    high: float

    @property
    def seed_share(self) -> float | None:
        """The share of the squared standard error that comes from the seeds; None where it is zero."""
        total = self.seed_error**2 + self.example_error**2
        return self.seed_error**2 / total if total else None


def decompose(differences: np.ndarray) -> ExampleComparison:
    """The comparison from differences treatment − baseline, seeds × examples.

    Raises:
        ValueError: there are fewer than two seeds or examples, or a difference is not finite.
    """
    values = np.asarray(differences, dtype=float)
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise ValueError("differences are finite numbers of at least two seeds × two examples")
    (n, m), mean = values.shape, float(values.mean())
    of_seeds, of_examples = values.mean(axis=1), values.mean(axis=0)
    rest = values - of_seeds[:, None] - of_examples + mean
    # Mean squares over n·m: each is then a variance of the overall mean.
    seeds = float(np.sum((of_seeds - mean) ** 2)) / (n - 1) / n
    both = float(np.sum((of_examples - mean) ** 2)) / (m - 1) / m
    examples = max(0.0, both - float(np.sum(rest**2)) / ((n - 1) * (m - 1) * n * m))
    t_seeds, t_examples = (stats.t.ppf(1 - LEVEL / 2, count - 1) for count in (n, m))
    width = math.sqrt(t_seeds**2 * seeds + t_examples**2 * examples)
    return ExampleComparison(n, m, mean, math.sqrt(seeds), math.sqrt(examples), mean - width, mean + width)


def compare_examples(
    evidence: Evidence, entries: Sequence[Entry], metric: str, baseline: str
) -> tuple[dict[str, ExampleComparison], tuple[str, ...]]:
    """The comparisons of activations with the baseline whose runs kept their predictions, and what cannot be used.

    Args:
        evidence: the runs.
        entries: the activations of one setting.
        metric: the metric; only the headline of the runs has predictions, those of their test set.
        baseline: the label of the baseline.

    Returns:
        By label of the activation, where it and the baseline have predictions of at least two seeds and no run
        diverged; and a sentence for each file that is damaged or does not fit the others.

    Raises:
        BadInput: the metric is unknown.
    """
    results: dict[str, dict[int, np.ndarray]] = {}
    problems = []
    for entry in entries:
        for run in entry.runs:
            if run.status != "finished" or run.metric != metric:
                continue
            try:
                values = results_of(evidence, run)
            except BadInput as damage:
                problems.append(str(damage))
                continue
            if values is not None:
                results.setdefault(run.act, {})[run.seed] = values
    problems += _without_those_of_other_length(results, entries)
    base = results.get(baseline, {})
    compared = {}
    for entry in entries:
        shared = sorted(results.get(entry.act, {}).keys() & base.keys())
        if entry.act != baseline and not entry.diverged and len(shared) > 1:
            compared[entry.act] = decompose(np.array([results[entry.act][seed] - base[seed] for seed in shared]))
    return compared, tuple(problems)


def results_of(evidence: Evidence, run: Run) -> np.ndarray | None:
    """The headline metric of each example of a run's test set, in its unit; None where the run kept none.

    It is `test/<headline>` of the predictions, or `test/correct` where the headline is an accuracy in percent.

    Raises:
        BadInput: the file is damaged, or does not hold what the ledger says.
    """
    predictions = evidence.predictions_of(run)
    if predictions is None:
        return None
    values, is_percent = predictions.get(f"test/{run.metric}"), False
    if values is None and describe_metric(run.setting.task, run.metric).unit == "%":
        values, is_percent = predictions.get(f"test/{CORRECT}"), True
    if values is None:
        return None
    if values.ndim != 1 or values.dtype.kind not in "biuf" or len(values) < 2 or not np.isfinite(values).all():
        raise BadInput(f"the predictions of {run.run_id} are not one finite number an example, so they are not used")
    values = values.astype(float) * (100 if is_percent else 1)
    if run.value is not None and abs(values.mean() - run.value) > _tolerance(run.value, len(values), is_percent):
        raise BadInput(
            f"the predictions of {run.run_id} have the mean {values.mean():.4g}, and the ledger has {run.value:.4g}, "
            "so they are not used"
        )
    return values


def _tolerance(value: float, examples: int, is_percent: bool) -> float:
    """How far the mean of the predictions may be from the value in the ledger: rounding, and a few near ties."""
    return max(1e-3 * abs(value), 3 * 100 / examples if is_percent else 1e-6)


def _without_those_of_other_length(results: Mapping[str, dict[int, np.ndarray]], entries: Iterable[Entry]) -> list[str]:
    """Takes out results of another number of examples than most have; a sentence for each."""
    counts = Counter(len(values) for by_seed in results.values() for values in by_seed.values())
    if len(counts) < 2:
        return []
    usual = counts.most_common(1)[0][0]
    problems = []
    for run in (run for entry in entries for run in entry.runs):
        values = results.get(run.act, {}).get(run.seed)
        if values is not None and len(values) != usual:
            del results[run.act][run.seed]
            problems.append(
                f"the predictions of {run.run_id} are of {plural(len(values), 'example')}, those of the others of "
                f"{usual}, so they are not used"
            )
    return problems
