"""Statistics of runs: means with intervals, paired comparisons by seed, mean ranks, gains.

Tests and intervals are SciPy's. Own code covers what SciPy lacks: the correction of Hedges, the power of the
paired t test, Holm's correction. Independent of the source of the numbers (`analysis.evidence`) and of their
display (`report`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, stats

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
    if np.ptp(values) == 0:  # SciPy's interval is nan
        return Summary(n, mean, 0.0, mean, mean)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(1 - LEVEL)
    return Summary(n, mean, sd, float(low), float(high))


@dataclass(frozen=True)
class PairedComparison:
    """Treatment − baseline over the `n` pairs (seeds) that both have, in the unit of the values.

    With n = 0 the difference is nan; with n < 2 everything that needs a spread is None, as where all differences are
    equal: their spread is below the resolution of the metric. If all are zero, the interval is [0, 0], the p-value 1.
    """

    n: int
    # Mean difference; its sign is that of treatment − baseline also where lower is better.
    difference: float
    # Share of pairs in which the treatment is better, ties counted ½: the measure of Agarwal et al. 2021, by pairs.
    probability_of_improvement: float
    # 95 % paired t interval of the mean difference.
    low: float | None = None
    high: float | None = None
    # Two-sided paired t test (Student 1908).
    p_value: float | None = None
    # Hedges' g of the differences (mean/sd, corrected for small n); None for n < 3, where it has no expectation.
    effect_size: float | None = None
    # Smallest true |difference| that this test finds with 80 % power if the true sd equals the one observed.
    detectable: float | None = None


def compare_paired(
    treatment: Mapping[int, float],
    baseline: Mapping[int, float],
    higher_is_better: bool = True,
    comparisons: int = 1,
) -> PairedComparison:
    """Compares two sets of runs, each a value by seed, over the seeds that both have.

    Args:
        treatment: value by seed.
        baseline: value by seed.
        higher_is_better: which of two values counts as an improvement.
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
    n = len(seeds)
    if n == 0:
        return PairedComparison(0, math.nan, math.nan)
    treated = np.array([treatment[seed] for seed in seeds], dtype=float)
    base = np.array([baseline[seed] for seed in seeds], dtype=float)
    differences = treated - base
    mean = float(differences.mean())
    gains = differences if higher_is_better else -differences
    improvement = float(np.mean((gains > 0) + 0.5 * (gains == 0)))
    if n == 1:
        return PairedComparison(1, mean, improvement)
    sd = float(differences.std(ddof=1))
    # Equal differences differ by rounding errors after subtraction, which must not count as noise.
    rounding = 1e-9 * max(np.abs(treated).max(), np.abs(base).max())
    if sd <= rounding:
        same = abs(mean) <= rounding
        return PairedComparison(n, mean, improvement, *((0.0, 0.0, 1.0) if same else ()))
    test = stats.ttest_rel(treated, base)
    low, high = test.confidence_interval(1 - LEVEL)
    return PairedComparison(
        n=n,
        difference=mean,
        probability_of_improvement=improvement,
        low=float(low),
        high=float(high),
        p_value=float(test.pvalue),
        effect_size=mean / sd * _hedges_correction(n - 1) if n > 2 else None,
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

    None for n < 2, and for sd = 0, where the noise cannot be estimated.

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


def mean_ranks(scores: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The mean rank of each name over blocks, the best first; ties share the mean of their ranks.

    Without a test: seeds are not independent blocks if the effect of an activation differs between tasks.

    Args:
        scores: by name, one value a block, in the same order of blocks for every name; the highest has rank 1.

    Returns:
        Empty if there is no block.

    Raises:
        ValueError: names have unequal numbers of values, or a value is nan or infinite.
    """
    lengths = {name: len(values) for name, values in scores.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"every name needs one value a block; values by name: {lengths}")
    if not any(lengths.values()):
        return {}
    values = np.array([_finite(of_name, name) for name, of_name in scores.items()])
    means = dict(zip(scores, stats.rankdata(-values, axis=0).mean(axis=1).tolist(), strict=True))
    return dict(sorted(means.items(), key=lambda item: item[1]))


def normalised_gain(treatment: float, baseline: float, best_possible: float | None) -> float:
    """Share of the baseline's error that the treatment removes: a gain that is comparable across tasks.

    With a best possible value it is (treatment − baseline) / (best − baseline), the normalised gain of Hake 1998, for
    an accuracy also known as relative error reduction. PSNR in decibels has no best value; as
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
        raise ValueError(f"{what} has the value {wrong[0]}; only finite values can be compared; leave the others out")
    return array
