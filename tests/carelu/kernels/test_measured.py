"""A share that is measured on another tensor, by the fused loops against the reference in float64."""

import pytest
import torch
from torch import Tensor

from carelu.functional import SHARES, carelu, reference
from carelu.kernels import panels
from carelu.kernels.build import library
from carelu.kernels.measured import MeasuredCAReLUFunction
from tests.carelu.kernels.test_parity import ALPHA, BETA, TOLERANCES, random

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
SHAPES = [(1, 1, 1, 1), (2, 3, 5, 7), (3, 70, 4, 4), (2, 64, 16, 16), (1, 1100, 2, 3)]

every_competition = pytest.mark.parametrize("competition", sorted(SHARES))
every_over = pytest.mark.parametrize("over", ["sample", "channel", "feature"])


@pytest.fixture(autouse=True)
def built_and_not_forced(monkeypatch):
    if library() is None:
        pytest.skip("no C++ compiler")
    monkeypatch.delenv("CARELU_KERNEL", raising=False)


def results(
    function, dtype: torch.dtype, z: Tensor, measured: Tensor, upstream: Tensor, **options
) -> dict[str, Tensor]:
    """Output and gradients, computed in `dtype`, as float64; a gradient that there is none of is zero."""
    inputs = [each.detach().to(dtype).requires_grad_() for each in (z, measured)]
    inputs += [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (ALPHA, BETA)]
    output = function(inputs[0], *inputs[2:], measured=inputs[1], **options)
    assert (output.dtype, output.stride()) == (dtype, z.stride())
    gradients = torch.autograd.grad(output, inputs, upstream.to(dtype), allow_unused=True, materialize_grads=True)
    named = zip(("output", "z", "measured", "alpha", "beta"), (output, *gradients), strict=True)
    return {name: value.detach().double() for name, value in named}


def is_fused(output: Tensor) -> bool:
    return isinstance(output.grad_fn, MeasuredCAReLUFunction._backward_cls)


@every_competition
@every_over
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_and_dtype_equals_the_reference(competition, over, dtype, layout):
    for shape in SHAPES:
        z, measured, upstream = (
            (random(*shape, seed=seed) + 0.3 * seed).to(dtype).to(memory_format=LAYOUTS[layout]) for seed in range(3)
        )
        assert is_fused(carelu(z.requires_grad_(), ALPHA, BETA, over=over, measured=measured))
        options = {"competition": competition, "over": over}

        ours, rounded, exact = (
            results(function, of, z, measured, upstream, **options)
            for function, of in ((carelu, dtype), (reference, dtype), (reference, torch.float64))
        )

        relative, of_sum = TOLERANCES[dtype]
        terms = (upstream.double() * z.double()).abs().sum()
        for name, value in exact.items():
            scale = terms if value.numel() == 1 else value.abs().mean()  # one value: its gradients cancel
            subnormal = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
            allowed = relative * value.abs() + of_sum * scale + subnormal + 2 * (rounded[name] - value).abs()
            assert ((ours[name] - value).abs() <= allowed).all(), f"{name} of {shape}"


@every_competition
@every_over
@pytest.mark.parametrize("layout", LAYOUTS)
def test_measured_on_the_input_itself_equals_the_function_of_one_tensor(competition, over, layout):
    z = random(2, 5, 6, 7).to(memory_format=LAYOUTS[layout])
    upstream = random(2, 5, 6, 7, seed=1)
    options = {"competition": competition, "over": over}
    twice = results(carelu, z.dtype, z, z, upstream, **options)

    once = results(lambda *given, measured, **options: carelu(*given, **options), z.dtype, z, z, upstream, **options)

    torch.testing.assert_close(twice["output"], once["output"])
    torch.testing.assert_close(twice["z"] + twice["measured"], once["z"])
    torch.testing.assert_close([twice["alpha"], twice["beta"]], [once["alpha"], once["beta"]])


@every_competition
def test_rows_of_any_magnitude_equal_the_reference(competition):
    for magnitude in (0.0, 1e-30, 1e-20, 1e19, 1e36):
        measured = magnitude * random(3, 40).clamp(-3, 3)
        z, upstream = random(3, 40, seed=1), random(3, 40, seed=2) / max(1.0, magnitude)

        ours = results(carelu, torch.float32, z, measured, upstream, competition=competition, eps=1e-30)

        exact = results(reference, torch.float64, z, measured, upstream, competition=competition, eps=1e-30)
        for name, value in exact.items():
            torch.testing.assert_close(ours[name], value, rtol=1e-5, atol=1e-6 * value.abs().max().item() + 1e-45)


@every_competition
@pytest.mark.parametrize("over", ["sample", "feature", (0, 2)], ids=str)
def test_first_and_second_gradients_agree_with_finite_differences(competition, over):
    z, measured = (random(2, 3, 2, 2, seed=seed) for seed in (0, 1))
    inputs = [each + 0.2 * each.sign() for each in (z, measured)]
    inputs += [torch.tensor(value, dtype=torch.float64) for value in (ALPHA, BETA)]
    inputs = [each.requires_grad_() for each in inputs]

    def function(z: Tensor, measured: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        return carelu(z, alpha, beta, competition=competition, over=over, measured=measured)

    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("length", [5, 600])
@pytest.mark.parametrize("needed", ["z", "measured", "alpha", "beta"])
def test_only_the_asked_gradient_is_given(needed, length):
    values = {"z": random(3, length), "measured": random(3, length, seed=1)}
    values |= {"alpha": torch.tensor(ALPHA).double(), "beta": torch.tensor(BETA).double()}
    gradients = []
    for function in (carelu, reference):
        inputs = {name: value.clone().requires_grad_(name == needed) for name, value in values.items()}
        function(**inputs).square().sum().backward()
        assert [name for name, value in inputs.items() if value.grad is not None] == [needed]
        gradients.append(inputs[needed].grad)

    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("competition", ["energy", "count"])
def test_saved_tensors_may_come_back_in_another_layout(competition):
    z, measured = (random(3, 4, 5, 6, seed=seed).to(memory_format=torch.channels_last) for seed in (0, 1))
    found = []
    for unpack in (lambda tensor: tensor, lambda tensor: tensor if tensor is z else tensor.contiguous()):
        inputs = [each.clone().requires_grad_() for each in (z, measured)]
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, unpack):
            output = carelu(inputs[0], ALPHA, BETA, measured=inputs[1], over=(0, 1), competition=competition)
        output.backward(z)
        found.append([inputs[0].grad, inputs[1].grad])

    torch.testing.assert_close(*found)


@every_over
def test_result_is_the_same_for_every_number_of_threads(over, monkeypatch):
    monkeypatch.setattr(panels, "GRAIN", 100)
    z, measured, upstream = (random(3, 70, 9, 7, seed=seed) for seed in range(3))
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(results(carelu, torch.float32, z, measured, upstream, over=over))
    finally:
        torch.set_num_threads(threads)

    for name, value in found[0].items():
        assert all(torch.equal(other[name], value) for other in found[1:]), name


@pytest.mark.parametrize(
    "change",
    [
        lambda z: z.transpose(1, 2).contiguous().transpose(1, 2),
        lambda z: z.double(),
        lambda z: z[:, :1],
        lambda z: z[:, :1].expand_as(z),
    ],
    ids=["layout", "dtype", "shape", "expanded"],
)
def test_what_the_loops_do_not_support_goes_by_the_reference(change, monkeypatch):
    z = random(3, 4, 5, dtype=torch.float32).requires_grad_()
    measured = change(random(3, 4, 5, dtype=torch.float32, seed=1))

    output = carelu(z, ALPHA, BETA, measured=measured, over=(1, 2))

    assert not is_fused(output)
    assert torch.equal(output, reference(z, ALPHA, BETA, measured=measured, over=(1, 2)))
    monkeypatch.setenv("CARELU_KERNEL", "cpp")
    with pytest.raises(ValueError, match=r"CARELU_KERNEL=cpp is not possible here: the share is measured"):
        carelu(z, ALPHA, BETA, measured=measured, over=(1, 2))


@pytest.mark.parametrize("kernel", ["eager", "torch_ops"])
def test_other_kernels_leave_it_to_the_reference(kernel, monkeypatch):
    z, measured = random(3, 4).requires_grad_(), random(3, 4, seed=1)
    monkeypatch.setenv("CARELU_KERNEL", kernel)

    assert not is_fused(carelu(z, ALPHA, BETA, measured=measured))


def test_triton_does_not_have_it(monkeypatch):
    monkeypatch.setenv("CARELU_KERNEL", "triton")
    with pytest.raises(ValueError, match="CARELU_KERNEL=triton is not possible here: the share is measured"):
        carelu(random(3, 4), ALPHA, BETA, measured=random(3, 4, seed=1))


@pytest.mark.slow
def test_compiled_function_goes_by_the_reference():
    z, measured = random(2, 3, 5), random(2, 3, 5, seed=1)
    compiled = torch.compile(lambda z, m: carelu(z, ALPHA, BETA, measured=m), fullgraph=True, backend="aot_eager")

    torch.testing.assert_close(compiled(z, measured), carelu(z, ALPHA, BETA, measured=measured))


def test_transforms_and_forward_mode_go_by_the_reference():
    z, measured = random(2, 3, 5), random(2, 3, 5, seed=1)

    def function(z: Tensor, measured: Tensor) -> Tensor:
        return carelu(z, ALPHA, BETA, measured=measured)

    expected = torch.stack([function(*each) for each in zip(z, measured, strict=True)])
    torch.testing.assert_close(torch.func.vmap(function)(z, measured), expected)
    _, ours = torch.func.jvp(lambda measured: function(z, measured), (measured,), (z,))
    _, theirs = torch.func.jvp(lambda measured: reference(z, ALPHA, BETA, measured=measured), (measured,), (z,))
    torch.testing.assert_close(ours, theirs)
