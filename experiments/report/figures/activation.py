"""The response of one activation with its derivative, computed by the module with its initial parameters."""

import io

import matplotlib.style
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet
from torch import nn

from carelu import CAReLU
from carelu.plotting import Curve, at_share, response_and_derivative
from experiments.report.figures.style import RC

_Z = torch.linspace(-4, 4, 401, dtype=torch.float64)
_SHARES = {0.0: "#0b78c2", 0.25: "#6c74d6", 0.5: "#7b828c", 0.75: "#c2497f", 1.0: "#d35400"}
"""Shares p that are shown, with their colours."""


def activation_plot(module: nn.Module) -> bytes:
    """SVG of y and of ∂y/∂z over z; of an activation with a competition one curve for each share p, held fixed."""
    with matplotlib.style.context(["default", RC]):
        sheet = Sheet(figsize=(7.2, 2.6), layout="constrained")
        FigureCanvasAgg(sheet)
        panels = sheet.subplots(1, 2)
        for label, colour, curve in _curves(module.double()):
            y, slope = response_and_derivative(curve, _Z)
            for axes, line in zip(panels, (y, slope), strict=True):
                axes.plot(_Z.numpy(), line.numpy(), color=colour, label=label)
        for axes, name in zip(panels, ("y", "∂y/∂z"), strict=True):
            axes.set(xlabel="z", ylabel=name, xlim=(-4, 4))
            axes.margins(y=0.08)
        if isinstance(module, CAReLU):
            panels[0].legend(fontsize=8, frameon=False, labelcolor="linecolor")
        content = io.BytesIO()
        sheet.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
        return content.getvalue()


def _curves(module: nn.Module) -> list[tuple[str | None, str, Curve]]:
    """(label, colour, curve) of each line."""
    if not isinstance(module, CAReLU):
        return [(None, "#d35400", module)]
    return [(f"p = {share:g}", colour, at_share(module, share)) for share, colour in _SHARES.items()]
