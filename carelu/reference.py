"""The reference implementation of CAReLU: eager PyTorch, every reduction in float32.

The kernels are tested against it. It runs where none of them can, and gives the second gradients.

Source: J. Chen and Z. Pan, "Competition-based Adaptive ReLU for Deep Neural Networks",
arXiv 2407.19441. The L1 and count shares follow the paper's words by analogy with its energy share.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Over = str | Sequence[int]

GAIN = 1.5
"""K, the largest absolute scale. The paper does not state its value; 1.5 puts a scale of 1 well
inside the range of tanh, so that training can change it in both directions."""

EPS = 1e-6
"""Added to the norm of the input, so that an all-zero input has share 0 and gradient 0."""


def relu_beta(gain: float = GAIN, alpha: float = 0.0) -> float:
    """The β with gain · tanh(α/2 + β) = 1, so that the scale is 1 at p = ½; with α = 0, CAReLU is then exactly ReLU.

    Raises:
        ValueError: `gain` is 1 or less, so that no β gives a scale of 1.
    """
    if not gain > 1:
        raise ValueError(
            f"gain={gain} cannot start as ReLU at p = 1/2: gain · tanh(alpha / 2 + beta) = 1 needs gain > 1; "
            "take a larger gain, or give beta a number"
        )
    return math.atanh(1 / gain) - alpha / 2


def competition_dims(ndim: int, over: Over) -> tuple[int, ...]:
    """The dimensions over which the elements of an input compete.

    Args:
        ndim: number of dimensions of the input.
        over: "sample" (all but the first), "channel" (all after the second), "feature" (the second
            for four dimensions or more, channels first; otherwise the last), "image_or_token" (of
            three dimensions or fewer the last, so that no token sees another; otherwise all but the
            first), or the dimensions themselves; negative ones count from the end.

    Raises:
        ValueError: an unknown word, or dimensions that the input does not have.
    """
    if isinstance(over, str):
        if over == "sample":
            dims = tuple(range(1, ndim))
        elif over == "channel":
            dims = tuple(range(2, ndim))
        elif over == "feature":
            dims = (1,) if ndim >= 4 else tuple(range(ndim))[-1:]
        elif over == "image_or_token":
            dims = tuple(range(1, ndim)) if ndim >= 4 else tuple(range(ndim))[-1:]
        else:
            raise ValueError(
                f"over={over!r} is unknown; accepted: 'sample', 'channel', 'feature', 'image_or_token' "
                "or a tuple of dimensions"
            )
        if not dims:
            raise ValueError(
                f"over={over!r} leaves no dimension to compete over in an input of {ndim} dimension(s); "
                "add the missing dimension or name the dimensions, for example over=(0,)"
            )
        return dims
    if isinstance(over, int):
        raise ValueError(f"over={over} is one number; a single dimension is written over=({over},)")
    dims = tuple(dim + ndim if dim < 0 else dim for dim in over)
    if not dims or len(set(dims)) < len(dims) or not all(0 <= dim < ndim for dim in dims):
        raise ValueError(
            f"over={tuple(over)} does not name one or more different dimensions of an input of {ndim} dimension(s)"
        )
    return dims


def widen(z: Tensor) -> Tensor:
    """`z` in float32, or unchanged if float64: the precision of every reduction.

    Raises:
        TypeError: `z` is not floating point.
    """
    check_floating_point(z)
    return z if z.dtype == torch.float64 else z.float()


def widest(device: torch.device) -> torch.dtype:
    """The widest floating-point type of a device: float64, but on Apple's GPUs."""
    return torch.float32 if device.type == "mps" else torch.float64


def check_floating_point(z: Tensor) -> None:
    """Raises `TypeError` where `z` is not floating point, with the way out."""
    if z.is_quantized:
        raise TypeError(
            f"CAReLU computes in floating point, got {z.dtype}; leave it out of quantisation: dequantise its input and "
            "quantise its output, or quantise the weights of the layers alone"
        )
    if not z.is_floating_point():
        raise TypeError(f"CAReLU needs a floating-point input, got {z.dtype}; convert it with .float()")


def largest_magnitude(z: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Max |z| over `dims`, 1 where that is 0, as a constant.

    The shares do not depend on a common factor of z (ε is rescaled with it), so dividing by the
    largest magnitude keeps squares and sums finite for every finite input and changes no gradient.
    """
    with torch.no_grad():
        if z.numel() == 0:
            return torch.ones_like(z.sum(dims, keepdim=True))
        largest = z.abs().amax(dims, keepdim=True)
        return torch.where(largest == 0, 1.0, largest)


def energy_share(z: Tensor, *, over: Over = "sample", eps: float = EPS) -> Tensor:
    """Share of the positive values in the energy: Σ max(z, 0)² / (‖z‖² + ε).

    Args:
        z: pre-activations of any shape, floating point.
        over: what competes, see `competition_dims`.
        eps: ε, in the units of z².

    Returns:
        The share, in [0, 1]; float32 (float64 for a float64 input), the shape of `z` with each
        competing dimension kept at size 1.

    Raises:
        TypeError: `z` is not floating point.
        ValueError: `over` does not fit `z`.

    Source: arXiv 2407.19441, the energy competition.
    """
    dims = competition_dims(z.ndim, over)
    z = widen(z)
    largest = largest_magnitude(z, dims)
    z = z / largest
    positive = torch.relu(z).square().sum(dims, keepdim=True)
    return positive / (z.square().sum(dims, keepdim=True) + eps / largest.square())


def l1_share(z: Tensor, *, over: Over = "sample", eps: float = EPS) -> Tensor:
    """Share of the positive values in the L1 norm: Σ max(z, 0) / (‖z‖₁ + ε).

    Arguments, result and errors are those of `energy_share`; `eps` is in the units of z.

    Source: arXiv 2407.19441 names an L1 competition; this formula is ours, by analogy.
    """
    dims = competition_dims(z.ndim, over)
    z = widen(z)
    largest = largest_magnitude(z, dims)
    z = z / largest
    positive = torch.relu(z).sum(dims, keepdim=True)
    return positive / (z.abs().sum(dims, keepdim=True) + eps / largest)


def count_share(z: Tensor, *, over: Over = "sample", eps: float = EPS) -> Tensor:
    """Share of the positive values in the number of values: (1/d) Σ H(z), with H(0) = 0.

    Arguments, result and errors are those of `energy_share`; `eps` is accepted for the common
    signature and not needed. The step function passes no gradient to `z`.

    Source: arXiv 2407.19441 names a Heaviside competition; this formula is ours, by analogy.
    """
    dims = competition_dims(z.ndim, over)
    z = widen(z)
    competitors = math.prod([z.shape[dim] for dim in dims])
    return (z > 0).to(z.dtype).sum(dims, keepdim=True) / max(competitors, 1)


SHARES: dict[str, Callable[..., Tensor]] = {"energy": energy_share, "l1": l1_share, "count": count_share}
"""The competitions by name."""


def competition_scale(share: Tensor, alpha: Tensor | float, beta: Tensor | float, gain: float = GAIN) -> Tensor:
    """The competition-based scale of a share: gain · tanh(α p + β), of the shape and dtype of `share`.

    α and β are numbers or tensors of one element, whose dimensions and dtype the result does not take on.

    Source: arXiv 2407.19441; tanh replaces the discontinuous sign of the winner.
    """
    return gain * torch.tanh(as_number(alpha) * share + as_number(beta))


def as_number(parameter: Tensor | float) -> Tensor | float:
    """`parameter` without its dimensions if it has one element: torch then counts it as a number in a product."""
    if isinstance(parameter, Tensor) and parameter.ndim > 0 and parameter.numel() == 1:
        return parameter.reshape(())
    return parameter


def carelu(
    z: Tensor,
    alpha: Tensor | float,
    beta: Tensor | float,
    *,
    competition: str = "energy",
    gain: float = GAIN,
    over: Over = "sample",
    eps: float = EPS,
    measured: Tensor | None = None,
) -> Tensor:
    """ReLU(s · z) with the scale s = gain · tanh(α p + β), as `carelu.functional.carelu`, without its checks."""
    wide = widen(z)
    share = SHARES[competition](wide if measured is None else measured, over=over, eps=eps)
    return scaled_relu(wide, competition_scale(share, alpha, beta, gain)).to(z.dtype)


def scaled_relu(z: Tensor, scale: Tensor) -> Tensor:
    """ReLU(scale · z) in float32 (float64 for a float64 input), in the dtype of `z`."""
    return torch.relu(scale * widen(z)).to(z.dtype)
