"""Which kernel computes an input."""

import os

from torch import Tensor

from carelu.kernels import autograd, cpp, triton
from carelu.kernels.function import Kernel, Settings

VARIABLE = "CARELU_KERNEL"
KERNELS: dict[str, Kernel] = {kernel.NAME: kernel for kernel in (triton, cpp, autograd)}
NAMES = ("eager", *sorted(KERNELS))
FASTEST = {"cuda": triton, "cpu": cpp}
"""The kernel to try first, by the type of device."""


def forced_kernel() -> str | None:
    """What CARELU_KERNEL names, or None.

    Raises:
        ValueError: it names no kernel.
    """
    name = os.environ.get(VARIABLE) or None
    if name is not None and name not in NAMES:
        raise ValueError(f"{VARIABLE}={name!r} is unknown; accepted: {', '.join(NAMES)}")
    return name


def choose(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> Kernel:
    """The kernel that CARELU_KERNEL names, or else the fastest that can compute `z`.

    Raises:
        ValueError: CARELU_KERNEL names no kernel, or one that cannot compute `z` here.
    """
    name = forced_kernel()
    if name is None or name == "eager":
        kernel = FASTEST.get(z.device.type, autograd)
        return autograd if kernel.refusal(z, alpha, beta, settings) else kernel
    kernel = KERNELS[name]
    if refusal := kernel.refusal(z, alpha, beta, settings):
        raise ValueError(f"{VARIABLE}={name} is not possible here: {refusal}; unset {VARIABLE} or choose another")
    return kernel
