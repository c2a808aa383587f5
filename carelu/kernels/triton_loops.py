"""CAReLU in Triton: the code that runs on the GPU. One program, or a few, for each row of competing elements.

The floor is memory traffic: forward reads z and writes y, backward reads the gradient and z and writes its own. A row
is read twice, to measure and to scale; up to some 200 KiB the second reading comes from the cache of the
multiprocessor, and up to tens of MiB in all from the level 2 cache. Sums are in float32 and in a fixed order.
"""

import os

import triton
import triton.language as tl
from triton.language.extra import libdevice

ENERGY, L1, COUNT = 0, 1, 2

if os.environ.get("TRITON_INTERPRET") == "1":  # the interpreter has no library of device functions

    @triton.jit
    def _tanh(x):
        return 1 - 2 / (tl.exp(2 * x) + 1)

else:

    @triton.jit
    def _tanh(x):
        return libdevice.tanh(x)


@triton.jit
def _sums(z_ptr, start, stop, unit, COMPETITION: tl.constexpr, RESCALED: tl.constexpr, BLOCK: tl.constexpr):
    """The sums of a range over the positive values and over all values."""
    positive = tl.zeros([BLOCK], tl.float32)
    both = tl.zeros([BLOCK], tl.float32)
    for at in range(start, stop, BLOCK):
        offsets = at + tl.arange(0, BLOCK)
        z = tl.load(z_ptr + offsets, mask=offsets < stop, other=0.0).to(tl.float32)
        if RESCALED:
            z = z / unit
        above = tl.where(z > 0, z, 0.0)
        if COMPETITION == 0:
            positive += above * above
            both += z * z
        elif COMPETITION == 1:
            positive += above
            both += tl.abs(z)
        else:
            positive += tl.where(z > 0, 1.0, 0.0)
    return tl.sum(positive), tl.sum(both)


@triton.jit
def _measure(z_ptr, start, stop, COMPETITION: tl.constexpr, BLOCK: tl.constexpr):
    """The sums of a range and the unit they are in: 1, or max |z| where the squares would leave the range."""
    unit = 1.0
    positive, both = _sums(z_ptr, start, stop, unit, COMPETITION, False, BLOCK)
    if COMPETITION != 2 and not ((both > 1e-20) & (both < 1e30)):
        largest = tl.zeros([BLOCK], tl.float32)
        for at in range(start, stop, BLOCK):
            offsets = at + tl.arange(0, BLOCK)
            z = tl.load(z_ptr + offsets, mask=offsets < stop, other=0.0).to(tl.float32)
            largest = tl.maximum(largest, tl.abs(z))
        unit = tl.max(largest)
        unit = tl.where(unit == 0, 1.0, unit)
        positive, both = _sums(z_ptr, start, stop, unit, COMPETITION, True, BLOCK)
    return positive, both, unit


@triton.jit
def _product(grad_ptr, z_ptr, start, stop, scale, BLOCK: tl.constexpr):
    """The sum of gradient times z over the elements of a range that pass."""
    total = tl.zeros([BLOCK], tl.float32)
    for at in range(start, stop, BLOCK):
        offsets = at + tl.arange(0, BLOCK)
        z = tl.load(z_ptr + offsets, mask=offsets < stop, other=0.0).to(tl.float32)
        grad = tl.load(grad_ptr + offsets, mask=offsets < stop, other=0.0).to(tl.float32)
        total += tl.where(scale * z <= 0, 0.0, grad) * z
    return tl.sum(total)


@triton.jit
def _range_of(length, SPLITS: tl.constexpr, BLOCK: tl.constexpr):
    """The part of a row that this program processes: whole blocks."""
    part = tl.cdiv(tl.cdiv(length, BLOCK), SPLITS) * BLOCK
    start = tl.program_id(1) * part
    return start, tl.minimum(start + part, length)


@triton.jit
def _scale_of(share, alpha_ptr, beta_ptr, gain):
    """The scale of a share, and the hyperbolic tangent in it."""
    tanh = _tanh(tl.load(alpha_ptr).to(tl.float32) * share + tl.load(beta_ptr).to(tl.float32))
    return gain * tanh, tanh


@triton.jit
def measure_kernel(z_ptr, parts_ptr, length, COMPETITION: tl.constexpr, SPLITS: tl.constexpr, BLOCK: tl.constexpr):
    """Writes the sums and units of the parts of each row: rows × 3 × SPLITS."""
    row = tl.program_id(0).to(tl.int64)
    start, stop = _range_of(length, SPLITS, BLOCK)
    positive, both, unit = _measure(z_ptr + row * length, start, stop, COMPETITION, BLOCK)
    at = parts_ptr + row * 3 * SPLITS + tl.program_id(1)
    tl.store(at, positive)
    tl.store(at + SPLITS, both)
    tl.store(at + 2 * SPLITS, unit)


@triton.jit
def forward_kernel(
    z_ptr,
    y_ptr,
    statistics_ptr,
    parts_ptr,
    alpha_ptr,
    beta_ptr,
    rows,
    length,
    gain,
    eps,
    COMPETITION: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Writes the output and the statistics; with several programs a row, from the sums of `measure_kernel`."""
    row = tl.program_id(0).to(tl.int64)
    start, stop = _range_of(length, SPLITS, BLOCK)
    z_ptr += row * length
    y_ptr += row * length
    if SPLITS == 1:
        positive, both, unit = _measure(z_ptr, start, stop, COMPETITION, BLOCK)
    else:
        at = parts_ptr + row * 3 * SPLITS + tl.arange(0, SPLITS)
        units = tl.load(at + 2 * SPLITS)
        unit = tl.max(units)
        ratio = units / unit
        if COMPETITION == 0:
            ratio *= ratio
        positive = tl.sum(tl.load(at) * ratio)
        both = tl.sum(tl.load(at + SPLITS) * ratio)
    if COMPETITION == 0:
        norm = both + eps / unit / unit
    elif COMPETITION == 1:
        norm = both + eps / unit
    else:
        norm = tl.cast(length, tl.float32)
    share = positive / norm
    share = tl.where(share > 1, 1.0, share)
    scale, _ = _scale_of(share, alpha_ptr, beta_ptr, gain)
    if tl.program_id(1) == 0:
        tl.store(statistics_ptr + row, share)
        tl.store(statistics_ptr + rows + row, norm)
        tl.store(statistics_ptr + 2 * rows + row, unit)
    for at in range(start, stop, BLOCK):
        offsets = at + tl.arange(0, BLOCK)
        z = tl.load(z_ptr + offsets, mask=offsets < stop, other=0.0).to(tl.float32)
        scaled = scale * z
        tl.store(y_ptr + offsets, tl.where(scaled <= 0, 0.0, scaled), mask=offsets < stop)  # NaN is kept


@triton.jit
def product_kernel(
    grad_ptr,
    z_ptr,
    statistics_ptr,
    parts_ptr,
    alpha_ptr,
    beta_ptr,
    length,
    gain,
    SPLITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Writes the sums of gradient times z of the parts of each row: rows × SPLITS."""
    row = tl.program_id(0).to(tl.int64)
    start, stop = _range_of(length, SPLITS, BLOCK)
    scale, _ = _scale_of(tl.load(statistics_ptr + row), alpha_ptr, beta_ptr, gain)
    product = _product(grad_ptr + row * length, z_ptr + row * length, start, stop, scale, BLOCK)
    tl.store(parts_ptr + row * SPLITS + tl.program_id(1), product)


@triton.jit
def backward_kernel(
    grad_ptr,
    z_ptr,
    grad_z_ptr,
    statistics_ptr,
    parts_ptr,
    grad_u_ptr,
    alpha_ptr,
    beta_ptr,
    rows,
    length,
    gain,
    COMPETITION: tl.constexpr,
    NEEDS_GRAD_Z: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Writes the gradients of z and, per row, of u = α p + β; with several programs a row, from `product_kernel`."""
    row = tl.program_id(0).to(tl.int64)
    start, stop = _range_of(length, SPLITS, BLOCK)
    grad_ptr += row * length
    z_ptr += row * length
    share = tl.load(statistics_ptr + row)
    norm = tl.load(statistics_ptr + rows + row)
    unit = tl.load(statistics_ptr + 2 * rows + row)
    scale, tanh = _scale_of(share, alpha_ptr, beta_ptr, gain)
    if SPLITS == 1:
        product = _product(grad_ptr, z_ptr, start, stop, scale, BLOCK)
    else:
        product = tl.sum(tl.load(parts_ptr + row * SPLITS + tl.arange(0, SPLITS)))
    grad_u = gain * (1 - tanh * tanh) * product
    if tl.program_id(1) == 0:
        tl.store(grad_u_ptr + row, grad_u)
    if NEEDS_GRAD_Z:
        grad_z_ptr += row * length
        factor = tl.load(alpha_ptr).to(tl.float32) * grad_u / norm / unit
        for at in range(start, stop, BLOCK):
            offsets = at + tl.arange(0, BLOCK)
            z = tl.load(z_ptr + offsets, mask=offsets < stop, other=0.0).to(tl.float32)
            grad = tl.load(grad_ptr + offsets, mask=offsets < stop, other=0.0).to(tl.float32)
            result = tl.where(scale * z <= 0, 0.0, scale * grad)
            if COMPETITION == 0:
                result += 2 * factor * tl.where(z > 0, 1 - share, -share) * (z / unit)
            elif COMPETITION == 1:
                result += factor * tl.where(z > 0, 1 - share, tl.where(z < 0, share, 0.0))
            tl.store(grad_z_ptr + offsets, result, mask=offsets < stop)


@triton.jit
def parameters_kernel(grad_u_ptr, statistics_ptr, grad_alpha_ptr, grad_beta_ptr, rows, BLOCK: tl.constexpr):
    """Adds up the gradients of α and β over all rows; one program, so that the order is fixed."""
    grad_alpha = tl.zeros([BLOCK], tl.float32)
    grad_beta = tl.zeros([BLOCK], tl.float32)
    for at in range(0, rows, BLOCK):
        offsets = at + tl.arange(0, BLOCK)
        grad_u = tl.load(grad_u_ptr + offsets, mask=offsets < rows, other=0.0)
        share = tl.load(statistics_ptr + offsets, mask=offsets < rows, other=0.0)
        grad_alpha += share * grad_u
        grad_beta += grad_u
    tl.store(grad_alpha_ptr, tl.sum(grad_alpha))
    tl.store(grad_beta_ptr, tl.sum(grad_beta))
