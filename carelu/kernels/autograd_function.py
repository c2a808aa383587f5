"""CAReLU as one autograd Function around the kernel that computes it, with second gradients by the reference."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from carelu import reference

COMPETITIONS = {"energy": 0, "l1": 1, "count": 2}
"""Competition → its code in arithmetic.h and in triton_loops."""


class Settings(NamedTuple):
    """The settings of one CAReLU.

    Args:
        competition: "energy", "l1" or "count".
        dims: the dimensions that compete, none negative.
        gain: K.
        eps: ε of the share.
    """

    competition: str
    dims: tuple[int, ...]
    gain: float
    eps: float


class Saved(NamedTuple):
    """What forward saves for backward: no mask and no scaled copy.

    Args:
        z: the pre-activations.
        alpha, beta: the parameters of the scale.
        statistics: three numbers per row of competing values, see `Kernel`.
    """

    z: Tensor
    alpha: Tensor
    beta: Tensor
    statistics: Tensor


class Kernel(Protocol):
    """An implementation of CAReLU and its gradients; each is a module of this package.

    All save the same for backward, so that the backward of one works after the forward of another: `statistics`, in
    float32 (float64 for a float64 input), of shape 3 × that of the share: the share p, a norm and a unit, with
    ‖z‖² + ε = norm · unit² for the energy competition, ‖z‖₁ + ε = norm · unit for the L1 one. The unit keeps the
    norm in range; the count competition uses neither.
    """

    NAME: str

    def unsupported_reason(self, z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> str | None:
        """Why this kernel does not support `z`, or None if it does."""
        ...

    def forward(self, z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
        """The output, of the shape, dtype and memory format of `z`, and the statistics."""
        ...

    def backward(
        self, grad: Tensor, saved: Saved, settings: Settings, needs_grad_z: bool
    ) -> tuple[Tensor | None, Tensor, Tensor]:
        """The gradients of z (None if not needed), α and β."""
        ...


class CAReLUFunction(torch.autograd.Function):
    """CAReLU for autograd: saves what `Saved` lists."""

    @staticmethod
    def forward(ctx, z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings, kernel: Kernel) -> Tensor:
        output, statistics = kernel.forward(z, alpha, beta, settings)
        ctx.save_for_backward(z, alpha, beta, statistics)
        ctx.settings, ctx.kernel = settings, kernel
        return output

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        saved = Saved(*ctx.saved_tensors)
        if torch.is_grad_enabled():
            gradients = differentiable_gradients(grad, saved[:3], ctx.settings, ctx.needs_input_grad)
        else:
            gradients = ctx.kernel.backward(grad, saved, ctx.settings, needs_grad_z=ctx.needs_input_grad[0])
        return *gradients, None, None


def differentiable_gradients(
    grad: Tensor, inputs: tuple[Tensor, Tensor, Tensor], settings: Settings, needed: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """The gradients of z, α and β as far as needed, themselves differentiable: those of the reference."""
    competition, dims, gain, eps = settings
    output = reference.carelu(*inputs, competition=competition, gain=gain, over=dims, eps=eps)
    wanted = [tensor for tensor, need in zip(inputs, needed, strict=False) if need]
    gradients = iter(torch.autograd.grad(output, wanted, grad, create_graph=True))
    return tuple(next(gradients) if need else None for need in needed[:3])
