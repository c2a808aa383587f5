"""CAReLU and the shares of its competition as functions."""

from torch import Tensor

from carelu import kernels
from carelu.kernels.autograd_function import Settings
from carelu.reference import (
    EPS,
    GAIN,
    SHARES,
    Over,
    check_floating_point,
    competition_dims,
    competition_scale,
    count_share,
    energy_share,
    l1_share,
    relu_beta,
    scaled_relu,
)
from carelu.reference import carelu as reference

__all__ = [
    "EPS",
    "GAIN",
    "SHARES",
    "Over",
    "carelu",
    "competition_dims",
    "competition_scale",
    "count_share",
    "energy_share",
    "l1_share",
    "reference",
    "relu_beta",
]


def carelu(
    z: Tensor,
    alpha: Tensor | float,
    beta: Tensor | float,
    *,
    competition: str = "energy",
    gain: float = GAIN,
    over: Over = "sample",
    eps: float = EPS,
    share: Tensor | None = None,
) -> Tensor:
    """CAReLU(z) = ReLU(s · z) with the scale s = gain · tanh(α p + β) and p the share of the positive values.

    A positive scale passes the positive values; a negative one passes the negative values, with
    their sign flipped.

    Args:
        z: pre-activations of any shape, floating point.
        alpha: α, slope of the scale in the share; a number or a tensor of one element.
        beta: β, offset of the scale; likewise.
        competition: how p is measured: "energy", "l1" or "count".
        gain: K, the largest absolute scale.
        over: what competes, see `competition_dims`.
        eps: ε of the share.
        share: a precomputed p, of a shape that broadcasts to that of `z`; then `competition`,
            `over` and `eps` are not used.

    Returns:
        A tensor of the shape and dtype of `z`. Its gradients are finite while gain · Σ |g · z|, with g the
        incoming gradient, is finite in float32 (float64 for a float64 input).

    Raises:
        TypeError: `z` is not floating point.
        ValueError: an unknown competition, an `over` that does not fit `z`, or a `share` that does
            not broadcast to it.

    Source: arXiv 2407.19441; the values of K, ε and the start of α and β are ours.
    """
    check_floating_point(z)
    if share is None:
        if competition not in SHARES:
            raise ValueError(f"competition={competition!r} is unknown; accepted: {', '.join(SHARES)}")
        return kernels.carelu(z, alpha, beta, Settings(competition, competition_dims(z.ndim, over), gain, eps))
    if share.ndim > z.ndim or any(
        size not in (1, target) for size, target in zip(reversed(share.shape), reversed(z.shape), strict=False)
    ):
        raise ValueError(
            f"share of shape {tuple(share.shape)} does not broadcast to an input of shape {tuple(z.shape)}"
        )
    return scaled_relu(z, competition_scale(share, alpha, beta, gain))
