"""The kernels behind `carelu.functional.carelu`.

`CARELU_KERNEL` forces one: eager (the reference), torch_ops (plain PyTorch with its own backward), cpp (fused, on the
CPU) or triton (fused, on the GPU). By default, the fastest that supports the input is used.
"""

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from carelu import reference
from carelu.kernels import cpp, library, triton
from carelu.kernels.autograd_function import CAReLUFunction, Settings
from carelu.kernels.dispatch import choose, forced_kernel, impossible
from carelu.kernels.measured import MeasuredCAReLUFunction, unsupported_reason


def _is_plain(*values: object) -> bool:
    return all(type(value) in (Tensor, nn.Parameter, float, int) for value in values)


def _only_autograd_looks_on() -> bool:
    """Whether nothing but autograd follows the computation: no export, tracer, transform or mode.

    Those get the reference, which they can trace; an exported program then depends only on torch.
    """
    return not (
        torch.compiler.is_compiling()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    )


def _is_scalar(parameter: Tensor, z: Tensor) -> bool:
    return parameter.numel() == 1 and parameter.device == z.device and parameter.is_floating_point()


def _as_tensor(value: Tensor | float, z: Tensor) -> Tensor:
    """A parameter as a tensor."""
    if not isinstance(value, Tensor):
        return torch.tensor(value, dtype=reference.widest(z.device), device=z.device)
    return value


def _without_dimensions(value: Tensor, z: Tensor) -> Tensor:
    """A parameter of one element as a scalar; costs a view and its gradient."""
    return value.reshape(()) if 0 < value.ndim <= z.ndim and value.numel() == 1 else value


def measured_carelu(
    z: Tensor, measured: Tensor, alpha: Tensor | float, beta: Tensor | float, settings: Settings
) -> Tensor:
    """CAReLU of `z` with the share of `measured`, by the fused loops where they support it, else by the reference.

    Raises:
        ValueError: CARELU_KERNEL=cpp, and the loops do not support the input; or CARELU_KERNEL=triton.
    """
    if forced_kernel() == triton.NAME:
        raise ValueError(impossible(triton.NAME, "the share is measured on another tensor, which only cpp has fused"))
    if _only_autograd_looks_on() and _is_plain(z, measured, alpha, beta) and forced_kernel() in (None, cpp.NAME):
        scalars = _as_tensor(alpha, z), _as_tensor(beta, z)
        if _is_scalar(scalars[0], z) and _is_scalar(scalars[1], z):
            reason = unsupported_reason(z, measured, *scalars, settings)
            if reason is None:
                return MeasuredCAReLUFunction.apply(z, measured, *scalars, settings)
            if forced_kernel():
                raise ValueError(impossible(cpp.NAME, reason))
    competition, dims, gain, eps = settings
    return reference.carelu(z, alpha, beta, competition=competition, gain=gain, over=dims, eps=eps, measured=measured)


def carelu(z: Tensor, alpha: Tensor | float, beta: Tensor | float, settings: Settings) -> Tensor:
    """CAReLU of `z` by the dispatched kernel; the caller has checked the arguments."""
    traced = torch.compiler.is_dynamo_compiling()
    if (traced or (_is_plain(z, alpha, beta) and _only_autograd_looks_on())) and forced_kernel() != "eager":
        scalars = _as_tensor(alpha, z), _as_tensor(beta, z)
        if _is_scalar(scalars[0], z) and _is_scalar(scalars[1], z):
            if traced:
                return library.carelu(z, *(_without_dimensions(each, z) for each in scalars), *settings)[0]
            return CAReLUFunction.apply(z, *scalars, settings, choose(z, *scalars, settings))
    competition, dims, gain, eps = settings
    return reference.carelu(z, alpha, beta, competition=competition, gain=gain, over=dims, eps=eps)
