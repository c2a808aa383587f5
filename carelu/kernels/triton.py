"""CAReLU on the GPU by the Triton kernels of `triton_loops`: launching them."""

import contextlib
import functools
import importlib.util
import os

import torch
from torch import Tensor

from carelu.kernels import torch_ops
from carelu.kernels.autograd_function import COMPETITIONS, Saved, Settings
from carelu.kernels.layout import laid_out_as, rows_of, statistics_shape, supported_rows

NAME: str = "triton"

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
LONGEST_ROW = 2**30
"""Elements; offsets within a row are 32 bits wide."""
BLOCK = 16384
"""Most elements that a program processes at a time: 16 per thread."""


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


@functools.cache
def _is_installed() -> bool:
    return importlib.util.find_spec("triton") is not None


@functools.cache
def _multiprocessors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 4


def unsupported_reason(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> str | None:
    """Why Triton does not support `z`, or None if it does."""
    if z.device.type != "cuda" and not (_interpreted() and z.device.type == "cpu"):
        return f"it computes on a GPU, and the input is on {z.device}"
    if z.dtype not in DTYPES:
        return f"it does not support {z.dtype}"
    if not _is_installed():
        return "the package triton is not installed"
    layout = rows_of(z, settings.dims)
    if layout is None:
        return "the elements that compete are not next to each other in memory (as only cpp allows), or there are none"
    if layout[1] > LONGEST_ROW:
        return f"more than {LONGEST_ROW} elements compete with each other"
    return None


def _grid(z: Tensor, rows: int, length: int) -> tuple[tuple[int, int], dict[str, int]]:
    """The programs, rows × parts of a row, and the sizes that they are compiled for.

    Rows are split where there are too few of them to occupy the device.
    """
    block = min(BLOCK, max(128, 1 << (length - 1).bit_length()))
    processors = _multiprocessors(z.device)
    splits = 1
    if rows < processors // 2:
        splits = min(2 * processors // rows, max(1, length // block), 256)
        splits = 1 << (splits.bit_length() - 1)
    return (rows, splits), {"SPLITS": splits, "BLOCK": block, "num_warps": max(4, block // 512)}


def _on(device: torch.device) -> contextlib.AbstractContextManager:
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


def forward(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """See `carelu.kernels.autograd_function.Kernel`."""
    from carelu.kernels import triton_loops

    competition, dims, gain, eps = settings
    rows, length = supported_rows(z, dims)
    output = torch.empty_like(z)
    statistics = torch.empty(statistics_shape(z.shape, dims), dtype=torch.float32, device=z.device)
    grid, sizes = _grid(z, rows, length)
    which = {"COMPETITION": COMPETITIONS[competition], **sizes}
    parts = statistics if grid[1] == 1 else statistics.new_empty((rows, 3, grid[1]))
    with _on(z.device):
        if grid[1] > 1:
            triton_loops.measure_kernel[grid](z, parts, length, **which)
        triton_loops.forward_kernel[grid](
            z, output, statistics, parts, alpha, beta, rows, length, float(gain), float(eps), **which
        )
    return output, statistics


def backward(
    grad: Tensor, saved: Saved, settings: Settings, needs_grad_z: bool
) -> tuple[Tensor | None, Tensor, Tensor]:
    """See `carelu.kernels.autograd_function.Kernel`."""
    z, alpha, beta, statistics = saved
    from carelu.kernels import triton_loops

    competition, dims, gain, _ = settings
    layout = rows_of(z, dims)
    if layout is None:  # hooks on saved tensors may return z in another layout
        return torch_ops.backward(grad, saved, settings, needs_grad_z)
    grad = laid_out_as(z, grad)
    rows, length = layout
    grad_z = torch.empty_like(z) if needs_grad_z else None
    grad_u = statistics.new_empty(rows)
    grad_alpha, grad_beta = torch.empty_like(alpha), torch.empty_like(beta)
    grid, sizes = _grid(z, rows, length)
    parts = statistics if grid[1] == 1 else statistics.new_empty((rows, grid[1]))
    with _on(z.device):
        if grid[1] > 1:
            triton_loops.product_kernel[grid](grad, z, statistics, parts, alpha, beta, length, float(gain), **sizes)
        triton_loops.backward_kernel[grid](
            grad,
            z,
            grad_z if needs_grad_z else z,
            statistics,
            parts,
            grad_u,
            alpha,
            beta,
            rows,
            length,
            float(gain),
            COMPETITION=COMPETITIONS[competition],
            NEEDS_GRAD_Z=needs_grad_z,
            **sizes,
        )
        triton_loops.parameters_kernel[(1,)](grad_u, statistics, grad_alpha, grad_beta, rows, BLOCK=1024)
    return grad_z, grad_alpha, grad_beta
