"""CAReLU whose share is measured on another tensor, as one autograd Function around the fused loops.

Only the loops of carelu.cpp have it; elsewhere the reference composes it of operations of PyTorch.
"""

import torch
from torch import Tensor

from carelu.kernels import cpp, panels
from carelu.kernels.autograd_function import Saved, Settings, gradients_of_reference, needs_reference
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
        if needs_reference(grad) or unsupported_reason(z, measured, alpha, beta, settings):
            named = {"z": z, "measured": measured, "alpha": alpha, "beta": beta}
            return *gradients_of_reference(grad, named, settings, ctx.needs_input_grad), None
        needs_measured = needs_measured and settings.competition != "count"  # whose share has no gradient
        saved = Saved(z, alpha, beta, statistics)
        return *panels.backward(grad, saved, measured, settings, needs_z, needs_measured), None
