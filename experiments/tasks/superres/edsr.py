"""EDSR: residual blocks without normalisation at low resolution, then a pixel-shuffle up-sampler."""

import torch
from torch import Tensor, nn

from carelu import ActivationFactory
from experiments.tasks.activation_sites import IMAGE_DIMS

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean RGB of the DIV2K training images scaled to [0, 1], as published with EDSR."""


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class ResidualBlock(nn.Module):
    """Convolution, activation, convolution, and the input added unscaled."""

    def __init__(self, features: int, activation: ActivationFactory):
        super().__init__()
        self.conv1 = _convolution(features, features)
        self.act = activation(features, IMAGE_DIMS)
        self.conv2 = _convolution(features, features)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.act(self.conv1(x)))


def _upsampler(features: int, scale: int) -> nn.Sequential:
    """×2 and ×3 in one step of convolution and pixel shuffle, ×4 as two steps of ×2."""
    steps = [2, 2] if scale == 4 else [scale]
    return nn.Sequential(
        *(layer for step in steps for layer in (_convolution(features, features * step**2), nn.PixelShuffle(step)))
    )


class EDSR(nn.Module):
    """Lim et al., Enhanced deep residual networks for single image super-resolution, arXiv 1707.02921.

    Weights are initialised as torch's layers do. The residuals are not scaled, as in the published
    baseline.

    Args:
        scale: upscaling factor: 2, 3 or 4.
        blocks: number of residual blocks, each with one activation.
        features: channels at low resolution.
        pixel_range: the value of white inside the network; published: 255.
        activation: called once per block.
    """

    def __init__(self, scale: int, blocks: int, features: int, pixel_range: float, activation: ActivationFactory):
        super().__init__()
        self.pixel_range = pixel_range
        self.register_buffer("mean", torch.tensor(DIV2K_MEAN).view(1, 3, 1, 1))
        self.head = _convolution(3, features)
        self.blocks = nn.Sequential(*(ResidualBlock(features, activation) for _ in range(blocks)))
        self.body_end = _convolution(features, features)
        self.upsampler = _upsampler(features, scale)
        self.tail = _convolution(features, 3)

    def forward(self, images: Tensor) -> Tensor:
        """High-resolution RGB N×3×(scale H)×(scale W) for low-resolution RGB N×3×H×W, both in [0, 1]."""
        features = self.head((images - self.mean) * self.pixel_range)
        features = features + self.body_end(self.blocks(features))
        # float32 before the shift: bfloat16 has fewer steps near white than an image has grey levels.
        return self.tail(self.upsampler(features)).float() / self.pixel_range + self.mean


def edsr(
    activation: ActivationFactory, scale: int, blocks: int = 16, features: int = 64, pixel_range: float = 255.0
) -> EDSR:
    """EDSR; by default the published baseline."""
    return EDSR(scale, blocks, features, pixel_range, activation)
