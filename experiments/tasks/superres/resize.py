"""Bicubic resizing that equals MATLAB's imresize, the convention of published super-resolution numbers."""

import math
from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor

_KERNEL_RADIUS = 2
"""Half the support of the cubic kernel, in pixels."""


def cubic_kernel(x: Tensor) -> Tensor:
    """The cubic convolution kernel with a = −½, at distances `x` in pixels.

    Source: R. Keys, Cubic convolution interpolation for digital image processing, IEEE TASSP 29, 1981.
    """
    x = x.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x < _KERNEL_RADIUS, far, torch.zeros_like(x)))


@lru_cache(maxsize=256)
def resize_taps(size: int, scale: Fraction) -> tuple[Tensor, Tensor]:
    """For each output pixel of one dimension, the input pixels that it averages, and their weights.

    Pixel centres of input and output are aligned as in MATLAB. Where `scale` < 1 the kernel is
    stretched by 1/scale (anti-aliasing). Outside of the image its pixels are mirrored, the
    outermost one included (symmetric padding).

    Args:
        size: pixels of the input.
        scale: resize factor; the output has ⌈size · scale⌉.

    Returns:
        (index, weight): int64 and float64, both output×taps; the weights of an output pixel sum to 1.
    """
    outputs = math.ceil(size * scale)
    stretch = min(1.0, float(scale))
    radius = _KERNEL_RADIUS / stretch
    centre = (torch.arange(outputs, dtype=torch.float64) + 0.5) / float(scale) - 0.5
    first = torch.floor(centre - radius).long() + 1
    index = first.unsqueeze(1) + torch.arange(math.ceil(2 * radius))
    weight = cubic_kernel((centre.unsqueeze(1) - index) * stretch)
    weight /= weight.sum(1, keepdim=True)
    index = index.remainder(2 * size)
    return torch.where(index < size, index, 2 * size - 1 - index), weight


def _resized(images: Tensor, dim: int, scale: Fraction) -> Tensor:
    index, weight = (each.to(images.device) for each in resize_taps(images.shape[dim], scale))
    shape = [1] * images.ndim
    shape[dim] = -1
    total = torch.zeros((), dtype=torch.float64, device=images.device)
    for tap in range(index.shape[1]):
        total = total + images.index_select(dim, index[:, tap]).double() * weight[:, tap].view(shape)
    return total


def bicubic(images: Tensor, scale: Fraction | int) -> Tensor:
    """`images` resized by `scale` as MATLAB's imresize(image, scale, "bicubic") does it.

    Computed in float64 and rounded once, at the end.

    Args:
        images: uint8 …×H×W.
        scale: resize factor of height and width; Fraction(1, 2) halves both.

    Returns:
        uint8 …×⌈H · scale⌉×⌈W · scale⌉.
    """
    scale = Fraction(scale)
    return to_uint8(_resized(_resized(images, images.ndim - 2, scale), images.ndim - 1, scale))


def to_uint8(pixels: Tensor) -> Tensor:
    """Grey levels (floating point, 255 is white) rounded and clipped to uint8."""
    return pixels.round().clamp(0, 255).to(torch.uint8)
