"""Rows that lie side by side, against the reference in float64."""

import math

import pytest
import torch
from torch import Tensor

from carelu.functional import SHARES, carelu, reference
from carelu.kernels import panels
from carelu.kernels.build import library
from carelu.kernels.layout import side_by_side_rows_of
from tests.carelu.kernels.test_parity import (
    ALPHA,
    BETA,
    TOLERANCES,
    assert_equals_reference,
    random,
    values_and_gradients,
)

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}

every_competition = pytest.mark.parametrize("competition", sorted(SHARES))
every_dtype = pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
side_by_side = pytest.mark.parametrize(("over", "layout"), [("channel", "channels_last"), ("feature", "contiguous")])


@pytest.fixture(autouse=True)
def computed_by_the_loops(monkeypatch):
    """Refuses every other kernel."""
    if library() is None:
        pytest.skip("no C++ compiler")
    monkeypatch.setenv("CARELU_KERNEL", "cpp")


def images(*shape: int, layout: str = "contiguous", dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return random(*shape, dtype=dtype, seed=seed).to(memory_format=LAYOUTS[layout])


# One value a row; few rows side by side (folded); widths that are no multiple of a vector; several panels of a group;
# more than 1,024 rows; rows of more steps than a tile; rows that leave a part of a step.
SHAPES = [(2, 3, 1, 2), (2, 2, 3, 5), (3, 3, 37, 11), (2, 70, 9, 7), (1, 5, 33, 65), (2, 1100, 2, 3), (1, 2, 300, 7)]


@every_competition
@every_dtype
@side_by_side
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rows_side_by_side_equal_the_reference(competition, dtype, over, layout, shape):
    z = images(*shape, layout=layout, dtype=dtype)

    assert side_by_side_rows_of(z, (1,) if over == "feature" else (2, 3)).inner > 1
    assert_equals_reference(z, competition=competition, over=over)


# Rows that follow one another: shorter than a strip of 16 values, one or more strips, strips and a rest, the longest
# that are short; most in several panels.
@every_competition
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("rows", "length"), [(1100, 4), (1100, 16), (300, 31), (300, 49), (300, 64), (70, 512), (3, 513)]
)
def test_short_rows_one_after_another_equal_the_reference(competition, dtype, rows, length):
    assert_equals_reference(random(rows, length, dtype=dtype), competition=competition)


@pytest.mark.parametrize("length", [16, 600])
def test_every_kind_of_nan_in_a_parameter_reaches_a_bfloat16_result(length):
    """Rounding would carry the lowest bits of this one into the sign and make it a zero."""
    alpha = torch.tensor([-1], dtype=torch.int32).view(torch.float32)
    z = random(8, length, dtype=torch.bfloat16).requires_grad_()

    output = carelu(z, alpha, torch.tensor([BETA]))

    assert output.isnan().all()
    assert torch.autograd.grad(output.sum(), z)[0].isnan().all()


@pytest.mark.parametrize("over", [(0,), (0, 1), (1, 2), (2,)], ids=str)
def test_rows_over_other_dimensions_equal_the_reference(over):
    assert_equals_reference(random(5, 6, 7, 8, dtype=torch.float32), over=over)


def test_long_rows_side_by_side_lose_no_digits():
    assert_equals_reference(random(2**16 + 5, 3, dtype=torch.float32).abs() + 1, over=(0,))


@every_competition
@side_by_side
def test_scales_of_both_signs_side_by_side(competition, over, layout):
    z = images(2, 6, 5, 5, layout=layout) + torch.linspace(-1, 1, 6).view(1, 6, 1, 1)

    assert_equals_reference(z, alpha=3.0, beta=-1.5, competition=competition, over=over)


@every_competition
@every_dtype
@pytest.mark.parametrize("exponent", [-44, -30, -20, 10, 19, 36])
def test_a_row_of_any_magnitude_leaves_its_neighbours_alone(competition, dtype, exponent):
    z = random(9, 70).mul(10.0 ** (exponent * (torch.arange(70) % 3 == 1))).to(dtype)
    upstream = random(9, 70, seed=1).mul(10.0 ** -max(0, exponent)).to(dtype)

    if z.isfinite().all():  # float16 holds no more than 65504
        assert_equals_reference(z, upstream, competition=competition, eps=1e-30, over=(0,))


@every_competition
@every_dtype
@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0], ids=str)
def test_a_row_that_is_zero_or_not_finite_leaves_its_neighbours_alone(competition, dtype, value):
    z = random(6, 40, dtype=dtype)
    z[:, 7] = value
    upstream = random(6, 40, dtype=dtype, seed=1)
    others = torch.arange(40) != 7

    with_it, without, expected = (
        values_and_gradients(function, given, upstream, dtype, ALPHA, BETA, competition=competition, over=(0,))
        for function, given in ((carelu, z), (carelu, torch.where(others, z, 1)), (reference, z))
    )

    for name in ("output", "z"):
        assert torch.equal(with_it[name][:, others], without[name][:, others]), name
        assert torch.equal(with_it[name].isnan(), expected[name].isnan()), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@side_by_side
def test_result_is_the_same_for_every_number_of_threads(dtype, over, layout, monkeypatch):
    monkeypatch.setattr(panels, "GRAIN", 100)
    z, upstream = images(3, 70, 9, 7, layout=layout, dtype=dtype), images(3, 70, 9, 7, dtype=dtype, seed=1)
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(values_and_gradients(carelu, z, upstream, dtype, ALPHA, BETA, over=over))
    finally:
        torch.set_num_threads(threads)

    for name, value in results[0].items():
        assert all(torch.equal(other[name], value) for other in results[1:]), name


@side_by_side
def test_first_and_second_gradients_agree_with_finite_differences(over, layout):
    z = images(2, 3, 2, 2, layout=layout, dtype=torch.float64)
    inputs = (z + 0.2 * z.sign(), *(torch.tensor(value, dtype=torch.float64) for value in (ALPHA, BETA)))
    inputs = tuple(value.requires_grad_() for value in inputs)

    assert torch.autograd.gradcheck(lambda *given: carelu(*given, over=over), inputs)
    assert torch.autograd.gradgradcheck(lambda *given: carelu(*given, over=over), inputs)


def test_a_thread_has_enough_elements_to_pay_for_itself(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    sizes = [1, panels.GRAIN, 2 * panels.GRAIN, 100 * panels.GRAIN]
    assert [panels.threads(torch.empty(size, device="meta")) for size in sizes] == [1, 1, 2, 4]
