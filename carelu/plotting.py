"""The response of an activation and its derivative, as numbers and, where matplotlib is installed, as a picture."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from carelu.activations import CAReLU
from carelu.registry import create_activation

if TYPE_CHECKING:
    from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]

Curve = Callable[[Tensor], Tensor]

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def response_and_derivative(curve: Curve, z: Tensor) -> tuple[Tensor, Tensor]:
    """(curve(z), its derivative) at each value of `z` separately."""
    z = z.clone().requires_grad_()
    with torch.enable_grad():
        y = curve(z.clone())  # as an activation may overwrite its input
    (slope,) = torch.autograd.grad(y.sum(), z)
    return y.detach(), slope


def at_share(module: CAReLU, share: float) -> Curve:
    """The response of a competition at a fixed share p."""
    return lambda z: torch.relu(module.scale(torch.tensor(share, dtype=z.dtype, device=z.device)) * z)


def empty_figure(width: float, height: float) -> "Figure":
    """A matplotlib figure of that many inches, which no window and no notebook holds.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("a picture needs matplotlib, which carelu does not: pip install matplotlib") from error
    return Figure(figsize=(width, height), layout="constrained")


def plot(activation: str | nn.Module, *, low: float = -4.0, high: float = 4.0, **options: object) -> "Figure":
    """A matplotlib figure of y and ∂y/∂z over z; of CAReLU, one curve for each of five shares p, held fixed.

        carelu.plot("carelu", alpha=2.0, beta=-1.0).savefig("carelu.svg")

    Args:
        activation: a registered name, or a module that works element by element, with its learned parameters.
        low: where z begins.
        high: where z ends.
        **options: of the activation, where `activation` is a name.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: an unknown name or option, options beside a module, or an empty range.
    """
    if isinstance(activation, nn.Module) and options:
        raise ValueError(f"options {', '.join(options)} are for a name; the module {activation} has its own")
    if not low < high:
        raise ValueError(f"low={low} and high={high} are no range; low must be smaller")
    module = create_activation(activation, **options) if isinstance(activation, str) else activation
    figure = empty_figure(width=7.2, height=2.6)
    panels = figure.subplots(1, 2)
    parameter = next(module.parameters(), torch.empty(0))
    z = torch.linspace(low, high, 401, dtype=parameter.dtype, device=parameter.device)
    for label, curve in _curves(module):
        for axes, values in zip(panels, response_and_derivative(curve, z), strict=True):
            axes.plot(z.tolist(), values.tolist(), label=label)
    for axes, name in zip(panels, ("y", "∂y/∂z"), strict=True):
        axes.set(xlabel="z", ylabel=name, xlim=(low, high))
    if isinstance(module, CAReLU):
        panels[0].legend(frameon=False)
    return figure


def _curves(module: nn.Module) -> list[tuple[str | None, Curve]]:
    if not isinstance(module, CAReLU):
        return [(None, module)]
    return [(f"p = {share:g}", at_share(module, share)) for share in SHARES]
