"""Models that take an activation factory and build one activation module per site."""

from torch import Tensor, nn

IMAGE_DIMS = (1, 2, 3)
"""The dimensions of N×C×H×W that hold one image's pre-activations."""


def activate(activation: nn.Module, z: Tensor, pre_norm: Tensor) -> Tensor:
    """`activation(z)`, with the tensor before normalisation for an activation that measures there."""
    if getattr(activation, "needs_pre_norm", False):
        return activation(z, pre_norm)
    return activation(z)
