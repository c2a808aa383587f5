"""CAReLU on the processor by the fused loops of carelu.cpp, called through ctypes."""

import torch
from torch import Tensor

from carelu.kernels import autograd
from carelu.kernels.build import library
from carelu.kernels.function import Settings

NAME = "cpp"

# As in carelu.cpp.
DTYPES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.float16: 3}
COMPETITIONS = {"energy": 0, "l1": 1, "count": 2}

GRAIN = 2**15
"""Elements that are worth a thread, as in torch's own loops."""


def row_length(z: Tensor, dims: tuple[int, ...]) -> int | None:
    """How many elements compete in a row, if `z` is one row behind the other in memory.

    That is, the elements that compete fill a contiguous range, and the ranges follow one another, without gaps, in the
    order of the other dimensions. None otherwise.
    """
    shape, strides = z.shape, z.stride()
    filled = 1
    for stride, dim in sorted((strides[dim], dim) for dim in dims):
        if shape[dim] != 1:
            if stride != filled:
                return None
            filled *= shape[dim]
    length = filled
    for dim in range(len(shape) - 1, -1, -1):
        if dim not in dims and shape[dim] != 1:
            if strides[dim] != filled:
                return None
            filled *= shape[dim]
    return length


def refusal(z: Tensor, settings: Settings) -> str | None:
    """Why the loops cannot compute `z`, or None if they can."""
    if z.device.type != "cpu":
        return f"it computes on the CPU, and the input is on {z.device}"
    if z.dtype not in DTYPES:
        return f"it does not know {z.dtype}"
    if z.numel() == 0:
        return "the input has no elements"
    if row_length(z, settings.dims) is None:
        return "the elements that compete do not lie next to each other in memory"
    if library() is None:
        return "it could not be built"
    return None


def _threads(z: Tensor) -> int:
    return max(1, min(torch.get_num_threads(), z.numel() // GRAIN))


def _same_layout(a: Tensor, b: Tensor) -> bool:
    return a.stride() == b.stride() or all(
        size == 1 or x == y for size, x, y in zip(a.shape, a.stride(), b.stride(), strict=True)
    )


def forward(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    competition, dims, gain, eps = settings
    length = row_length(z, dims)
    output = torch.empty_like(z)
    statistics = torch.empty(
        (3, *[1 if dim in dims else size for dim, size in enumerate(z.shape)]),
        dtype=torch.float64 if z.dtype == torch.float64 else torch.float32,
    )
    library().carelu_forward(
        DTYPES[z.dtype],
        COMPETITIONS[competition],
        z.data_ptr(),
        output.data_ptr(),
        statistics.data_ptr(),
        z.numel() // length,
        length,
        alpha.item(),
        beta.item(),
        gain,
        eps,
        _threads(z),
    )
    return output, statistics


def backward(
    grad: Tensor,
    z: Tensor,
    alpha: Tensor,
    beta: Tensor,
    statistics: Tensor,
    settings: Settings,
    needs_grad_z: bool,
) -> tuple[Tensor | None, Tensor, Tensor]:
    # Hooks on saved tensors may hand z back in another layout.
    length = row_length(z, settings.dims)
    if length is None:
        return autograd.backward(grad, z, alpha, beta, statistics, settings, needs_grad_z)
    if not _same_layout(grad, z):
        grad = torch.empty_like(z).copy_(grad)
    grad_z = torch.empty_like(z) if needs_grad_z else None
    rows = z.numel() // length
    grad_u = torch.empty(rows, dtype=torch.float64)
    sums = torch.empty(2, dtype=torch.float64)
    library().carelu_backward(
        DTYPES[z.dtype],
        COMPETITIONS[settings.competition],
        grad.data_ptr(),
        z.data_ptr(),
        grad_z.data_ptr() if needs_grad_z else None,
        statistics.data_ptr(),
        grad_u.data_ptr(),
        sums.data_ptr(),
        rows,
        length,
        alpha.item(),
        beta.item(),
        settings.gain,
        _threads(z),
    )
    return grad_z, sums[0].to(alpha.dtype), sums[1].to(beta.dtype)
