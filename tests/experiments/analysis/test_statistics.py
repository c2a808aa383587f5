"""Statistics against SciPy, cases computed by hand, published tables, and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from experiments.analysis.statistics import (
    PairedComparison,
    Summary,
    compare_paired,
    detectable_difference,
    holm,
    mean_ranks,
    normalised_gain,
    power,
    summarise,
)

pytestmark = pytest.mark.filterwarnings("error")


def by_seed(values):
    return dict(enumerate(values))


def from_differences(differences):
    return compare_paired(by_seed(differences), by_seed([0.0] * len(differences)))


def assert_rate(found, expected):
    """A rate over simulated experiments is the expected one within three standard errors of the binomial."""
    margin = 3 * math.sqrt(expected * (1 - expected) / len(found))
    assert np.mean(found) == pytest.approx(expected, abs=margin)


def test_interval_of_a_mean_is_that_of_the_t_distribution():
    values = [71.2, 70.4, 72.9, 71.0]
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    summary = summarise(values)
    assert (summary.n, summary.mean) == (4, pytest.approx(71.375))
    assert summary.sd == pytest.approx(np.std(values, ddof=1))
    assert (summary.low, summary.high) == (pytest.approx(low), pytest.approx(high))


def test_one_value_has_a_mean_and_no_spread():
    assert summarise([3]) == Summary(1, 3.0, None, None, None)


def test_no_value_has_no_mean():
    summary = summarise([])
    assert summary.n == 0 and math.isnan(summary.mean) and summary.low is None


def test_equal_values_have_an_interval_of_no_width():
    assert summarise([2.0, 2.0]) == Summary(2, 2.0, 0.0, 2.0, 2.0)


def test_paired_comparison_of_three_pairs_by_hand():
    comparison = compare_paired({0: 71.0, 1: 73.0, 2: 75.0}, {0: 70.0, 1: 71.0, 2: 72.0})
    assert (comparison.n, comparison.difference, comparison.probability_of_improvement) == (3, 2.0, 1.0)
    # Differences 1, 2, 3: sd 1, t = 2√3, and with 2 degrees of freedom p = 1 − t / √(t² + 2).
    assert comparison.p_value == pytest.approx(1 - math.sqrt(12 / 14))
    # Hedges' correction with 2 degrees of freedom is Γ(1) / Γ(½) = 1/√π.
    assert comparison.effect_size == pytest.approx(2 / math.sqrt(math.pi))


def test_the_effect_size_is_the_mean_in_standard_deviations_with_the_correction_of_hedges():
    differences = [2.0, 6.0, 4.0, 12.0]
    correction = math.gamma(3 / 2) / (math.sqrt(3 / 2) * math.gamma(2 / 2))  # J(3)
    expected = np.mean(differences) / np.std(differences, ddof=1) * correction
    assert from_differences(differences).effect_size == pytest.approx(expected)


def test_whole_numbers_are_compared_as_numbers_with_a_fraction():
    large = 2**53
    found = compare_paired({0: large, 1: 1.5, 2: 3}, {0: large, 1: 1, 2: 1})
    assert found.difference == pytest.approx(2.5 / 3)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30])
def test_p_value_is_that_of_the_paired_t_test(n):
    generator = np.random.default_rng(n)
    treatment, baseline = generator.normal(70, 1, n), generator.normal(69.5, 1, n)
    expected = stats.ttest_rel(treatment, baseline).pvalue
    assert compare_paired(by_seed(treatment), by_seed(baseline)).p_value == pytest.approx(expected)


def test_pairs_are_the_seeds_that_both_have():
    treatment, baseline = {0: 5.0, 1: 6.5, 2: 7.0, 3: 9.0, 9: 100.0}, {3: 8.0, 2: 6.5, 0: 3.0, 7: -100.0}
    common = compare_paired({0: 5.0, 2: 7.0, 3: 9.0}, {0: 3.0, 2: 6.5, 3: 8.0})
    assert compare_paired(treatment, baseline) == common
    assert common.n == 3


def test_lower_is_better_turns_the_improvement_and_not_the_difference():
    treatment, baseline = by_seed([0.9, 1.0, 1.1, 1.3]), by_seed([1.0, 1.2, 1.0, 1.3])
    higher, lower = (compare_paired(treatment, baseline, better) for better in (True, False))
    assert lower.difference == higher.difference == pytest.approx(-0.05)
    assert (higher.probability_of_improvement, lower.probability_of_improvement) == (1.5 / 4, 2.5 / 4)
    assert lower.p_value == higher.p_value


@pytest.mark.parametrize("higher_is_better", [True, False])
@pytest.mark.parametrize("differences", [[-2.0], [-1.0, -3.0], [-1.0, -2.0, -3.0, -2.5]])
def test_all_but_the_probability_of_improvement_is_of_treatment_minus_baseline(differences, higher_is_better):
    baseline = by_seed([10.0] * len(differences))
    treatment = by_seed([10.0 + difference for difference in differences])
    found = compare_paired(treatment, baseline, higher_is_better)
    assert found.difference == pytest.approx(sum(differences) / len(differences))
    assert found.probability_of_improvement == (0.0 if higher_is_better else 1.0)
    if len(differences) > 2:
        assert found.low < found.difference < found.high < 0.5
        assert found.effect_size < 0


def test_small_noise_is_still_noise():
    small = from_differences([1e-5, 2e-5, 3e-5])
    shifted = compare_paired(by_seed([70 + 1e-5, 70 + 2e-5, 70 + 3e-5]), by_seed([70.0, 70.0, 70.0]))
    assert shifted.p_value == pytest.approx(small.p_value, rel=1e-3)


T_975 = {1: 12.706204736, 2: 4.302652730, 3: 3.182446305, 4: 2.776445105, 9: 2.262157163}
"""The 97.5 % quantile of Student's t by degrees of freedom, from a printed table."""


@pytest.mark.parametrize("higher_is_better", [True, False])
@pytest.mark.parametrize("n", [2, 3, 4, 5, 10])
def test_interval_is_the_paired_t_interval_of_the_textbook(n, higher_is_better):
    baseline = [70.0 + 1.7 * (seed % 3) for seed in range(n)]
    differences = [0.4 + 0.3 * (-1) ** seed + 0.05 * seed for seed in range(n)]
    treatment = {seed: baseline[seed] + differences[seed] for seed in reversed(range(n))}
    found = compare_paired({**treatment, 99: 5.0}, {**by_seed(baseline), 77: -5.0}, higher_is_better)
    mean = sum(differences) / n
    variance = sum((difference - mean) ** 2 for difference in differences) / (n - 1)
    margin = T_975[n - 1] * math.sqrt(variance / n)
    assert (found.low, found.high) == (pytest.approx(mean - margin), pytest.approx(mean + margin))


def test_no_pair_and_one_pair_claim_nothing():
    none = compare_paired({0: 1.0}, {1: 1.0})
    assert none.n == 0 and math.isnan(none.difference) and math.isnan(none.probability_of_improvement)
    assert none.p_value is none.low is none.detectable is None
    one = compare_paired({0: 2.0}, {0: 1.0})
    assert one == PairedComparison(1, 1.0, 1.0)


def test_two_pairs_have_an_interval_and_no_effect_size():
    two = from_differences([1.0, 1.5])
    assert two.low < 1.25 < two.high
    assert two.p_value is not None and two.detectable > 0
    assert two.effect_size is None


def test_equal_differences_have_neither_interval_nor_test_whatever_their_rounding():
    comparison = compare_paired(by_seed([70.3, 71.1, 1.1]), by_seed([70.2, 71.0, 1.0]))
    assert comparison.difference == pytest.approx(0.1)
    assert comparison.low is comparison.high is comparison.p_value is None
    assert comparison.effect_size is comparison.detectable is None
    assert holm([comparison.p_value, 0.03]) == [None, 0.03]


def test_runs_equal_to_the_baseline_have_p_value_one():
    comparison = from_differences([0.0, 0.0, 0.0])
    assert (comparison.difference, comparison.p_value) == (0.0, 1.0)
    assert comparison.probability_of_improvement == 0.5
    assert (comparison.low, comparison.high) == (0.0, 0.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused_by_name(value):
    with pytest.raises(ValueError, match=f"treatment has the value {value}"):
        compare_paired({0: 1.0, 1: value}, {0: 1.0})
    with pytest.raises(ValueError, match=f"baseline has the value {value}"):
        compare_paired({0: 1.0}, {0: value})
    with pytest.raises(ValueError, match=f"values has the value {value}"):
        summarise([1.0, value])
    with pytest.raises(ValueError, match=f"gelu has the value {value}"):
        mean_ranks({"relu": [1.0], "gelu": [value]})
    with pytest.raises(ValueError, match=f"treatment and baseline has the value {value}"):
        normalised_gain(value, 1.0, 100)
    with pytest.raises(ValueError, match=str(value)):
        normalised_gain(1.0, value, 100)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_interval_is_that_of_the_paired_t_test(n):
    generator = np.random.default_rng(n)
    treatment, baseline = generator.normal(70, 1, n), generator.normal(69.5, 1, n)
    differences = treatment - baseline
    margin = stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / math.sqrt(n)
    comparison = compare_paired(by_seed(treatment), by_seed(baseline))
    assert (comparison.low, comparison.high) == pytest.approx(
        (differences.mean() - margin, differences.mean() + margin)
    )


def test_interval_excludes_zero_exactly_where_the_test_is_significant():
    samples = np.random.default_rng(0).normal(0.8, 1.0, (500, 5))
    compared = [from_differences(sample) for sample in samples]
    significant = [comparison.p_value < 0.05 for comparison in compared]
    assert significant == [comparison.low > 0 or comparison.high < 0 for comparison in compared]
    assert 0 < sum(significant) < 500


def test_exchanging_treatment_and_baseline_mirrors_the_interval():
    treatment, baseline = by_seed([70.1, 71.5, 70.9]), by_seed([69.0, 71.0, 70.5])
    there, back = compare_paired(treatment, baseline), compare_paired(baseline, treatment)
    assert (back.low, back.high) == (pytest.approx(-there.high), pytest.approx(-there.low))


@pytest.mark.parametrize("n", [3, 5, 10])
def test_interval_covers_the_true_difference_at_the_stated_rate(n):
    samples = np.random.default_rng(0).normal(0.4, 1.0, (500, n))
    intervals = [from_differences(sample) for sample in samples]
    assert_rate([interval.low <= 0.4 <= interval.high for interval in intervals], 0.95)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
@pytest.mark.parametrize("alpha", [0.05, 0.0125])
def test_power_and_detectable_difference_are_inverses(n, alpha):
    assert power(n, 0.7, detectable_difference(n, 0.7, alpha), alpha) == pytest.approx(0.8)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_power_is_the_rate_of_findings_in_simulation(n):
    samples = np.random.default_rng(n).normal(1.0, 0.8, (10_000, n))
    assert_rate(stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05, power(n, 0.8, 1.0))


def test_power_is_that_of_the_noncentral_t_distribution():
    bound, noncentrality = stats.t.isf(0.025, 4), math.sqrt(5) * 1.3 / 0.9
    expected = stats.nct.sf(bound, 4, noncentrality) + stats.nct.cdf(-bound, 4, noncentrality)
    assert power(5, 0.9, 1.3) == power(5, 0.9, -1.3) == pytest.approx(expected)


@pytest.mark.parametrize("difference", [0.01, 0.1, 0.4])
def test_power_at_small_differences_is_that_of_the_noncentral_t_distribution(difference):
    shift, bound = difference * math.sqrt(5), stats.t.isf(0.025, 4)
    expected = stats.nct.sf(bound, 4, shift) + stats.nct.cdf(-bound, 4, shift)
    assert power(5, 1.0, difference) == pytest.approx(expected, rel=1e-6)
    assert power(5, 1.0, difference) > 0.05


def test_power_at_its_limits():
    assert power(5, 1.0, 0.0) == power(5, 0.0, 0.0) == 0.05
    assert power(5, 1.0, 1e-200) == power(5, 1e300, 1.0) == 0.05
    assert power(5, 0.0, 0.1) == power(5, 1e-320, 1.0) == 1.0
    assert power(1, 1.0, 100.0) == 0.0
    assert power(2, 1.0, 1e12) == 1.0
    assert 0 < power(5, 1.0, 1.0, 1e-6) < power(5, 1.0, 1.0) < 1
    assert detectable_difference(1, 1.0) is detectable_difference(5, 0.0) is None


@pytest.mark.parametrize(
    ("sd", "difference", "alpha"),
    [
        (-1, 1, 0.05),
        (math.nan, 1, 0.05),
        (math.inf, 1, 0.05),
        (1, math.inf, 0.05),
        (1, 1, 0),
        (1, 1, 0.9e-6),
        (1, 1, 1),
    ],
)
def test_power_refuses_impossible_numbers(sd, difference, alpha):
    with pytest.raises(ValueError, match="power needs"):
        power(3, sd, difference, alpha)


@pytest.mark.parametrize("wanted", [0.05, 0.01, 1.0, 1.5])
def test_a_wanted_power_is_above_the_level_and_below_one(wanted):
    with pytest.raises(ValueError, match=f"wanted power is {wanted}"):
        detectable_difference(5, 1.0, 0.05, wanted)


def test_detectable_difference_is_found_in_four_of_five_experiments():
    differences = np.array([0.3, 1.1, -0.2, 0.8, 0.1, 0.9])
    detectable = from_differences(differences).detectable
    samples = np.random.default_rng(0).normal(detectable, differences.std(ddof=1), (10_000, 6))
    assert_rate(stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05, 0.8)


def test_holm_by_hand():
    # Sorted: 0.005·4, 0.01·3, 0.03·2, and 0.04·1 raised to the one before it.
    assert holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])


def test_holm_caps_at_one_and_keeps_ties_equal():
    assert holm([0.6, 0.6, 0.02]) == pytest.approx([1.0, 1.0, 0.06])
    assert holm([None, None]) == [None, None]
    assert holm([]) == []


@pytest.mark.parametrize("p_value", [-0.1, 1.1, math.nan])
def test_holm_refuses_what_is_no_p_value(p_value):
    with pytest.raises(ValueError, match=str(p_value)):
        holm([0.5, p_value])


ACTIVATIONS = ("prelu", "gelu", "swish", "carelu")
SEEDS = 5
NOISE = 0.35  # of a run, in percentage points; the difference of two runs has √2 times as much


def simulated_p_values(experiments, effects):
    """P-values of each activation against ReLU, raw and after Holm; shape (experiments, activations) each.

    A value is 70 % accuracy, the effect of its activation, that of its seed (shared by all activations), and noise.
    """
    generator = np.random.default_rng(0)
    raw, corrected = [], []
    for _ in range(experiments):
        seed_effect = generator.normal(0, 2.0, SEEDS)
        relu = by_seed(70 + seed_effect + generator.normal(0, NOISE, SEEDS))
        others = [by_seed(70 + effect + seed_effect + generator.normal(0, NOISE, SEEDS)) for effect in effects]
        raw.append([compare_paired(values, relu).p_value for values in others])
        corrected.append(holm(raw[-1]))
    return np.array(raw), np.array(corrected)


@pytest.mark.slow
def test_planted_effect_of_one_percent_is_found_with_the_stated_power():
    raw, corrected = simulated_p_values(2000, (0.0, 0.0, 0.0, 1.0))
    sd = NOISE * math.sqrt(2)
    stated = power(SEEDS, sd, 1.0, alpha=0.05 / len(ACTIVATIONS))
    assert 0.4 < stated < power(SEEDS, sd, 1.0) < 0.99  # neither hopeless nor certain
    assert_rate(raw[:, -1] < 0.05, power(SEEDS, sd, 1.0))
    assert_rate(corrected[:, -1] < 0.05, stated)


@pytest.mark.slow
def test_without_effects_any_finding_is_as_rare_as_stated():
    raw, corrected = simulated_p_values(2000, (0.0,) * len(ACTIVATIONS))
    any_finding = (corrected < 0.05).any(axis=1)
    assert np.mean(any_finding) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(any_finding))
    # The correction is what holds it: without it there would be more.
    assert np.mean((raw < 0.05).any(axis=1)) > 0.08


def test_detectable_with_several_comparisons_is_that_after_the_correction():
    treatment, baseline = by_seed([70.1, 71.5, 70.9]), by_seed([69.0, 71.0, 70.5])
    sd = np.std([1.1, 0.5, 0.4], ddof=1)
    corrected = compare_paired(treatment, baseline, comparisons=4)
    assert power(3, sd, corrected.detectable, alpha=0.05 / 4) == pytest.approx(0.8)
    assert corrected.p_value == compare_paired(treatment, baseline).p_value
    with pytest.raises(ValueError, match="comparisons is 0"):
        compare_paired(treatment, baseline, comparisons=0)


def test_mean_ranks_are_those_of_the_worked_example_of_demsar():
    # Table 6 of Demšar 2006: AUC (in thousandths) of four versions of C4.5 on 14 data sets. One of two values printed
    # as 0.975 is ranked above the other there.
    auc = {
        "C4.5": [763, 599, 954, 628, 882, 936, 661, 583, 775, 1000, 940, 619, 972, 957],
        "+m": [768, 591, 971, 661, 888, 931, 668, 583, 838, 1000, 962, 666, 981, 978],
        "+cf": [771, 590, 968, 654, 886, 916, 609, 563, 866, 1000, 965, 614, 975.01, 946],
        "+m+cf": [798, 569, 967, 657, 898, 931, 685, 625, 875, 1000, 962, 669, 975, 970],
    }
    ranks = mean_ranks(auc)
    assert list(ranks) == ["+m+cf", "+m", "+cf", "C4.5"]
    assert list(ranks.values()) == pytest.approx((1.964, 2.0, 2.893, 3.143), abs=5e-4)


def test_ties_share_ranks_and_no_block_has_none():
    assert mean_ranks({"relu": [1.0, 1.0], "gelu": [1.0, 2.0]}) == {"gelu": 1.25, "relu": 1.75}
    assert mean_ranks({"relu": [], "gelu": []}) == mean_ranks({}) == {}


def test_unequal_numbers_of_blocks_are_refused():
    with pytest.raises(ValueError, match=r"'gelu': 1"):
        mean_ranks({"relu": [1.0, 2.0], "gelu": [2.0]})


@pytest.mark.parametrize(
    ("treatment", "baseline", "best_possible", "expected"),
    [
        (73.0, 70.0, 100, 0.1),  # 3 of 30 points of error
        (67.0, 70.0, 100, -0.1),
        (1.5, 2.0, 0, 0.25),  # a loss
        (30 + 10 * math.log10(2), 30.0, None, 0.5),  # half the squared error
        (100.0, 100.0, 100, 0.0),
        (99.0, 100.0, 100, -math.inf),
    ],
)
def test_normalised_gain_is_the_share_of_error_removed(treatment, baseline, best_possible, expected):
    assert normalised_gain(treatment, baseline, best_possible) == pytest.approx(expected)


def test_normalised_gain_refuses_a_value_beyond_the_best():
    with pytest.raises(ValueError, match="different sides of the best possible 1"):
        normalised_gain(70.0, 0.7, 1)
