"""The reference itself, against the formulas written out with Python's numbers."""

import math

import pytest
import torch

from carelu import reference

Z = [[3.0, -1.0, 2.0, -4.0], [-0.5, 0.25, 0.0, 0.0]]
ALPHA, BETA, GAIN, EPS = 0.7, -0.2, 1.3, 0.1


def share(row, competition):
    positive = [value for value in row if value > 0]
    if competition == "energy":
        return sum(value**2 for value in positive) / (sum(value**2 for value in row) + EPS)
    if competition == "l1":
        return sum(positive) / (sum(map(abs, row)) + EPS)
    return len(positive) / len(row)


@pytest.mark.parametrize("competition", ["energy", "l1", "count"])
def test_the_output_in_float64_is_that_of_the_formula(competition):
    expected = []
    for row in Z:
        scale = GAIN * math.tanh(ALPHA * share(row, competition) + BETA)
        expected.append([max(scale * value, 0.0) for value in row])
    z = torch.tensor(Z, dtype=torch.float64)
    output = reference.carelu(z, ALPHA, BETA, competition=competition, gain=GAIN, eps=EPS)
    torch.testing.assert_close(output, torch.tensor(expected, dtype=torch.float64), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_inputs_are_widened_and_float64_is_kept(dtype):
    assert reference.widen(torch.ones(2, dtype=dtype)).dtype == torch.float32
    wide = torch.ones(2, dtype=torch.float64)
    assert reference.widen(wide) is wide


def test_a_parameter_of_one_element_counts_as_a_number():
    assert reference.as_number(0.5) == 0.5
    for shape in ((), (1,), (1, 1)):
        number = reference.as_number(torch.full(shape, 0.5))
        assert (number.shape, number.item()) == ((), 0.5)
    several = torch.tensor([0.5, 0.25])
    assert reference.as_number(several) is several


def test_the_largest_magnitude_is_a_constant_and_never_zero():
    z = torch.tensor([[1.0, -3.0], [0.0, 0.0]], requires_grad=True)
    largest = reference.largest_magnitude(z, (1,))
    assert largest.tolist() == [[3.0], [1.0]]
    assert not largest.requires_grad
