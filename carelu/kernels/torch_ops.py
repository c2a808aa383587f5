"""CAReLU and its gradients in plain PyTorch: runs everywhere, and needs neither a compiler nor a GPU.

On the CPU it processes a few rows at a time, so that intermediate results stay in cache, and it skips steps that the
statistics of the rows make unnecessary. On a GPU the host would have to wait for those statistics.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.linalg import vector_norm

from carelu.kernels.autograd_function import Saved, Settings
from carelu.kernels.layout import laid_out_as, rows_of, statistics_shape
from carelu.reference import as_number, competition_scale, largest_magnitude, widen, widest

NAME: str = "torch_ops"

BLOCK = 2**18
"""Elements that a thread processes at a time: four float32 tensors of them fill a level 2 cache of 1 MiB."""


def unsupported_reason(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> str | None:
    """None: this kernel supports everything that the reference supports."""
    return None


def _as_rows(
    dims: tuple[int, ...], tensors: list[Tensor], tables: list[Tensor]
) -> tuple[tuple[int, ...], list[Tensor], list[Tensor], int]:
    """Views of the tensors as rows × length and of the statistics as 3 × rows × 1, if the memory layout allows it.

    Also returns the competing dimensions of the views, and how many rows to process at a time. Otherwise everything is
    returned unchanged, as one block. The first tensor decides: the others have its layout, or its layout without gaps.
    """
    layout = rows_of(tensors[0], dims) if tensors[0].device.type == "cpu" else None
    if layout is None:
        return dims, tensors, tables, max(1, tensors[0].shape[0])
    rows, length = layout
    tensors = [tensor.as_strided((rows, length), (length, 1)) for tensor in tensors]
    tables = [table.view(-1, rows, 1) for table in tables]
    return (1,), tensors, tables, max(1, BLOCK * torch.get_num_threads() // length)


def _blocks(size: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(tensor.split(size) for tensor in tensors), strict=True)


def _all_known(condition: Tensor) -> bool:
    """Whether all of `condition` holds; False if the host would have to wait for a device."""
    return condition.device.type == "cpu" and bool(condition.all())


def _scratch(z: Tensor, size: int) -> Tensor:
    """Memory for intermediate results, reused for every block so that it stays in cache."""
    return torch.empty_like(z[:size], dtype=widen(z[:0]).dtype)


def _norm(z: Tensor, dims: tuple[int, ...], settings: Settings) -> Tensor:
    if settings.competition == "energy":
        return vector_norm(z, 2, dims, keepdim=True)
    return z.abs().sum(dims, keepdim=True)


def _measure(z: Tensor, dims: tuple[int, ...], size: int, settings: Settings) -> Tensor:
    """Share, norm and unit, stacked."""
    scratch = _scratch(z, size)
    if settings.competition == "count":
        competitors = max(math.prod([z.shape[dim] for dim in dims]), 1)
        won = [torch.gt(part, 0, out=scratch[: len(part)]).sum(dims, keepdim=True) for part in z.split(size)]
        share = torch.cat(won) / competitors
        return torch.stack([share, torch.full_like(share, competitors), torch.ones_like(share)])
    norms = []
    for part in map(widen, z.split(size)):
        positive = torch.clamp_min(part, 0, out=scratch[: len(part)])
        norms.append((_norm(part, dims, settings), _norm(positive, dims, settings)))
    both, positive = (torch.cat(parts) for parts in zip(*norms, strict=True))
    # The squares of these numbers are far from both ends of the range of float32.
    if _all_known((both > 1e-12) & (both < 1e18)):
        unit = torch.ones_like(both)
    else:
        wide = widen(z)
        unit = largest_magnitude(wide, dims)
        wide = wide / unit
        both, positive = _norm(wide, dims, settings), _norm(wide.clamp_min(0), dims, settings)
    if settings.competition == "energy":
        positive, norm = positive.square(), both.square() + settings.eps / unit.square()
    else:
        norm = both + settings.eps / unit
    return torch.stack([positive / norm, norm, unit])


def forward(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """See `carelu.kernels.autograd_function.Kernel`."""
    output = torch.empty_like(z)
    dims, (rows, result), _, size = _as_rows(settings.dims, [z, output], [])
    statistics = _measure(rows, dims, size, settings)
    scale = competition_scale(statistics[0], alpha, beta, settings.gain)
    scratch = None if z.dtype == scale.dtype else _scratch(rows, size)
    for part, part_scale, part_result in _blocks(size, rows, scale, result):
        scaled = part_result if scratch is None else scratch[: len(part)]
        torch.mul(part, part_scale, out=scaled).relu_()
        if scratch is not None:
            part_result.copy_(scaled)
    return output, statistics.view(statistics_shape(z.shape, settings.dims))


def backward(
    grad: Tensor, saved: Saved, settings: Settings, needs_grad_z: bool
) -> tuple[Tensor | None, Tensor, Tensor]:
    """See `carelu.kernels.autograd_function.Kernel`."""
    z, alpha, beta, statistics = saved
    grad = laid_out_as(z, grad)
    grad_z = torch.empty_like(z)
    dims, (z, grad, passed), (statistics,), size = _as_rows(settings.dims, [z, grad, grad_z], [statistics])
    share, norm, unit = statistics
    tanh = torch.tanh(as_number(alpha) * share + as_number(beta))
    scale = settings.gain * tanh
    positive_scale = _all_known(scale > 0)
    products, scratch = [], _scratch(z, size)
    for part_grad, part, part_scale, part_passed in _blocks(size, grad, z, scale, passed):
        if positive_scale:
            torch.ops.aten.threshold_backward.grad_input(part_grad, part, 0, grad_input=part_passed)
        else:
            part_passed.copy_(torch.ops.aten.threshold_backward(widen(part_grad), part * part_scale, 0))
        product = torch.mul(widen(part_passed), part, out=scratch[: len(part)])
        products.append(product.sum(dims, keepdim=True))
    grad_u = settings.gain * (1 - tanh.square()) * torch.cat(products)
    grad_alpha = (share * grad_u).sum(dtype=widest(z.device)).to(alpha.dtype).view_as(alpha)
    grad_beta = grad_u.sum(dtype=widest(z.device)).to(beta.dtype).view_as(beta)
    if not needs_grad_z:
        return None, grad_alpha, grad_beta
    factor = as_number(alpha) * grad_u / norm / unit
    same_unit = _all_known(unit == 1)
    for part, part_passed, part_scale, *of_rows in _blocks(size, z, passed, scale, factor, share, unit):
        through_share = _through_share(widen(part), of_rows, settings.competition, same_unit, scratch[: len(part)])
        if part.dtype == scale.dtype:
            part_passed.mul_(part_scale).add_(through_share)
        else:
            part_passed.copy_(part_passed * part_scale + through_share)
    return grad_z, grad_alpha, grad_beta


def _through_share(
    z: Tensor, of_rows: list[Tensor], competition: str, same_unit: bool, scratch: Tensor
) -> Tensor | float:
    """The part of the gradient of z that comes through the share.

    `same_unit`: all units are known to be 1.
    """
    factor, share, unit = of_rows
    if competition == "energy":
        relative = z if same_unit else z / unit
        return torch.clamp_min(relative, 0, out=scratch).addcmul_(relative, share, value=-1).mul_(2 * factor)
    if competition == "l1":
        return torch.gt(z, 0, out=scratch).addcmul_(z.sign(), share, value=-1).mul_(factor)
    return 0.0
