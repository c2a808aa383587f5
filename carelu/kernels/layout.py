"""Memory layout of the elements that compete."""

import functools

import torch
from torch import Tensor


def rows_of(z: Tensor, dims: tuple[int, ...]) -> tuple[int, int] | None:
    """(rows, length) of a tensor whose rows of competing elements follow one another in memory.

    That is, the elements that compete fill a contiguous range, and the ranges follow one another, without gaps, in the
    order of the other dimensions. None otherwise, and for a tensor without elements.
    """
    return _rows_of(z.shape, z.stride(), dims)


def supported_rows(z: Tensor, dims: tuple[int, ...]) -> tuple[int, int]:
    """`rows_of` a tensor that a kernel has accepted.

    Raises:
        ValueError: its rows are not contiguous.
    """
    layout = rows_of(z, dims)
    if layout is None:
        raise ValueError(f"the rows of a tensor of strides {z.stride()} over {dims} are not contiguous")
    return layout


@functools.lru_cache(maxsize=1024)
def _rows_of(shape: tuple[int, ...], strides: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, int] | None:
    length, rows = 1, 1
    for stride, dim in sorted((strides[dim], dim) for dim in dims):
        if shape[dim] != 1 and stride != length:
            return None
        length *= shape[dim]
    for dim in range(len(shape) - 1, -1, -1):
        if dim not in dims:
            if shape[dim] != 1 and strides[dim] != length * rows:
                return None
            rows *= shape[dim]
    return (rows, length) if rows * length else None


@functools.lru_cache(maxsize=1024)
def statistics_shape(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the statistics of an input of `shape`, see `carelu.kernels.autograd_function.Kernel`."""
    return (3, *(1 if dim in dims else size for dim, size in enumerate(shape)))


def laid_out_as(z: Tensor, tensor: Tensor) -> Tensor:
    """`tensor`, which has the shape of `z`, or a copy of it, in memory in the order of `z`."""
    return tensor if same_layout(tensor, z) else torch.empty_like(z).copy_(tensor)


def same_layout(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors of equal shape have the same order in memory."""
    return a.stride() == b.stride() or all(
        size == 1 or x == y for size, x, y in zip(a.shape, a.stride(), b.stride(), strict=True)
    )
