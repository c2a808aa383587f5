"""CAReLU whose share is measured on another tensor, as one autograd Function around the fused loops.

Only the loops of carelu.cpp have it; elsewhere the reference composes it of operations of PyTorch.
"""

import torch
from torch import Tensor

from carelu import reference
from carelu.kernels import cpp, panels
from carelu.kernels.autograd_function import Saved, Settings
from carelu.kernels.layout import same_layout


def unsupported_reason(z: Tensor, measured: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> str | None:
    """Why the loops do not support these, or None if they do."""
    kinds = [(tensor.shape, tensor.dtype, tensor.device) for tensor in (z, measured)]
    if kinds[0] != kinds[1] or not same_layout(measured, z):
        return "the share is measured on a tensor of another shape, dtype, device or memory format"
    return cpp.unsupported_reason(z, alpha, beta, settings)


class MeasuredCAReLUFunction(torch.autograd.Function):
    """CAReLU of z with the share of `measured`; saves both and three numbers per row."""

    @staticmethod
    def forward(ctx, z: Tensor, measured: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> Tensor:
        output, statistics = panels.forward(z, alpha, beta, settings, measured)
        ctx.save_for_backward(z, measured, alpha, beta, statistics)
        ctx.settings, ctx.kernel = settings, cpp
        return output

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        z, measured, alpha, beta, statistics = ctx.saved_tensors
        needs_z, needs_measured, *_ = ctx.needs_input_grad
        settings: Settings = ctx.settings
        # Hooks on saved tensors may return them in another layout.
        if torch.is_grad_enabled() or unsupported_reason(z, measured, alpha, beta, settings):
            return *_gradients_of_reference(grad, (z, measured, alpha, beta), settings, ctx.needs_input_grad), None
        needs_measured = needs_measured and settings.competition != "count"  # whose share has no gradient
        saved = Saved(z, alpha, beta, statistics)
        return *panels.backward(grad, saved, measured, settings, needs_z, needs_measured), None


def _gradients_of_reference(
    grad: Tensor, inputs: tuple[Tensor, ...], settings: Settings, needed: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """The gradients of z, `measured`, α and β as far as needed, themselves differentiable if gradients are enabled."""
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        if not create_graph:
            inputs = tuple(each.detach().requires_grad_(need) for each, need in zip(inputs, needed, strict=False))
        z, measured, alpha, beta = inputs
        competition, dims, gain, eps = settings
        output = reference.carelu(
            z, alpha, beta, competition=competition, gain=gain, over=dims, eps=eps, measured=measured
        )
        wanted = [tensor for tensor, need in zip(inputs, needed, strict=False) if need]
        found = iter(torch.autograd.grad(output, wanted, grad, create_graph=create_graph, allow_unused=True))
    return tuple(next(found) if need else None for need in needed[:4])
