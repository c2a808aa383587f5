"""The kernels behind `carelu.functional.carelu`, and which of them computes an input.

`CARELU_KERNEL` forces one: eager (the reference), autograd (plain PyTorch with its own backward) or cpp (fused, on the
CPU). Without it the fastest that is possible is taken.
"""

import os

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from carelu import reference
from carelu.kernels import autograd, cpp
from carelu.kernels.function import CAReLUFunction, Kernel, Settings

VARIABLE = "CARELU_KERNEL"
KERNELS: dict[str, Kernel] = {kernel.NAME: kernel for kernel in (autograd, cpp)}
NAMES = ("eager", *KERNELS)


def _plain(tensor: object) -> bool:
    return type(tensor) in (Tensor, nn.Parameter, float, int)


def _only_autograd_looks_on() -> bool:
    """Whether nothing but autograd follows the computation: no compiler, tracer, transform or mode."""
    return not (
        torch.compiler.is_compiling()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or torch.jit.is_tracing()
    )


def _is_scalar(parameter: Tensor, z: Tensor) -> bool:
    return parameter.ndim == 0 and parameter.device == z.device and parameter.is_floating_point()


def carelu(z: Tensor, alpha: Tensor | float, beta: Tensor | float, settings: Settings) -> Tensor:
    """CAReLU of `z` by the kernel that fits it; the arguments have been checked."""
    forced = os.environ.get(VARIABLE)
    if forced is not None and forced not in NAMES:
        raise ValueError(f"{VARIABLE}={forced!r} is unknown; accepted: {', '.join(NAMES)}")
    if forced != "eager" and _plain(z) and _plain(alpha) and _plain(beta) and _only_autograd_looks_on():
        alpha, beta = (
            value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64, device=z.device)
            for value in (alpha, beta)
        )
        if _is_scalar(alpha, z) and _is_scalar(beta, z):
            kernel = _choose(forced, z, alpha, beta, settings)
            return CAReLUFunction.apply(z, alpha, beta, settings, kernel)
    competition, dims, gain, eps = settings
    return reference.carelu(z, alpha, beta, competition=competition, gain=gain, over=dims, eps=eps)


def _choose(forced: str | None, z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> Kernel:
    if forced is None:
        return autograd if cpp.refusal(z, alpha, beta, settings) else cpp
    kernel = KERNELS[forced]
    if refusal := kernel.refusal(z, alpha, beta, settings):
        raise ValueError(f"{VARIABLE}={forced} is not possible here: {refusal}; unset {VARIABLE} or choose another")
    return kernel
