"""Numbers as text."""

import pytest

from experiments.analysis.numbers import fixed, interval, p_equation, p_text, percent, plural, with_deviation


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (1.005, True, "+1.00"),
        (-1.5, True, "\N{MINUS SIGN}1.50"),
        (-1.5, False, "\N{MINUS SIGN}1.50"),
        (-0.001, True, "0.00"),
        (0.0, True, "0.00"),
        (None, True, "–"),
    ],
)
def test_a_number_has_fixed_decimals_a_true_minus_and_no_sign_at_zero(value, signed, text):
    assert fixed(value, 2, signed) == text


def test_what_is_not_known_is_a_dash_or_left_away():
    assert interval(None, None, 2) == "–"
    assert interval(-0.5, 1.25, 1, signed=True) == "[\N{MINUS SIGN}0.5, +1.2]"
    assert with_deviation(40.0, None, 2) == "40.00"
    assert with_deviation(40.0, 0.5, 2) == "40.00 ± 0.50"


def test_small_p_values_are_bounded_and_not_zero():
    assert [p_text(p) for p in (0.0, 0.00099, 0.001, 0.25, None)] == ["< 0.001", "< 0.001", "0.001", "0.250", "–"]


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "–"), (0.0, "0"), (0.00034, "0.03"), (0.01, "1.0"), (0.018, "1.8"), (0.1, "10"), (0.234, "23")],
)
def test_a_share_in_percent_has_about_two_digits(share, text):
    assert percent(share) == text


def test_a_p_value_in_a_sentence_is_equal_or_less():
    assert [p_equation(p) for p in (0.0312, 0.0001)] == ["p = 0.031", "p < 0.001"]


def test_half_an_interval_is_none():
    assert interval(None, 1.0, 2) == interval(1.0, None, 2) == "–"


def test_one_is_singular():
    assert [plural(count, "run") for count in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
