"""Chooses the kernel for an input."""

import os

from torch import Tensor

from carelu.kernels import cpp, torch_ops, triton
from carelu.kernels.autograd_function import Kernel, Settings

VARIABLE = "CARELU_KERNEL"
KERNELS: dict[str, Kernel] = {triton.NAME: triton, cpp.NAME: cpp, torch_ops.NAME: torch_ops}
NAMES = ("eager", *sorted(KERNELS))
FASTEST: dict[str, Kernel] = {"cuda": triton, "cpu": cpp}
"""The kernel to try first, by the type of device."""


def forced_kernel() -> str | None:
    """The value of CARELU_KERNEL, or None.

    Raises:
        ValueError: it names no kernel.
    """
    name = os.environ.get(VARIABLE) or None
    name = "torch_ops" if name == "autograd" else name  # its name until version 0.1
    if name is not None and name not in NAMES:
        raise ValueError(f"{VARIABLE}={name!r} is unknown; accepted: {', '.join(NAMES)}")
    return name


def choose(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> Kernel:
    """The kernel that CARELU_KERNEL names, else the fastest that supports `z`.

    Raises:
        ValueError: CARELU_KERNEL names no kernel, or one that does not support `z` here.
    """
    name = forced_kernel()
    if name is None or name == "eager":
        fastest = FASTEST.get(z.device.type, KERNELS[torch_ops.NAME])
        return KERNELS[torch_ops.NAME] if fastest.unsupported_reason(z, alpha, beta, settings) else fastest
    kernel = KERNELS[name]
    if reason := kernel.unsupported_reason(z, alpha, beta, settings):
        raise ValueError(impossible(name, reason))
    return kernel


def impossible(name: str, reason: str) -> str:
    """The message for a forced kernel that does not support the input."""
    return f"{VARIABLE}={name} is not possible here: {reason}; unset {VARIABLE} or choose another"
