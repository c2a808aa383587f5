"""CAReLU on the processor by the fused loops of carelu.cpp, called through ctypes.

Long rows that are contiguous go by the loops over rows, short ones and those that lie side by side by the loops over
`panels`.
"""

import torch
from torch import Tensor

from carelu.kernels import panels, torch_ops
from carelu.kernels.autograd_function import COMPETITIONS, Saved, Settings
from carelu.kernels.build import built_library, library
from carelu.kernels.layout import laid_out_as, rows_of, side_by_side_rows_of, statistics_shape
from carelu.kernels.panels import DTYPES, threads

NAME: str = "cpp"

SHORT_ROW = {2: 512, 4: 255, 8: 255}
"""Bytes of an element → elements of the longest row that goes by the loops over panels, even if it is contiguous: many
rows at a time cost less, unless they leave the level 1 cache."""


def unsupported_reason(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> str | None:
    """Why the loops do not support `z`, or None if they do."""
    if z.device.type != "cpu":
        return f"it computes on the CPU, and the input is on {z.device}"
    if z.dtype not in DTYPES or alpha.dtype not in DTYPES or alpha.dtype != beta.dtype:
        return f"it does not support {z.dtype} with parameters of {alpha.dtype} and {beta.dtype}"
    if side_by_side_rows_of(z, settings.dims) is None:
        return "the elements that compete are not evenly spaced in memory, or there are none"
    if library() is None:
        return "it could not be built"
    return None


def forward(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """See `carelu.kernels.autograd_function.Kernel`."""
    competition, dims, gain, eps = settings
    layout = rows_of(z, dims)
    if layout is None or layout[1] <= SHORT_ROW[z.element_size()]:
        return panels.forward(z, alpha, beta, settings)
    rows, length = layout
    output = torch.empty_like(z)
    wide = torch.float64 if z.dtype == torch.float64 else torch.float32
    statistics = torch.empty(statistics_shape(z.shape, dims), dtype=wide)
    built_library().carelu_forward(
        DTYPES[z.dtype],
        COMPETITIONS[competition],
        z.data_ptr(),
        output.data_ptr(),
        statistics.data_ptr(),
        rows,
        length,
        DTYPES[alpha.dtype],
        alpha.data_ptr(),
        beta.data_ptr(),
        gain,
        eps,
        threads(z),
    )
    return output, statistics


def backward(
    grad: Tensor, saved: Saved, settings: Settings, needs_grad_z: bool
) -> tuple[Tensor | None, Tensor, Tensor]:
    """See `carelu.kernels.autograd_function.Kernel`."""
    z, alpha, beta, statistics = saved
    competition, dims, gain, _ = settings
    layout = side_by_side_rows_of(z, dims)
    if layout is None:  # hooks on saved tensors may return z in another layout
        return torch_ops.backward(grad, saved, settings, needs_grad_z)
    if layout.inner > 1 or layout.length <= SHORT_ROW[z.element_size()]:
        grad_z, _, grad_alpha, grad_beta = panels.backward(grad, saved, None, settings, needs_grad_z)
        return grad_z, grad_alpha, grad_beta
    grad = laid_out_as(z, grad)
    grad_z = torch.empty_like(z) if needs_grad_z else None
    grad_alpha, grad_beta = torch.empty_like(alpha), torch.empty_like(beta)
    built_library().carelu_backward(
        DTYPES[z.dtype],
        COMPETITIONS[competition],
        grad.data_ptr(),
        z.data_ptr(),
        None if grad_z is None else grad_z.data_ptr(),
        statistics.data_ptr(),
        layout.outer,
        layout.length,
        DTYPES[alpha.dtype],
        alpha.data_ptr(),
        beta.data_ptr(),
        grad_alpha.data_ptr(),
        grad_beta.data_ptr(),
        gain,
        threads(z),
    )
    return grad_z, grad_alpha, grad_beta
