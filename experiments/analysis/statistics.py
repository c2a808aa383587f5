"""What a set of runs allows to be said: means with intervals, paired comparisons by seed, ranks across tasks.

Pure functions of numbers on NumPy and SciPy; where the numbers come from (`report.evidence`) and how they are
shown (`report.tables`) is not known here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, stats

from experiments.analysis.resampling import bootstrap_interval, sign_flip_p_value

LEVEL = 0.05  # two-sided level of every test; intervals cover 1 − LEVEL
POWER = 0.80  # power at which a difference counts as detectable (the convention of Cohen 1988)


@dataclass(frozen=True)
class Summary:
    """Mean and spread of `n` values; `low` and `high` are the 95 % t interval of the mean (Student 1908).

    `sd` has n − 1 in its denominator. It and the interval are None for n < 2; the mean is nan for n = 0.
    """

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None


def summarise(values: Sequence[float]) -> Summary:
    """Mean, standard deviation and 95 % interval of the mean of one cell of a table.

    Raises:
        ValueError: a value is nan or infinite.
    """
    values = _finite(values, "values")
    n = len(values)
    if n < 2:
        return Summary(n, float(values[0]) if n else math.nan, None, None, None)
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    margin = float(stats.t.ppf(1 - LEVEL / 2, n - 1)) * sd / math.sqrt(n)
    return Summary(n, mean, sd, mean - margin, mean + margin)


@dataclass(frozen=True)
class PairedComparison:
    """Treatment − baseline over the `n` pairs (seeds) that both have, in the unit of the values.

    With n = 0 the difference and the probability are nan, and with n < 2 all that needs a spread is None. With all
    differences equal nothing is known of the noise: the interval, the effect size and the detectable difference are
    None, and so is the p-value, unless the differences are all zero: then it is 1.
    """

    n: int
    # Mean difference; its sign is that of treatment − baseline also where lower is better.
    difference: float
    # 95 % bootstrap interval of the mean difference.
    low: float | None
    high: float | None
    # Two-sided paired t test (Student 1908), exact for normal differences: the p-value to correct and to decide by.
    p_value: float | None
    # Two-sided sign-flip test, exact up to 20 pairs. It cannot fall below 2/2ⁿ (0.25 at n = 3), so it cannot decide.
    permutation_p_value: float | None
    # Hedges' g of the differences (mean/sd, corrected for small n); None for n < 3, where it has no expectation.
    effect_size: float | None
    # Share of pairs in which the treatment is better, ties counted ½: the measure of Agarwal et al. 2021, by pairs.
    probability_of_improvement: float
    # Smallest true |difference| that this test finds with 80 % power if the true sd is the one observed.
    detectable: float | None


def compare_paired(
    treatment: Mapping[int, float],
    baseline: Mapping[int, float],
    higher_is_better: bool = True,
    comparisons: int = 1,
) -> PairedComparison:
    """Compare two sets of runs, each a value by seed, over the seeds that both have.

    Args:
        treatment: value by seed.
        baseline: value by seed.
        higher_is_better: decides only which of two values counts as an improvement.
        comparisons: how many comparisons `holm` corrects together. `detectable` is then found at level
            5 % / comparisons, to which Holm holds the smallest p-value, so that a true difference of this size is
            found after the correction with at least 80 % power.

    Raises:
        ValueError: a value is nan or infinite (a diverged run has no value: leave it out), or comparisons < 1.
    """
    _finite(list(treatment.values()), "treatment")
    _finite(list(baseline.values()), "baseline")
    if comparisons < 1:
        raise ValueError(f"comparisons is {comparisons}; at least 1 is needed")
    seeds = sorted(treatment.keys() & baseline.keys())
    treated = np.array([treatment[seed] for seed in seeds], dtype=float)
    base = np.array([baseline[seed] for seed in seeds], dtype=float)
    differences = treated - base
    n = len(seeds)
    if n == 0:
        return PairedComparison(0, math.nan, None, None, None, None, None, math.nan, None)
    mean = float(differences.mean())
    gains = differences if higher_is_better else -differences
    improvement = float(np.mean((gains > 0) + 0.5 * (gains == 0)))
    if n == 1:
        return PairedComparison(1, mean, None, None, None, None, None, improvement, None)
    permutation = sign_flip_p_value(differences)
    sd = float(differences.std(ddof=1))
    # Subtraction leaves rounding errors where differences are equal: they are not noise to test against.
    rounding = 1e-9 * max(np.abs(treated).max(), np.abs(base).max())
    if sd <= rounding:
        p_value = 1.0 if abs(mean) <= rounding else None
        return PairedComparison(n, mean, None, None, p_value, permutation, None, improvement, None)
    low, high = bootstrap_interval(differences, LEVEL)
    t = mean / sd * math.sqrt(n)
    return PairedComparison(
        n=n,
        difference=mean,
        low=low,
        high=high,
        p_value=float(2 * stats.t.sf(abs(t), n - 1)),
        permutation_p_value=permutation,
        effect_size=mean / sd * _hedges_correction(n - 1) if n > 2 else None,
        probability_of_improvement=improvement,
        detectable=detectable_difference(n, sd, LEVEL / comparisons),
    )


def _hedges_correction(degrees_of_freedom: int) -> float:
    """Factor that takes the bias of small samples from a standardised mean (Hedges 1981, equation 6e)."""
    m = degrees_of_freedom
    return math.exp(math.lgamma(m / 2) - math.lgamma((m - 1) / 2)) / math.sqrt(m / 2)


def power(n: int, sd: float, difference: float, alpha: float = LEVEL) -> float:
    """Probability that the two-sided paired t test with n pairs finds a true mean difference.

    The squared t statistic follows a noncentral F with noncentrality n·(difference/sd)² (Cohen 1988, chapter 2).

    Args:
        n: pairs; below 2 there is no test, and the power is 0.
        sd: standard deviation of the differences, in the unit of `difference`.
        difference: true mean difference.
        alpha: level of the test.

    Raises:
        ValueError: sd is negative, a number is not finite, or alpha is not from 1e-6 to 1.
    """
    if not (math.isfinite(difference) and 0 <= sd < math.inf and 1e-6 <= alpha < 1):
        raise ValueError(f"power needs finite numbers, sd ≥ 0, 1e-6 ≤ alpha < 1; got {sd=}, {difference=}, {alpha=}")
    if n < 2:
        return 0.0
    if sd == 0:
        return alpha if difference == 0 else 1.0
    # SciPy's series does not converge beyond 1e16, where the power is 1 at every level allowed here ...
    noncentrality = min(math.sqrt(n) * abs(difference) / sd, 1e8) ** 2
    if noncentrality < 1e-12:  # ... and takes no noncentrality of 0
        return alpha
    return float(stats.ncf.sf(stats.f.isf(alpha, 1, n - 1), 1, n - 1, noncentrality))


def detectable_difference(n: int, sd: float, alpha: float = LEVEL, wanted: float = POWER) -> float | None:
    """Smallest true |difference| that the paired t test finds with the wanted power: the inverse of `power`.

    None for n < 2, and for sd = 0, where nothing is known of the noise.

    Raises:
        ValueError: as for `power`, or the wanted power is not between alpha and 1.
    """
    if not alpha < wanted < 1:
        raise ValueError(f"the wanted power is {wanted}; accepted: above alpha = {alpha} and below 1")
    if n < 2 or sd == 0:
        return None
    return sd * _detectable_in_sd(n, alpha, wanted)


@lru_cache
def _detectable_in_sd(n: int, alpha: float, wanted: float) -> float:
    upper = 1.0
    while power(n, 1.0, upper, alpha) < wanted:
        upper *= 2
    return float(optimize.brentq(lambda difference: power(n, 1.0, difference, alpha) - wanted, 0.0, upper))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values of Holm 1979: the chance of any false finding stays within the level.

    None (no test was possible) stays None and does not count as a test.

    Raises:
        ValueError: a p-value is not between 0 and 1.
    """
    for p_value in p_values:
        if p_value is not None and not 0 <= p_value <= 1:
            raise ValueError(f"p-value {p_value}; accepted: 0 to 1, or None where there was no test")
    tested = sorted((i for i, p_value in enumerate(p_values) if p_value is not None), key=lambda i: p_values[i])
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank_of_p, i in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank_of_p) * p_values[i]))
        adjusted[i] = largest
    return adjusted


@dataclass(frozen=True)
class Ranking:
    """Mean ranks over `n` blocks, best (lowest) first; `mean_ranks[i]` belongs to `names[i]`.

    `p_value` is that of the Friedman test, `critical_difference` the Nemenyi distance of mean ranks at 5 %: None for
    n < 2 or fewer than two names. `cliques` are the largest groups of names, each in order of rank, of which no two
    differ; where the Friedman test finds nothing, that is one group of all.
    """

    names: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    n: int
    p_value: float | None
    critical_difference: float | None
    cliques: list[tuple[str, ...]]


def rank(scores: Mapping[str, Sequence[float]], higher_is_better: bool = True) -> Ranking:
    """Rank names within each block and test whether their mean ranks differ (Demšar 2006).

    Blocks are taken as independent: seeds within a task are independent evidence on that task, not further tasks.

    Args:
        scores: by name, one value a block, in the same order of blocks for every name.
        higher_is_better: the best value of a block has rank 1; ties share the mean of their ranks.

    Raises:
        ValueError: names have unequal numbers of values, or a value is nan or infinite.
    """
    names = list(scores)
    lengths = {name: len(values) for name, values in scores.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"every name needs one value a block; values by name: {lengths}")
    k, n = len(names), next(iter(lengths.values()), 0)
    values = np.array([_finite(scores[name], name) for name in names]).reshape(k, n).T
    if n == 0:
        return Ranking(tuple(names), (math.nan,) * k, 0, None, None, [tuple(names)] if k > 1 else [])
    ranks = stats.rankdata(-values if higher_is_better else values, axis=1)
    mean_ranks = ranks.mean(axis=0)
    order = np.argsort(mean_ranks, kind="stable")
    ordered = [(names[i], float(mean_ranks[i])) for i in order]
    p_value = friedman_p_value(ranks) if n > 1 and k > 1 else None
    distance = None if p_value is None else critical_difference(k, n)
    found = p_value is not None and p_value < LEVEL
    cliques = _cliques(ordered, distance if found else math.inf)
    return Ranking(
        tuple(name for name, _ in ordered), tuple(mean for _, mean in ordered), n, p_value, distance, cliques
    )


def friedman_p_value(ranks: np.ndarray) -> float:
    """P-value of the Friedman test in the F form of Iman & Davenport 1980, corrected for ties (Conover 1999, 5.8).

    Args:
        ranks: shape (n blocks, k treatments), n and k at least 2.
    """
    n, k = ranks.shape
    spread = (ranks**2).sum() - n * k * (k + 1) ** 2 / 4
    if spread == 0:  # ties everywhere
        return 1.0
    chi_square = (k - 1) * ((ranks.sum(axis=0) - n * (k + 1) / 2) ** 2).sum() / spread
    remainder = n * (k - 1) - chi_square
    p_value = stats.f.sf((n - 1) * chi_square / remainder, k - 1, (k - 1) * (n - 1)) if remainder > 1e-9 else 0.0
    # Blocks that all agree give F = ∞; but by chance alone they agree once in (k!)ⁿ⁻¹, and no p-value is below that.
    return float(max(p_value, math.exp(-(n - 1) * math.lgamma(k + 1))))


def critical_difference(k: int, n: int) -> float:
    """Distance of the mean ranks of k names over n blocks that is significant at 5 %.

    Nemenyi 1963 as in Demšar 2006, equation for CD: q √(k(k + 1) / 6n), q the studentised range over √2.
    """
    q = stats.studentized_range.ppf(1 - LEVEL, k, math.inf) / math.sqrt(2)
    return float(q * math.sqrt(k * (k + 1) / (6 * n)))


def _cliques(ordered: Sequence[tuple[str, float]], distance: float) -> list[tuple[str, ...]]:
    """Largest runs of at least two names, from best to worst, whose mean ranks lie closer than `distance`."""
    cliques: list[tuple[str, ...]] = []
    reached = 0
    for start, (_, best) in enumerate(ordered):
        end = start + sum(mean_rank - best < distance for _, mean_rank in ordered[start:])
        if end - start > 1 and end > reached:
            cliques.append(tuple(name for name, _ in ordered[start:end]))
            reached = end
    return cliques


def normalised_gain(treatment: float, baseline: float, best_possible: float | None) -> float:
    """Share of the baseline's error that the treatment removes: a gain that can be set side by side across tasks.

    With a best possible value it is (treatment − baseline) / (best − baseline), the normalised gain of Hake 1998, for
    an accuracy also known as relative error reduction. A ratio in decibels has no best value; as
    PSNR = 10 log₁₀(peak² / error), a difference of d dB removes the share 1 − 10^(−d/10) of the mean squared error
    (of its geometric mean over images, where PSNR is averaged over images).

    Args:
        treatment: value of the metric.
        baseline: value of the metric.
        best_possible: 100 for an accuracy in percent, 1 for SSIM, 0 for a loss; None for PSNR in dB.

    Returns:
        0.1 for a tenth of the error removed, negative where error is added; −inf where the baseline had none.

    Raises:
        ValueError: a value is nan or infinite, or the two lie on different sides of the best possible value.
    """
    _finite([treatment, baseline], "treatment and baseline")
    if best_possible is None:
        return 1 - 10 ** (-(treatment - baseline) / 10)
    removed, error = treatment - baseline, best_possible - baseline
    if (best_possible - treatment) * error < 0:
        raise ValueError(f"{treatment} and {baseline} lie on different sides of the best possible {best_possible}")
    if error == 0:
        return 0.0 if removed == 0 else -math.inf
    return removed / error


def _finite(values: Sequence[float], what: str) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    wrong = array[~np.isfinite(array)]
    if wrong.size:
        raise ValueError(f"{what} has the value {wrong[0]}; only finite values can be compared, leave others out")
    return array
