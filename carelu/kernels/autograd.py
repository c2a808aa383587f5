"""CAReLU and its gradients in plain PyTorch: runs everywhere, and needs neither a compiler nor a GPU.

On the CPU it goes over a few rows at a time, so that the operations after the first find them in cache, and it takes
the short way where a look at the few numbers of the rows allows it. Elsewhere such a look would make the host wait.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from carelu.kernels.function import Settings
from carelu.kernels.layout import rows_of, same_layout, statistics_shape
from carelu.reference import competition_scale, largest_magnitude, widen

NAME = "autograd"

BLOCK = 2**16
"""Elements that a thread works on at a time: four float32 tensors of them fill a level 2 cache of 1 MiB."""


def refusal(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> str | None:
    """Never: this kernel takes whatever the reference takes."""
    return None


def _blocks(dims: tuple[int, ...], tables: list[Tensor], tensors: list[Tensor]) -> Iterator[tuple]:
    """(dims, slices of the tables, slices of the tensors) of a few rows each; the whole where there are no rows.

    `tensors` share one layout; `tables` have one number a row in each of their first entries.
    """
    layout = rows_of(tensors[0], dims) if tensors[0].device.type == "cpu" else None
    if layout is None:
        yield dims, tables, tensors
        return
    rows, length = layout
    step = max(1, BLOCK * torch.get_num_threads() // length)
    tensors = [tensor.as_strided((rows, length), (length, 1)) for tensor in tensors]
    tables = [table.view(-1, rows, 1) for table in tables]
    for start in range(0, rows, step):
        part = slice(start, start + step)
        yield (1,), [table[:, part] for table in tables], [tensor[part] for tensor in tensors]


def _known_on_host(condition: Tensor) -> bool:
    """Whether all of `condition` holds, as far as the host can know without waiting for a device."""
    return condition.device.type == "cpu" and bool(condition.all())


def _measure(z: Tensor, scratch: Tensor, dims: tuple[int, ...], settings: Settings) -> list[Tensor]:
    """Share, norm and unit, each in the accumulation dtype; `scratch` is overwritten."""
    competition, _, _, eps = settings
    if competition == "count":
        competitors = max(math.prod([z.shape[dim] for dim in dims]), 1)
        share = torch.gt(z, 0, out=scratch).sum(dims, keepdim=True) / competitors
        return [share, torch.full_like(share, competitors), torch.ones_like(share)]
    both, unit = _norm(z, dims, competition), None
    # The squares of these numbers are far from both ends of the range of float32.
    if not _known_on_host((both > 1e-12) & (both < 1e18)):
        unit = largest_magnitude(z, dims)
        z = torch.div(z, unit, out=scratch)
        both = _norm(z, dims, competition)
    positive = _norm(torch.clamp_min(z, 0, out=scratch), dims, competition)
    unit = torch.ones_like(both) if unit is None else unit
    if competition == "energy":
        positive, norm = positive.square(), both.square() + eps / unit.square()
    else:
        norm = both + eps / unit
    return [positive / norm, norm, unit]


def _norm(z: Tensor, dims: tuple[int, ...], competition: str) -> Tensor:
    if competition == "energy":
        return torch.linalg.vector_norm(z, 2, dims, keepdim=True)
    return z.abs().sum(dims, keepdim=True)


def forward(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """See `carelu.kernels.function.Kernel`."""
    output = torch.empty_like(z)
    wide_dtype = torch.float64 if z.dtype == torch.float64 else torch.float32
    statistics = torch.empty(statistics_shape(z.shape, settings.dims), dtype=wide_dtype, device=z.device)
    for dims, (table,), (part, result) in _blocks(settings.dims, [statistics], [z, output]):
        wide = widen(part)
        scaled = result if result.dtype == wide_dtype else torch.empty_like(wide)
        measured = _measure(wide, scaled, dims, settings)
        torch.stack(measured, out=table)
        torch.mul(wide, competition_scale(measured[0], alpha, beta, settings.gain), out=scaled).relu_()
        if scaled is not result:
            result.copy_(scaled)
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
    """See `carelu.kernels.function.Kernel`."""
    if not same_layout(grad, z):
        grad = torch.empty_like(z).copy_(grad)
    grad_z = torch.empty_like(z) if needs_grad_z else None
    grad_u = torch.empty_like(statistics[:1])
    tensors = [z, grad, grad_z] if needs_grad_z else [z, grad]
    for dims, (table, slope), (part, *grads) in _blocks(settings.dims, [statistics, grad_u], tensors):
        wide, upstream = widen(part), widen(grads[0])
        share, norm, unit = table
        tanh = torch.tanh(alpha * share + beta)
        scale = settings.gain * tanh
        passing = wide if _known_on_host(scale > 0) else wide * scale
        passed = torch.ops.aten.threshold_backward(upstream, passing, 0)
        slope[0] = settings.gain * (1 - tanh.square()) * (passed * wide).sum(dims, keepdim=True)
        if needs_grad_z:
            passed.mul_(scale)
            _add_gradient_of_share(passed, wide, alpha * slope[0] / norm / unit, share, unit, settings.competition)
            grads[1].copy_(passed)
    grad_alpha = (statistics[0] * grad_u[0]).sum(dtype=torch.float64).to(alpha.dtype)
    return grad_z, grad_alpha, grad_u.sum(dtype=torch.float64).to(beta.dtype)


def _add_gradient_of_share(
    grad_z: Tensor, z: Tensor, factor: Tensor, share: Tensor, unit: Tensor, competition: str
) -> None:
    if competition == "energy":
        relative = z if _known_on_host(unit == 1) else z / unit
        grad_z.addcmul_(torch.relu(relative), 2 * factor).addcmul_(relative, -2 * factor * share)
    elif competition == "l1":
        positive = torch.gt(z, 0, out=torch.empty_like(z))
        grad_z.addcmul_(positive, factor).addcmul_(z.sign(), -factor * share)
