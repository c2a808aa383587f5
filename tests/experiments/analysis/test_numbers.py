"""Numbers as text."""

import pytest

from experiments.analysis.numbers import fixed, interval, p_text, plural, with_deviation


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


def test_one_is_singular():
    assert [plural(count, "run") for count in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
