"""The autograd Function asks a kernel for what is needed and no more, and keeps what `Saved` lists."""

import pytest
import torch

from carelu import CAReLU, reference
from carelu.kernels.autograd_function import CAReLUFunction, Saved, Settings, gradients_of_reference

SETTINGS = Settings("energy", (1,), 1.5, 1e-6)


class Recorder:
    """A kernel whose gradients are marks, and which remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def forward(self, z, alpha, beta, settings):
        return z.clone(), torch.full((3, len(z), 1), 7.0)

    def backward(self, grad, saved, settings, needs_grad_z):
        self.asked.append((saved, settings, needs_grad_z))
        return (grad * 2 if needs_grad_z else None), torch.tensor(3.0), torch.tensor(4.0)


def inputs(needs_grad_z=True):
    z = torch.randn(2, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    alpha, beta = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.7, 0.3))
    return z.requires_grad_(needs_grad_z), alpha, beta


@pytest.mark.parametrize("needs_grad_z", [True, False])
def test_backward_is_that_of_the_kernel_with_what_forward_saved(needs_grad_z):
    kernel, (z, alpha, beta) = Recorder(), inputs(needs_grad_z)
    CAReLUFunction.apply(z, alpha, beta, SETTINGS, kernel).sum().backward()
    ((saved, settings, asked),) = kernel.asked
    assert isinstance(saved, Saved)
    assert torch.equal(saved.z, z)
    assert torch.equal(saved.statistics, torch.full((3, 2, 1), 7.0))
    assert (settings, asked) == (SETTINGS, needs_grad_z)
    assert (alpha.grad.item(), beta.grad.item()) == (3.0, 4.0)
    assert z.grad is None if not needs_grad_z else torch.equal(z.grad, torch.full_like(z, 2.0))


def test_a_gradient_that_is_differentiated_again_is_that_of_the_reference():
    kernel, (z, alpha, beta) = Recorder(), inputs()
    output = CAReLUFunction.apply(z, alpha, beta, SETTINGS, kernel)
    (grad,) = torch.autograd.grad(output.sum(), z, create_graph=True)
    expected = reference.carelu(z, alpha, beta, gain=1.5, over=(1,), eps=1e-6)
    torch.testing.assert_close(grad, torch.autograd.grad(expected.sum(), z)[0])
    assert grad.requires_grad
    assert kernel.asked == []


@pytest.mark.parametrize("needed", [(True, True, True), (False, True, False), (True, False, True)])
def test_gradients_come_in_their_places_with_none_where_none_is_needed(needed):
    tensors, settings = inputs(), Settings("l1", (0,), 1.2, 0.5)
    named = dict(zip(("z", "alpha", "beta"), tensors, strict=True))
    gradients = gradients_of_reference(torch.ones(2, 5, dtype=torch.float64), named, settings, needed)
    assert [gradient is not None for gradient in gradients] == list(needed)
    output = reference.carelu(*tensors, competition="l1", gain=1.2, over=(0,), eps=0.5).sum()
    for gradient, expected in zip(gradients, torch.autograd.grad(output, tensors), strict=True):
        if gradient is not None:
            torch.testing.assert_close(gradient, expected)
            assert gradient.requires_grad


@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("competition", ["energy", "l1", "count"])
def test_a_jacobian_or_hessian_in_one_batch_is_that_of_one_row_at_a_time(competition, pre_norm):
    source = "pre_norm" if pre_norm else "normalised"
    module = CAReLU(competition, alpha=2.0, competition_input=source).double()
    z = torch.randn(2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def output(z):
        return module(z, z.sin()) if pre_norm else module(z)

    for derivative, of in (("jacobian", output), ("hessian", lambda z: output(z).square().sum())):
        function = getattr(torch.autograd.functional, derivative)
        torch.testing.assert_close(function(of, z, vectorize=True), function(of, z))
