"""Image quality against a reference: luma, PSNR and SSIM as super-resolution papers measure them."""

import torch
from torch import Tensor

LUMA_WEIGHTS = (65.481, 128.553, 24.966)
"""Of R, G and B in [0, 1], for the Y of studio swing: 16 (black) to 235 (white). Source: ITU-R BT.601."""
LUMA_OFFSET = 16.0

PEAK = 255.0
"""The largest grey level."""

EQUAL_IMAGES_DB = 100.0
"""PSNR of two equal images, where the formula has no finite value; also the largest that is reported."""

WINDOW_SIZE, WINDOW_SIGMA = 11, 1.5
"""SSIM's Gaussian window: side and standard deviation, in pixels."""
_C1, _C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def luma(images: Tensor) -> Tensor:
    """The Y of BT.601 studio-swing YCbCr, not rounded.

    Args:
        images: N×3×H×W, RGB grey levels (255 is white).

    Returns:
        float64 N×H×W, in [16, 235].
    """
    weights = torch.tensor(LUMA_WEIGHTS, dtype=torch.float64, device=images.device) / PEAK
    return LUMA_OFFSET + (images.double() * weights.view(1, 3, 1, 1)).sum(1)


def shaved(images: Tensor, border: int) -> Tensor:
    """`images` (…×H×W) without `border` pixels on each side."""
    return images[..., border : images.shape[-2] - border, border : images.shape[-1] - border]


def peak_signal_noise_ratio(images: Tensor, references: Tensor) -> Tensor:
    """10 log₁₀(255² / mean squared error) of each image over all its pixels and channels.

    Args:
        images: N×…, grey levels, any dtype.
        references: of the same shape.

    Returns:
        float64 N, in dB, at most `EQUAL_IMAGES_DB`.
    """
    squared_error = (images.double() - references.double()).square().flatten(1).mean(1)
    return (10 * torch.log10(PEAK**2 / squared_error)).clamp(max=EQUAL_IMAGES_DB)


def structural_similarity(images: Tensor, references: Tensor) -> Tensor:
    """Mean SSIM of each image: Gaussian window of 11×11, σ = 1.5, only where it lies inside the image.

    Args:
        images: N×H×W, grey levels; H and W at least 11.
        references: of the same shape.

    Returns:
        float64 N, 1 for equal images.

    Source: Wang et al., Image quality assessment: from error visibility to structural similarity,
    IEEE TIP 13, 2004; K₁ = 0.01, K₂ = 0.03.
    """
    pairs = zip(images.split(1), references.split(1), strict=True)  # one at a time fits a CPU's cache
    return torch.cat([_similarity(image.double(), reference.double()) for image, reference in pairs])


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = _windowed(torch.stack([x, y, x * x, y * y, x * y]))
    variance_x, variance_y = mean_xx - mean_x.square(), mean_yy - mean_y.square()
    covariance = mean_xy - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x.square() + mean_y.square() + _C1)
    structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    return (luminance * structure).flatten(1).mean(1)


def _windowed(planes: Tensor) -> Tensor:
    """Gaussian means of …×H×W at every place where the window fits: …×(H−10)×(W−10)."""
    distance = torch.arange(WINDOW_SIZE, dtype=torch.float64) - (WINDOW_SIZE - 1) / 2
    window = torch.exp(-(distance.square()) / (2 * WINDOW_SIGMA**2))
    weights = (window / window.sum()).tolist()
    for dim in (planes.ndim - 2, planes.ndim - 1):
        places = planes.shape[dim] - WINDOW_SIZE + 1
        planes = sum(weight * planes.narrow(dim, start, places) for start, weight in enumerate(weights))
    return planes
