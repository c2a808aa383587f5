"""The verdict on two activations: better, worse, equivalent or undecided, from the differences of paired runs.

The interval behind it is a confidence sequence: it is valid at every number of seeds at once, so that a person may look
at the results and add seeds until they answer. Pure functions of numbers.

Source: the normal mixture for the t statistic of Lai 1976, as in Wang & Ramdas 2024, "Anytime-valid t-tests and
confidence sequences for Gaussian means with unknown variance".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

LEVEL = 0.05
"""Probability that the intervals of a table miss a true difference, at any number of seeds."""

MIXTURE = 0.3
"""c of the mixture: effects of about 1/√c standard deviations are found soonest. Chosen by simulation."""

MOST_SEEDS = 10_000
"""Where the search for the seeds that would decide ends."""

Word = Literal["better", "worse", "equivalent", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """What the paired differences treatment − baseline allow to be said.

    Args:
        word: better or worse (the interval excludes 0), equivalent (it lies inside ±margin), undecided.
        negligible: whether a better or worse treatment is so by less than the margin.
        n: pairs.
        difference: their mean, in the metric's unit; nan for n = 0.
        low, high: the confidence sequence at n; infinite where n is too small to bound it.
        seeds_needed: pairs in all that would decide, if mean and spread stay as they are; None where it is decided,
            where nothing is known of the spread, or where no number up to `MOST_SEEDS` would.
    """

    word: Word
    negligible: bool
    n: int
    difference: float
    low: float
    high: float
    seeds_needed: int | None

    @property
    def decided(self) -> bool:
        return self.word != "undecided"


def half_width(n: int, level: float = LEVEL) -> float:
    """Half the width of the confidence sequence of a mean at n values, in standard errors; infinite where unbounded.

    The e-value of a mean μ is E = √r · [(1 + t²/(n−1)) / (1 + r t²/(n−1))]^(n/2) with t = √n (mean − μ)/sd and
    r = c/(n + c); the sequence holds every μ with E < 1/level, which this solves for |t|.
    """
    if n < 2:
        return math.inf
    r = MIXTURE / (n + MIXTURE)
    bound = (level * math.sqrt(r)) ** (-2 / n)
    if bound * r >= 1:
        return math.inf
    return math.sqrt((n - 1) * (bound - 1) / (1 - bound * r))


def fewest_pairs(comparisons: int = 1) -> int:
    """The fewest pairs of runs that give an interval with ends, where so many verdicts share the level."""
    return next(n for n in range(2, MOST_SEEDS) if math.isfinite(half_width(n, LEVEL / comparisons)))


def judge(
    differences: Sequence[float], margin: float, *, higher_is_better: bool = True, comparisons: int = 1
) -> Verdict:
    """The verdict on a treatment from its differences to the baseline, one a seed.

    Args:
        differences: treatment − baseline, in the metric's unit.
        margin: the difference below which two activations are equivalent in practice, > 0, in the metric's unit.
        higher_is_better: the direction of the metric.
        comparisons: how many verdicts share the level (Bonferroni).

    Raises:
        ValueError: a difference is not finite, the margin is not positive, or comparisons < 1.
    """
    values = np.asarray(differences, dtype=float)
    if not np.isfinite(values).all():
        raise ValueError("a difference is not finite; a run that diverged has none: leave it out, and count it")
    if not 0 < margin < math.inf or comparisons < 1:
        raise ValueError(f"{margin=} and {comparisons=}; accepted: a margin > 0 and comparisons ≥ 1")
    n, level = len(values), LEVEL / comparisons
    if n == 0:
        return Verdict("undecided", False, 0, math.nan, -math.inf, math.inf, None)
    mean = float(values.mean())
    sd = float(values.std(ddof=1)) if n > 1 else math.nan
    low, high = _interval(n, mean, sd, level)
    word = _word(low, high, margin, higher_is_better)
    negligible = word in ("better", "worse") and -margin < low and high < margin
    needed = _seeds_needed(n, mean, sd, margin, level) if word == "undecided" and n > 1 else None
    return Verdict(word, negligible, n, mean, low, high, needed)


def _interval(n: int, mean: float, sd: float, level: float) -> tuple[float, float]:
    width = half_width(n, level)
    if math.isinf(width):
        return -math.inf, math.inf
    return mean - width * sd / math.sqrt(n), mean + width * sd / math.sqrt(n)


def _word(low: float, high: float, margin: float, higher_is_better: bool) -> Word:
    if low > 0:
        return "better" if higher_is_better else "worse"
    if high < 0:
        return "worse" if higher_is_better else "better"
    return "equivalent" if -margin < low and high < margin else "undecided"


def _seeds_needed(n: int, mean: float, sd: float, margin: float, level: float) -> int | None:
    for more in range(n + 1, MOST_SEEDS + 1):
        if _word(*_interval(more, mean, sd, level), margin, True) != "undecided":
            return more
    return None


@dataclass(frozen=True)
class Posterior:
    """Probabilities that the true difference is above the margin, within it, and below it; they sum to 1."""

    above: float
    within: float
    below: float


def posterior(differences: Sequence[float], margin: float) -> Posterior | None:
    """The t posterior of the mean difference under the flat prior on mean and log sd; None for n < 2 or no spread.

    Source: Gelman et al., "Bayesian Data Analysis", section 3.2.
    """
    values = np.asarray(differences, dtype=float)
    n = len(values)
    if n < 2 or values.std(ddof=1) <= 1e-9 * np.abs(values).max():  # equal but for rounding
        return None
    distribution = stats.t(n - 1, values.mean(), values.std(ddof=1) / math.sqrt(n))
    above, below = float(distribution.sf(margin)), float(distribution.cdf(-margin))
    return Posterior(above, 1 - above - below, below)
