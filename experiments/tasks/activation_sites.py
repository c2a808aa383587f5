"""Models that take an activation factory and build one activation module per site."""

from dataclasses import dataclass

from torch import Tensor, nn

from carelu import ActivationFactory
from carelu.functional import competition_dims

IMAGE_DIMS = (1, 2, 3)
"""The dimensions of N×C×H×W that hold one image's pre-activations."""


def activate(activation: nn.Module, z: Tensor, pre_norm: Tensor) -> Tensor:
    """`activation(z)`, with the tensor before normalisation for an activation that measures there."""
    if getattr(activation, "needs_pre_norm", False):
        return activation(z, pre_norm)
    return activation(z)


@dataclass(frozen=True)
class TextShape:
    """The properties of the data that a text classifier needs.

    Args:
        vocabulary_size: number of different token ids.
        padding_id: the token id that fills batches up.
        max_length: tokens in a row of a batch, at most.
        texts: 1 for single texts, 2 for pairs.
        classes: number of logits.
    """

    vocabulary_size: int
    padding_id: int
    max_length: int
    texts: int
    classes: int


def activation_over_features(activation: ActivationFactory, features: int, ndim: int) -> nn.Module:
    """A new activation for pre-activations whose last dimension holds the features of one token or text.

    Args:
        activation: the factory.
        features: size of the last dimension.
        ndim: number of dimensions: 3 for tokens N×L×D, 2 for whole texts N×D.

    Raises:
        ValueError: the activation cannot be used there, or its competition would include padding or the other
            texts of a batch, which would then change a result.
    """
    module = activation(features, sample_dims=(ndim - 1,))
    over = getattr(module, "over", None)
    if over is not None and competition_dims(ndim, over) != (ndim - 1,):
        raise ValueError(
            f"over={over!r} lets padding and other tokens into the competition; for text use over='sample' or 'feature'"
        )
    return module
