"""CAReLU as operators of torch: one node each in the graphs of torch.compile, with shapes known without computing.

Eager code uses `CAReLUFunction` instead, which costs tens of microseconds less per call.
"""

from typing import Sequence  # noqa: UP035 (torch 2.6 reads no other into the schema of an operator)

import torch
from torch import Tensor

from carelu.kernels.autograd_function import Saved, Settings, gradients_of_reference
from carelu.kernels.dispatch import choose


@torch.library.custom_op("carelu::carelu", mutates_args=())
def carelu(
    z: Tensor, alpha: Tensor, beta: Tensor, competition: str, dims: Sequence[int], gain: float, eps: float
) -> tuple[Tensor, Tensor]:
    """The output and the statistics of a kernel, see `carelu.kernels.autograd_function.Kernel`."""
    settings = Settings(competition, tuple(dims), gain, eps)
    return choose(z, alpha, beta, settings).forward(z, alpha, beta, settings)


@carelu.register_fake
def _(z, alpha, beta, competition, dims, gain, eps):
    shape = [3, *(1 if dim in dims else size for dim, size in enumerate(z.shape))]
    return torch.empty_like(z), z.new_empty(shape, dtype=torch.float64 if z.dtype == torch.float64 else torch.float32)


@torch.library.custom_op("carelu::carelu_backward", mutates_args=())
def carelu_backward(
    grad: Tensor,
    z: Tensor,
    alpha: Tensor,
    beta: Tensor,
    statistics: Tensor,
    competition: str,
    dims: Sequence[int],
    gain: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of z, α and β."""
    settings = Settings(competition, tuple(dims), gain, eps)
    kernel = choose(z, alpha, beta, settings)
    grad_z, grad_alpha, grad_beta = kernel.backward(
        grad, Saved(z, alpha, beta, statistics), settings, needs_grad_z=True
    )
    assert grad_z is not None
    return grad_z, grad_alpha, grad_beta


@carelu_backward.register_fake
def _(grad, z, alpha, beta, statistics, competition, dims, gain, eps):
    return torch.empty_like(z), torch.empty_like(alpha), torch.empty_like(beta)


def _setup_context(ctx, inputs, output):
    z, alpha, beta, competition, dims, gain, eps = inputs
    ctx.save_for_backward(z, alpha, beta, output[1])
    ctx.settings = Settings(competition, tuple(dims), gain, eps)


def _backward(ctx, grad, grad_statistics):
    z, alpha, beta, statistics = ctx.saved_tensors
    if torch.is_grad_enabled():
        named = {"z": z, "alpha": alpha, "beta": beta}
        gradients = gradients_of_reference(grad, named, ctx.settings, ctx.needs_input_grad)
    else:
        gradients = carelu_backward(grad, z, alpha, beta, statistics, *ctx.settings)
    return *gradients, None, None, None, None


carelu.register_autograd(_backward, setup_context=_setup_context)
