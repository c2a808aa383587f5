"""Resampling of paired differences: the bootstrap interval of their mean and the test by random signs.

Random draws have a fixed seed, so equal input gives equal output.
"""

import math
from functools import lru_cache

import numpy as np

EXACT_PAIRS = 20  # up to here all sign flips are enumerated
DRAWS = 20_000  # bootstrap resamples, and sign flips where they are drawn


def bootstrap_interval(differences: np.ndarray, level: float = 0.05) -> tuple[float, float]:
    """Interval of the mean by the smoothed studentised bootstrap.

    Studentised: the distribution of (mean* − mean) / se* over resamples takes the place of the t table (bootstrap-t,
    Efron & Tibshirani 1993, chapter 12). Smoothed: each resampled value gets normal noise of variance sd²/n, so that
    resamples have the variance sd² and not (n − 1)/n of it (Hesterberg 2004, "Unbiasing the bootstrap"), and none
    is constant, which leaves the plain bootstrap-t unbounded at n = 3.

    How often the 95 % interval held the true mean, in percent, over 10 000 simulated samples of a normal, and 4 000 of
    an exponential distribution (skewed far more than differences of paired runs). Percentile and BCa intervals are
    those of `scipy.stats.bootstrap`; at such n they end within the sample, so they miss far too often.

    | n  | normal: this | t    | percentile | BCa  | exponential: this | t    | percentile | BCa  |
    | -- | ------------ | ---- | ---------- | ---- | ----------------- | ---- | ---------- | ---- |
    | 3  | 95.9         | 94.8 | 75.0       | 72.7 | 90.4              | 88.1 | 70.9       | 68.9 |
    | 5  | 95.7         | 95.4 | 84.3       | 84.2 | 91.9              | 89.2 | 78.5       | 81.2 |
    | 10 | 95.5         | 95.5 | 91.0       | 90.6 | 93.5              | 89.7 | 85.9       | 87.2 |

    Args:
        differences: at least two values, shape (n,), not all equal.
        level: the interval covers 1 − level.
    """
    n = len(differences)
    chosen, noise = _bootstrap_draws(n)
    mean, sd = differences.mean(), differences.std(ddof=1)
    standardised = (differences - mean) / sd
    resamples = standardised[chosen] + noise / math.sqrt(n)
    t = resamples.mean(axis=1) / resamples.std(axis=1, ddof=1)  # in units of sd: se* without its √n
    upper, lower = np.quantile(t, [1 - level / 2, level / 2])
    return float(mean - upper * sd), float(mean - lower * sd)


@lru_cache(maxsize=8)
def _bootstrap_draws(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and standard normal noise, each (DRAWS, n): the same for every comparison of n pairs.

    The noise comes with both signs, so that exchanging treatment and baseline mirrors the interval exactly.
    """
    generator = np.random.default_rng(0)
    chosen = generator.integers(n, size=(DRAWS // 2, n))
    noise = generator.standard_normal((DRAWS // 2, n))
    return np.concatenate([chosen, chosen]), np.concatenate([noise, -noise])


def sign_flip_p_value(differences: np.ndarray) -> float:
    """Two-sided p-value of the mean under random signs of the differences (Fisher 1935, §21).

    All 2ⁿ signs up to n = 20; above, drawn ones, with the observed one counted among them (Phipson & Smyth 2010).
    """
    magnitudes = np.abs(differences)
    if len(magnitudes) <= EXACT_PAIRS:
        sums = magnitudes[:1]  # the first sign is held: the other half of the sums is the negative of this one
        for magnitude in magnitudes[1:]:
            sums = np.concatenate([sums + magnitude, sums - magnitude])
    else:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(DRAWS, len(magnitudes)))
        sums = np.concatenate([signs @ magnitudes, [differences.sum()]])
    # Sums that are equal but for rounding count as equal.
    return float(np.mean(np.abs(sums) >= abs(differences.sum()) - 1e-9 * magnitudes.sum()))
