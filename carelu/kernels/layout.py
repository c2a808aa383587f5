"""Memory layout of the elements that compete."""

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor


class Rows(NamedTuple):
    """A tensor in memory as outer × length × inner: the elements of a row lie `inner` apart.

    Args:
        outer: groups of rows, one after the other.
        length: elements of a row.
        inner: rows of a group, side by side.
    """

    outer: int
    length: int
    inner: int


def side_by_side_rows_of(z: Tensor, dims: tuple[int, ...]) -> Rows | None:
    """How the rows of competing elements lie in memory, if without gaps and in the order of the other dimensions.

    None otherwise, and for a tensor without elements.
    """
    return _side_by_side_rows_of(z.shape, z.stride(), dims)


def rows_of(z: Tensor, dims: tuple[int, ...]) -> tuple[int, int] | None:
    """(rows, length) of a tensor whose rows of competing elements follow one another in memory.

    That is, `side_by_side_rows_of` with rows that are each a contiguous range; None otherwise.
    """
    rows = _side_by_side_rows_of(z.shape, z.stride(), dims)
    return (rows.outer, rows.length) if rows and rows.inner == 1 else None


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
def _side_by_side_rows_of(shape: tuple[int, ...], strides: tuple[int, ...], dims: tuple[int, ...]) -> Rows | None:
    in_memory = sorted((dim for dim, size in enumerate(shape) if size != 1), key=lambda dim: -strides[dim])
    step = 1
    for dim in reversed(in_memory):
        if strides[dim] != step:  # gaps or repetitions
            return None
        step *= shape[dim]
    if step == 0:
        return None
    competing = [place for place, dim in enumerate(in_memory) if dim in dims]
    first, last = (competing[0], competing[-1] + 1) if competing else (len(in_memory), len(in_memory))
    others = in_memory[:first] + in_memory[last:]
    if len(competing) != last - first or others != sorted(others):
        return None
    sizes = [shape[dim] for dim in in_memory]
    return Rows(math.prod(sizes[:first]), math.prod(sizes[first:last]), math.prod(sizes[last:]))


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
