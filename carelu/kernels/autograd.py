"""CAReLU and its gradients in plain PyTorch: runs everywhere, and needs neither a compiler nor a GPU."""

import math

import torch
from torch import Tensor

from carelu.kernels.function import Settings
from carelu.reference import competition_scale, largest_magnitude, widen

NAME = "autograd"


def refusal(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> str | None:
    """Never: this kernel takes whatever the reference takes."""
    return None


def _measure(z: Tensor, settings: Settings) -> Tensor:
    dims = settings.dims
    if settings.competition == "count":
        competitors = max(math.prod([z.shape[dim] for dim in dims]), 1)
        share = (z > 0).sum(dims, keepdim=True, dtype=z.dtype) / competitors
        return torch.stack([share, torch.full_like(share, competitors), torch.ones_like(share)])
    unit = largest_magnitude(z, dims)
    z = z / unit
    if settings.competition == "energy":
        norm = z.square().sum(dims, keepdim=True) + settings.eps / unit.square()
        positive = z.clamp_(min=0).square_().sum(dims, keepdim=True)
    else:
        norm = z.abs().sum(dims, keepdim=True) + settings.eps / unit
        positive = z.clamp_(min=0).sum(dims, keepdim=True)
    return torch.stack([positive / norm, norm, unit])


def forward(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """See `carelu.kernels.function.Kernel`."""
    wide = widen(z)
    statistics = _measure(wide, settings)
    scale = competition_scale(statistics[0], alpha, beta, settings.gain)
    return (wide * scale).relu_().to(z.dtype), statistics


def backward(
    grad: Tensor,
    z: Tensor,
    alpha: Tensor,
    beta: Tensor,
    statistics: Tensor,
    settings: Settings,
    needs_grad_z: bool,
) -> tuple[Tensor | None, Tensor, Tensor]:
    """See `carelu.kernels.function.Kernel`."""
    wide, grad = widen(z), widen(grad)
    share, norm, unit = statistics
    tanh = torch.tanh(alpha * share + beta)
    scale = settings.gain * tanh
    passed = torch.ops.aten.threshold_backward(grad, wide * scale, 0)
    grad_u = settings.gain * (1 - tanh.square()) * (passed * wide).sum(settings.dims, keepdim=True)
    grad_alpha, grad_beta = (share * grad_u).sum(), grad_u.sum()
    grad_alpha, grad_beta = grad_alpha.to(alpha.dtype), grad_beta.to(beta.dtype)
    if not needs_grad_z:
        return None, grad_alpha, grad_beta
    grad_z = passed.mul_(scale)
    factor = alpha * grad_u / norm / unit
    if settings.competition == "energy":
        relative = wide / unit
        grad_z.addcmul_(2 * factor, torch.relu(relative)).addcmul_(-2 * factor * share, relative)
    elif settings.competition == "l1":
        grad_z.addcmul_(factor, (wide > 0).to(wide.dtype)).addcmul_(-factor * share, wide.sign())
    return grad_z.to(z.dtype), grad_alpha, grad_beta
