"""CAReLU as one autograd Function around the kernel that computes it, with second gradients by the reference."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor

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
        if needs_reference(grad):
            named = {"z": saved.z, "alpha": saved.alpha, "beta": saved.beta}
            gradients = gradients_of_reference(grad, named, ctx.settings, ctx.needs_input_grad)
        else:
            gradients = ctx.kernel.backward(grad, saved, ctx.settings, needs_grad_z=ctx.needs_input_grad[0])
        return *gradients, None, None


def needs_reference(grad: Tensor) -> bool:
    """Whether no kernel gives the gradients: they are differentiated again, or `grad` is a batch (`vectorize=True`)."""
    return torch.is_grad_enabled() or is_legacy_batchedtensor(grad)


def gradients_of_reference(
    grad: Tensor, inputs: Mapping[str, Tensor], settings: Settings, needed: Sequence[bool]
) -> tuple[Tensor | None, ...]:
    """The gradients of `inputs` as far as needed, themselves differentiable if gradients are enabled.

    Args:
        grad: that of the output.
        inputs: `z`, `alpha`, `beta` and, if the share is measured on another tensor, `measured`, in the order of
            `needed`.
        settings: those of the CAReLU.
        needed: whether each gradient is needed; may go on for further inputs.
    """
    create_graph = torch.is_grad_enabled()
    needs = dict(zip(inputs, needed, strict=False))
    with torch.enable_grad():
        if not create_graph:
            inputs = {name: each.detach().requires_grad_(needs[name]) for name, each in inputs.items()}
        competition, dims, gain, eps = settings
        output = reference.carelu(**inputs, competition=competition, gain=gain, over=dims, eps=eps)
        wanted = [each for name, each in inputs.items() if needs[name]]
        found = iter(torch.autograd.grad(output, wanted, grad, create_graph=create_graph, allow_unused=True))
    return tuple(next(found) if need else None for need in needs.values())
