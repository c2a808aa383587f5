"""Verdicts: what chosen differences give, and how often they are wrong when seeds are added until they decide."""

import math
import warnings

import numpy as np
import pytest
from scipy import integrate, stats

from experiments.analysis import verdict as module
from experiments.analysis.verdict import LEVEL, MIXTURE, fewest_pairs, half_width, judge, posterior


def e_value(n, t):
    """The mixture integrated by hand: likelihood ratio of the t statistic for a normal standardised effect."""
    g = n / MIXTURE  # the prior variance of the effect √n·(μ/σ) relative to 1

    def density(t, noncentrality):
        return stats.nct.pdf(t, n - 1, noncentrality)

    mixed, _ = integrate.quad(lambda d: density(t, d) * stats.norm.pdf(d, 0, math.sqrt(g)), -60, 60, limit=400)
    return mixed / density(t, 0.0)


@pytest.mark.parametrize(("n", "expected"), [(4, 7.7), (5, 5.4), (6, 4.7), (8, 4.2), (10, 3.9), (15, 3.7), (20, 3.6)])
def test_half_widths_are_those_of_the_published_rule(n, expected):
    assert half_width(n) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_too_few_pairs_bound_nothing(n):
    verdict = judge([0.1 * each for each in range(n)], 0.5)
    assert math.isinf(verdict.high) and verdict.word == "undecided"


def test_two_pairs_bound_a_mean_at_a_lower_level():
    assert math.isfinite(half_width(2, 0.5)) and math.isinf(half_width(1, 0.5))


@pytest.mark.parametrize("comparisons", [1, 3, 20])
def test_the_fewest_pairs_are_the_first_with_an_interval_at_the_level_that_comparisons_share(comparisons):
    n = fewest_pairs(comparisons)
    assert math.isfinite(half_width(n, LEVEL / comparisons)) and math.isinf(half_width(n - 1, LEVEL / comparisons))


def test_one_comparison_is_the_default():
    assert fewest_pairs() == fewest_pairs(1)


def test_without_a_pair_nothing_is_known():
    verdict = judge([], 0.5)
    assert math.isnan(verdict.difference)
    said = (verdict.word, verdict.negligible, verdict.n, verdict.low, verdict.high, verdict.seeds_needed)
    assert said == ("undecided", False, 0, -math.inf, math.inf, None)


def test_a_single_pair_has_a_difference_and_no_spread_to_compute():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy's, of a standard deviation without degrees of freedom
        verdict = judge([0.2], 0.5)
    assert (verdict.n, verdict.difference, verdict.seeds_needed) == (1, 0.2, None)


def test_two_pairs_say_how_many_would_decide():
    assert judge([0.5, 0.4], 0.3).seeds_needed == fewest_pairs()


def test_the_margin_itself_is_neither_negligible_nor_equivalent():
    assert [judge([difference] * 4, 0.5).negligible for difference in (0.5, -0.5)] == [False, False]
    wide = judge(SPREAD + 0.01, 0.5)
    assert wide.word == "equivalent" and -wide.low < wide.high
    assert judge(SPREAD + 0.01, wide.high).word == "undecided"
    assert judge(SPREAD - 0.01, wide.high).word == "undecided"


@pytest.mark.parametrize("direction", [1, -1])
def test_seeds_are_counted_from_the_next_one_up_to_the_most(monkeypatch, direction):
    differences = [direction * each for each in (0.5, 0.4, 0.6, 0.3)]
    assert judge(differences, 0.1).seeds_needed == 5
    needed = judge([direction * each for each in (0.5, -0.4, 0.9, 0.2, 0.6)], 0.1).seeds_needed
    for most, found in ((needed, needed), (needed - 1, None)):
        monkeypatch.setattr(module, "MOST_SEEDS", most)
        assert judge([direction * each for each in (0.5, -0.4, 0.9, 0.2, 0.6)], 0.1).seeds_needed == found


@pytest.mark.parametrize("n", [5, 8])
def test_the_bound_is_where_the_mixture_of_likelihoods_reaches_one_over_the_level(n):
    assert e_value(n, half_width(n)) == pytest.approx(1 / LEVEL, rel=1e-3)


SPREAD = np.array([-1.0, 1.0, -0.5, 0.5, 0.0, 0.25, -0.25, 0.1, -0.1, 0.0]) * 0.1


@pytest.mark.parametrize(
    ("mean", "higher_is_better", "word", "negligible"),
    [
        (1.0, True, "better", False),
        (-1.0, True, "worse", False),
        (1.0, False, "worse", False),
        (-1.0, False, "better", False),
        (0.2, True, "better", True),
        (0.0, True, "equivalent", False),
    ],
)
def test_word(mean, higher_is_better, word, negligible):
    verdict = judge(SPREAD + mean, 0.5, higher_is_better=higher_is_better)
    assert (verdict.word, verdict.negligible) == (word, negligible)
    assert verdict.low < mean < verdict.high and verdict.seeds_needed is None


def test_an_interval_beyond_zero_and_margin_is_undecided_and_says_how_many_seeds_would_decide():
    differences = [0.5, -0.4, 0.9, 0.2, 0.6]
    verdict = judge(differences, 0.1)
    assert verdict.word == "undecided" and verdict.seeds_needed > 5
    mean, sd = np.mean(differences), np.std(differences, ddof=1)
    bounds = {n: mean - half_width(n) * sd / math.sqrt(n) for n in (verdict.seeds_needed - 1, verdict.seeds_needed)}
    assert bounds[verdict.seeds_needed - 1] <= 0 < bounds[verdict.seeds_needed]


def test_identical_runs_are_equivalent_and_a_constant_difference_is_a_difference():
    assert judge([0.0] * 4, 0.5).word == "equivalent"
    assert judge([0.7] * 4, 0.5).word == "better"


def test_several_comparisons_share_the_level():
    alone, of_four = judge(SPREAD, 0.5), judge(SPREAD, 0.5, comparisons=4)
    ratio = half_width(10, LEVEL / 4) / half_width(10)
    assert of_four.high - of_four.difference == pytest.approx(ratio * (alone.high - alone.difference))


@pytest.mark.parametrize(("differences", "margin"), [([0.1, math.nan], 0.5), ([0.1], 0.0), ([0.1], math.inf)])
def test_impossible_input_is_refused(differences, margin):
    with pytest.raises(ValueError, match=r"finite|margin"):
        judge(differences, margin)


def test_posterior_is_that_of_the_t_distribution():
    differences = [0.1, 0.5, 0.3, 0.7]
    share = posterior(differences, 0.3)
    assert share.above + share.within + share.below == pytest.approx(1)
    t = (np.mean(differences) - 0.3) / (np.std(differences, ddof=1) / 2)
    assert share.above == pytest.approx(stats.t.cdf(t, 3))
    t = (-0.3 - np.mean(differences)) / (np.std(differences, ddof=1) / 2)
    assert share.below == pytest.approx(stats.t.cdf(t, 3))
    for without_spread in ([0.1], [0.1, 0.1], [70.3 - 70.2, 1.1 - 1.0]):
        assert posterior(without_spread, 0.3) is None


def test_two_differences_have_a_posterior():
    assert posterior([-1.0, 1.0], 0.0).above == pytest.approx(0.5)


def simulate(draw, margin, samples=2000, most=20):
    """Adds pairs until the verdict is there: each word, the mean number of pairs, how often the truth was missed."""
    words, pairs, missed = [], [], 0
    for number in range(samples):
        values, truth = draw(np.random.default_rng(number), most)
        lost = False
        for n in range(4, most + 1):
            verdict = judge(values[:n], margin)
            lost |= not verdict.low <= truth <= verdict.high
            if verdict.decided:
                break
        words.append(verdict.word)
        pairs.append(n)
        missed += lost
    return words, float(np.mean(pairs)), missed / samples


@pytest.mark.slow
@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda generator, n: (generator.normal(0, 1, n), 0.0), id="normal"),
        pytest.param(lambda generator, n: (generator.uniform(-1, 1, n), 0.0), id="uniform"),
        pytest.param(lambda generator, n: (generator.gamma(4, 1, n) - 4, 0.0), id="skewed"),
    ],
)
def test_coverage_holds_when_seeds_are_added_until_the_verdict(draw):
    _, _, missed = simulate(draw, margin=1.5)
    assert missed <= LEVEL


@pytest.mark.slow
def test_equal_activations_are_found_equivalent_in_few_pairs():
    words, pairs, _ = simulate(lambda generator, n: (generator.normal(0, 1, n), 0.0), margin=1.5)
    assert np.mean([word == "equivalent" for word in words]) > 0.96 and pairs < 10.5


@pytest.mark.slow
def test_a_difference_of_two_sd_is_found_in_few_pairs():
    words, pairs, _ = simulate(lambda generator, n: (generator.normal(2, 1, n), 2.0), margin=1.5)
    assert np.mean([word == "better" for word in words]) > 0.99 and pairs < 6.8
