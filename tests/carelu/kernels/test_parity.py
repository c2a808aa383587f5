"""Each kernel against the reference in float64."""

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from carelu import functional, kernels
from carelu.functional import SHARES, carelu, reference
from carelu.kernels.autograd_function import CAReLUFunction
from carelu.kernels.build import library
from carelu.kernels.dispatch import KERNELS

COMPETITIONS = sorted(SHARES)
ALPHA, BETA = 0.7, 0.3

# What remains after rounding the result to its dtype once: relative to the value, and to the largest value.
TOLERANCES = {
    torch.float64: (1e-13, 1e-13),
    torch.float32: (2e-6, 2e-6),
    torch.bfloat16: (2**-8, 2e-6),
    torch.float16: (2**-11, 2e-6),
}
every_competition = pytest.mark.parametrize("competition", COMPETITIONS)
every_dtype = pytest.mark.parametrize("dtype", TOLERANCES, ids=str)


@pytest.fixture(params=["torch_ops", "cpp"])
def kernel(request, monkeypatch):
    """Computes with one kernel, where it is possible and else as everywhere."""
    if request.param == "cpp" and library() is None:
        pytest.skip("no C++ compiler")
    monkeypatch.setenv("CARELU_KERNEL", "torch_ops" if request.param == "torch_ops" else "")
    return request.param


def random(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def values_and_gradients(
    function, z: Tensor, upstream: Tensor, dtype: torch.dtype, alpha: float, beta: float, **options
):
    """Output and gradients of z, α and β, computed in `dtype`, as float64."""
    z = z.detach().to(dtype).requires_grad_()
    parameters = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (alpha, beta)]
    output = function(z, *parameters, **options)
    assert (output.dtype, output.shape) == (z.dtype, z.shape)
    output.backward(upstream.to(dtype))
    return {
        "output": output.detach().double(),
        "z": z.grad.double(),
        "alpha": parameters[0].grad,
        "beta": parameters[1].grad,
    }


def assert_equals_reference(
    z: Tensor, upstream: Tensor | None = None, alpha: float = ALPHA, beta: float = BETA, **options
) -> None:
    """Holds output and gradients to the reference in float64.

    Allowed besides one rounding to the dtype: twice the error of the reference in that dtype, which matters where its
    own intermediate results leave the range of float32.
    """
    upstream = random(*z.shape, dtype=z.dtype, seed=1) if upstream is None else upstream
    ours = values_and_gradients(carelu, z, upstream, z.dtype, alpha, beta, **options)
    rounded = values_and_gradients(reference, z, upstream, z.dtype, alpha, beta, **options)
    exact = values_and_gradients(reference, z, upstream, torch.float64, alpha, beta, **options)
    relative, of_sum = TOLERANCES[z.dtype]
    terms = (upstream.double() * z.double()).abs()
    for name, value in exact.items():
        terms_of_value = terms.sum() if name in ("alpha", "beta") else value.abs().sum() / max(value.numel(), 1)
        subnormal = torch.finfo(z.dtype).smallest_normal * torch.finfo(z.dtype).eps
        allowed = relative * value.abs() + of_sum * terms_of_value + subnormal + 2 * (rounded[name] - value).abs()
        error = (ours[name] - value).abs()
        assert (error <= allowed).all(), f"{name}: error {error.max()} at {value.flatten()[error.argmax()]}"


SHAPES = [(1, 1), (2, 1, 13, 1), (3, 5, 7, 11), (2, 3), (4, 1025), (2, 64, 16, 16), (1, 2, 3, 4, 5), (7, 31)]


@every_competition
@every_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_kernel_equals_reference_in_float64(kernel, competition, dtype, shape):
    assert_equals_reference(random(*shape, dtype=dtype), competition=competition)


@every_competition
@every_dtype
@pytest.mark.parametrize("over", ["sample", "channel", "feature", (0, 2), (0, 1, 2, 3)], ids=str)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_kernel_equals_reference_over_all_dimensions_in_both_layouts(kernel, competition, dtype, over, memory_format):
    z = random(3, 5, 7, 4, dtype=dtype).to(memory_format=memory_format)

    assert_equals_reference(z, competition=competition, over=over)


@every_competition
def test_negative_scale(kernel, competition):
    assert_equals_reference(random(5, 33, dtype=torch.float32), alpha=-0.9, beta=-0.1, competition=competition)


@every_competition
def test_scales_of_both_signs_in_one_batch(kernel, competition):
    z = random(6, 101, dtype=torch.float32) + torch.linspace(-1, 1, 6)[:, None]

    assert_equals_reference(z, alpha=3.0, beta=-1.5, competition=competition)


@every_competition
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_scale_of_zero_passes_nothing_in_either_direction(kernel, competition, dtype):
    z = random(3, 33, dtype=dtype)
    results = values_and_gradients(
        carelu, z, random(3, 33, dtype=dtype, seed=1), dtype, 0.0, 0.0, competition=competition
    )

    for name, value in results.items():
        assert torch.equal(value, torch.zeros_like(value)), name


def test_a_row_whose_scale_is_zero_leaves_the_rows_of_positive_scale_alone(kernel):
    z = random(4, 8, dtype=torch.float32).abs() + 0.1
    z[1, ::2] *= -1  # a count share of exactly ½, so 2 · ½ − 1 = 0

    assert_equals_reference(z, alpha=2.0, beta=-1.0, competition="count")


@every_competition
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("alpha", [ALPHA, -0.9])
def test_values_that_are_exactly_zero(kernel, competition, dtype, alpha):
    z = random(4, 97, dtype=dtype)
    z[:, ::3] = 0
    z[2] = 0

    assert_equals_reference(z, alpha=alpha, competition=competition)
    assert_equals_reference(z, alpha=alpha, beta=-0.8, competition=competition)


@every_competition
def test_a_large_eps_is_that_of_the_reference_at_every_magnitude(kernel, competition):
    for magnitude in (1e-14, 1e-3, 1.0, 1e9, 1e20):
        z = magnitude * random(3, 33, dtype=torch.float32)
        upstream = random(3, 33, dtype=torch.float32, seed=1) / max(1.0, magnitude)
        norm = magnitude if competition == "l1" else min(magnitude**2, 1e30)
        assert_equals_reference(z, upstream, competition=competition, eps=10 * norm)


@every_competition
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_the_share_of_positive_values_alone_never_exceeds_one(kernel, competition, dtype, monkeypatch):
    measured = []
    for name in ("cpp", "torch_ops"):
        module = KERNELS[name]
        usual = module.forward
        monkeypatch.setattr(
            module, "forward", lambda *given, usual=usual: measured.append(usual(*given)) or measured[-1]
        )
    for length in (1, 3, 31, 33, 97, 1025, 3001):
        for magnitude in (1e-3, 1.0, 1e3):
            z = (magnitude * random(20, length, seed=length)).abs().to(dtype)
            carelu(z, ALPHA, BETA, competition=competition, eps=1e-30)

    assert len(measured) == 21
    assert all((statistics[0] <= 1).all() for _, statistics in measured)


def test_long_rows_lose_no_digits(kernel):
    assert_equals_reference(random(2, 2**18 + 5, dtype=torch.float32).abs() + 1)


def test_result_is_the_same_for_every_number_of_threads(kernel):
    z = random(64, 4099, dtype=torch.float32)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(values_and_gradients(carelu, z, z, z.dtype, ALPHA, BETA))
    finally:
        torch.set_num_threads(threads)

    for name, value in results[0].items():
        for other in results[1:]:
            assert torch.equal(other[name], value), name


# Memory formats

LAYOUTS = {
    "transposed": lambda z: z.transpose(1, 3),
    "batch last": lambda z: z.permute(1, 2, 3, 0),
    "every other": lambda z: z[:, ::2],
    "expanded": lambda z: z[:1].expand(3, -1, -1, -1),
    "expanded within": lambda z: z[:, :1].expand(-1, 4, -1, -1),
    "channels_last": lambda z: z.to(memory_format=torch.channels_last),
    "channels_last slice": lambda z: z.to(memory_format=torch.channels_last)[1:],
    "channels_last_3d": lambda z: z[:, :, None].expand(-1, -1, 2, -1, -1).to(memory_format=torch.channels_last_3d),
    "one dimension": lambda z: z[0, 0, 0],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_output_has_the_memory_layout_of_the_reference(kernel, layout):
    z = LAYOUTS[layout](random(3, 4, 5, 6, dtype=torch.float32))
    over = (0,) if z.ndim == 1 else "sample"

    assert carelu(z, ALPHA, BETA, over=over).stride() == reference(z, ALPHA, BETA, over=over).stride()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_input_of_any_layout_gives_the_result_of_the_reference(kernel, layout):
    z = LAYOUTS[layout](random(3, 4, 5, 6, dtype=torch.float32))

    assert_equals_reference(z, over=(0,) if z.ndim == 1 else "sample")


@pytest.mark.parametrize("layout", ["transposed", "every other", "expanded"])
def test_gradient_of_any_layout_gives_the_result_of_the_reference(kernel, layout):
    upstream = LAYOUTS[layout](random(3, 4, 5, 6, dtype=torch.float32))

    assert_equals_reference(random(*upstream.shape, seed=2, dtype=torch.float32), upstream)


# Extreme values


@every_competition
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("exponent", [-44, -39, -30, -20, -10, 10, 19, 25, 36])
def test_kernel_equals_reference_at_every_magnitude(kernel, competition, dtype, exponent):
    z = (random(4, 37) * 10.0**exponent).to(dtype)
    # Small enough for the sum of gradient times z to be finite in float32.
    upstream = (random(4, 37, seed=1) * min(1.0, 10.0 ** (34 - exponent))).to(dtype)

    assert_equals_reference(z, upstream, competition=competition, eps=1e-30)


@every_competition
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_largest_values_of_the_dtype(kernel, competition, dtype):
    z = (random(4, 37).sign() * torch.finfo(dtype).max).to(dtype)
    upstream = (random(4, 37, seed=1) * 1e-4).to(dtype)

    assert_equals_reference(z, upstream, competition=competition)


@every_competition
@every_dtype
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_values_that_are_not_finite_spread_as_in_the_reference(kernel, competition, dtype, value):
    z = random(3, 40, dtype=dtype)
    z[1, 7] = value
    upstream = random(3, 40, dtype=dtype, seed=1)

    ours = values_and_gradients(carelu, z, upstream, dtype, ALPHA, BETA, competition=competition)
    expected = values_and_gradients(reference, z, upstream, dtype, ALPHA, BETA, competition=competition)

    for name in expected:
        assert torch.equal(ours[name].isnan(), expected[name].isnan()), name
        assert torch.equal(ours[name].isinf(), expected[name].isinf()), name


def test_gradient_that_is_not_finite_stays_where_its_element_is_blocked(kernel):
    z = random(2, 40, dtype=torch.float32)
    upstream = torch.where(z > 0, 1.0, math.inf)

    assert_equals_reference(z, upstream)


def test_values_whose_square_overflows_float16(kernel):
    assert_equals_reference(3e4 * random(2, 40, dtype=torch.float16).tanh(), 1e-3 * random(2, 40, dtype=torch.float16))


# What asks for gradients


@pytest.mark.parametrize("needed", ["z", "alpha", "beta"])
def test_only_the_asked_gradient_is_given(kernel, needed):
    values = {"z": random(3, 5), "alpha": torch.tensor(ALPHA).double(), "beta": torch.tensor(BETA).double()}
    results = []
    for function in (carelu, reference):
        inputs = {name: value.clone().requires_grad_(name == needed) for name, value in values.items()}
        function(**inputs).square().sum().backward()
        assert [name for name, value in inputs.items() if value.grad is not None] == [needed]
        results.append(inputs[needed].grad)

    torch.testing.assert_close(results[0], results[1])


def test_parameters_may_be_numbers(kernel):
    z = random(3, 5, dtype=torch.float32)

    torch.testing.assert_close(carelu(z, ALPHA, BETA), carelu(z, torch.tensor(ALPHA), torch.tensor(BETA)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_gradient_of_a_parameter_has_its_dtype(kernel, dtype):
    alpha = torch.tensor(ALPHA, dtype=dtype, requires_grad=True)
    beta = torch.tensor(BETA, dtype=dtype, requires_grad=True)

    carelu(random(3, 5, dtype=torch.float32), alpha, beta).sum().backward()

    assert (alpha.grad.dtype, beta.grad.dtype) == (dtype, dtype)


@pytest.mark.parametrize("shape", [(1,), (1, 1)], ids=str)
def test_a_parameter_of_one_element_may_have_any_shape(kernel, shape):
    z = random(3, 5, dtype=torch.float32)
    outputs, gradients = [], []
    for size in (shape, ()):
        alpha, beta = (torch.full(size, value, requires_grad=True) for value in (ALPHA, BETA))
        outputs.append(carelu(z, alpha, beta))
        assert isinstance(outputs[-1].grad_fn, CAReLUFunction._backward_cls)
        gradients.append(torch.autograd.grad(outputs[-1].sum(), (alpha, beta)))

    assert torch.equal(*outputs)
    for ours, expected in zip(*gradients, strict=True):
        assert torch.equal(ours, expected.view(shape))


@every_competition
@pytest.mark.parametrize("over", ["sample", "feature", (0, 2)], ids=str)
def test_first_and_second_gradients_agree_with_finite_differences(kernel, competition, over):
    z = random(2, 3, 2, 2)
    inputs = (z + 0.2 * z.sign(), torch.tensor(ALPHA), torch.tensor(BETA))
    inputs = tuple(value.double().requires_grad_() for value in inputs)

    def function(*inputs: Tensor) -> Tensor:
        return carelu(*inputs, competition=competition, over=over)

    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


def test_backward_keeps_no_more_than_the_input_and_a_few_numbers_a_row(kernel):
    kept: list[Tensor] = []
    z = random(4, 100, dtype=torch.float32).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        carelu(z, torch.tensor(ALPHA), torch.tensor(BETA))

    assert sum(tensor.numel() for tensor in kept) <= z.numel() + 3 * 4 + 2
    assert any(tensor.data_ptr() == z.data_ptr() for tensor in kept)


def test_saved_tensors_may_come_back_in_another_layout(kernel):
    z = random(3, 4, 5, 6, dtype=torch.float32).to(memory_format=torch.channels_last)
    results = []
    for unpack in (lambda tensor: tensor, lambda tensor: tensor.contiguous()):
        leaf = z.clone().requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, unpack):
            output = carelu(leaf, ALPHA, BETA, over="feature")
        output.backward(z)
        results.append(leaf.grad)

    torch.testing.assert_close(results[0], results[1])


# What follows the computation


def test_vmap_and_forward_mode_go_by_the_reference(kernel):
    batch, tangent = random(2, 3, 5), random(2, 3, 5, seed=1)

    def function(z: Tensor) -> Tensor:
        return carelu(z, ALPHA, BETA)

    torch.testing.assert_close(torch.func.vmap(function)(batch), torch.stack([function(z) for z in batch]))
    _, ours = torch.func.jvp(function, (batch,), (tangent,))
    _, expected = torch.func.jvp(lambda z: reference(z, ALPHA, BETA), (batch,), (tangent,))
    torch.testing.assert_close(ours, expected)


def test_autocast_leaves_the_result_in_the_dtype_of_the_input(kernel):
    z = random(3, 40, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = carelu(z, ALPHA, BETA)

    assert torch.equal(output, carelu(z, ALPHA, BETA))


def test_parameters_on_another_device_are_refused_as_by_the_reference(kernel):
    z, alpha = random(3, 5), torch.tensor(ALPHA, device="meta")
    messages = []
    for function in (carelu, reference):
        with pytest.raises(Exception) as caught:
            function(z, alpha, BETA)
        messages.append((caught.type, str(caught.value)))

    assert messages[0] == messages[1]


def test_parameters_that_are_no_scalars_go_by_the_reference(kernel):
    z, alpha = random(3, 4, 5), random(4, 1, seed=1)

    assert torch.equal(carelu(z, alpha, BETA, over=(2,)), reference(z, alpha, BETA, over=(2,)))


def test_shape_on_the_meta_device(kernel):
    z = torch.empty(3, 4, 5, 6, device="meta").to(memory_format=torch.channels_last)

    output = carelu(z, ALPHA, BETA)

    assert (output.shape, output.stride(), output.device.type) == (z.shape, z.stride(), "meta")


def test_kernels_and_function_share_their_names():
    assert functional.kernels is kernels
