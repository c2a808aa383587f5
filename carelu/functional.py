"""CAReLU and the shares of its competition as functions."""

from collections.abc import Sequence

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
    measured: Tensor | None = None,
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
        measured: the tensor that p is measured on instead of `z`, floating point, of the shape of `z`
            or one whose share broadcasts to it.

    Returns:
        A tensor of the shape and dtype of `z`. Its gradients are finite while gain · Σ |g · z|, with g the
        incoming gradient, is finite in float32 (float64 for a float64 input).

    Raises:
        TypeError: `z` or `measured` is not floating point.
        ValueError: an unknown competition, an `over` that does not fit `z`, a `share` that does
            not broadcast to it, or both `share` and `measured`.

    Source: arXiv 2407.19441; the values of K, ε and the start of α and β are ours.
    """
    check_floating_point(z)
    if share is not None:
        if measured is not None:
            raise ValueError("share and measured are both given; give the share, or the tensor to measure it on")
        _check_broadcast(share.shape, z)
        return scaled_relu(z, competition_scale(share, alpha, beta, gain))
    if competition not in SHARES:
        raise ValueError(f"competition={competition!r} is unknown; accepted: {', '.join(SHARES)}")
    source = z if measured is None else measured
    settings = Settings(competition, competition_dims(source.ndim, over), gain, eps)
    if measured is None:
        return kernels.carelu(z, alpha, beta, settings)
    if not measured.is_floating_point():
        raise TypeError(f"measured is {measured.dtype}, and a share needs floating point; convert it with .float()")
    _check_broadcast([1 if dim in settings.dims else size for dim, size in enumerate(measured.shape)], z)
    return kernels.measured_carelu(z, measured, alpha, beta, settings)


def _check_broadcast(shape: Sequence[int], z: Tensor) -> None:
    if len(shape) > z.ndim or any(
        size not in (1, target) for size, target in zip(reversed(shape), reversed(z.shape), strict=False)
    ):
        raise ValueError(f"share of shape {tuple(shape)} does not broadcast to an input of shape {tuple(z.shape)}")
