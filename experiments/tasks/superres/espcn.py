"""ESPCN: a few convolutions at low resolution and one pixel shuffle, with RGB in and out."""

from torch import Tensor, nn

from carelu import ActivationFactory
from experiments.tasks.activation_sites import IMAGE_DIMS


class ESPCN(nn.Module):
    """Shi et al., Real-time single image and video super-resolution, arXiv 1609.05158.

    Layers and orthogonal initialisation are those of PyTorch's sub-pixel example (four convolutions, the
    gain of ReLU before each activation). That example works on Y alone; here input and output have
    all three channels, so that loss and metrics are comparable across models (our choice).

    Args:
        scale: upscaling factor.
        activation: called once for each of the three sites.
    """

    def __init__(self, scale: int, activation: ActivationFactory):
        super().__init__()
        self.conv1, self.act1 = nn.Conv2d(3, 64, 5, padding=2), activation(64, IMAGE_DIMS)
        self.conv2, self.act2 = nn.Conv2d(64, 64, 3, padding=1), activation(64, IMAGE_DIMS)
        self.conv3, self.act3 = nn.Conv2d(64, 32, 3, padding=1), activation(32, IMAGE_DIMS)
        self.conv4 = nn.Conv2d(32, 3 * scale**2, 3, padding=1)
        self.pixel_shuffle = nn.PixelShuffle(scale)
        for convolution in (self.conv1, self.conv2, self.conv3):
            nn.init.orthogonal_(convolution.weight, nn.init.calculate_gain("relu"))
        nn.init.orthogonal_(self.conv4.weight)

    def forward(self, images: Tensor) -> Tensor:
        """High-resolution RGB N×3×(scale H)×(scale W) for low-resolution RGB N×3×H×W, both in [0, 1]."""
        features = self.act1(self.conv1(images))
        features = self.act2(self.conv2(features))
        features = self.act3(self.conv3(features))
        return self.pixel_shuffle(self.conv4(features)).float()


def espcn(activation: ActivationFactory, scale: int) -> ESPCN:
    """ESPCN with RGB in and out."""
    return ESPCN(scale, activation)
