"""The response of each activation, y over z, and that of CAReLU at several shares p, computed by the library itself."""

import torch
from matplotlib.axes import Axes

from carelu import CAReLU, activation_names, create_activation
from carelu.functional import carelu
from experiments.analysis.numbers import fixed
from experiments.report.figures.canvas import Figure, canvas
from experiments.report.figures.style import PAPER, SMALL
from experiments.report.figures.subject import Subject

_Z = torch.linspace(-3, 3, 241)
_SHARES = {0.0: "#0b78c2", 0.25: "#6c74d6", 0.5: "#7b828c", 0.75: "#c2497f", 1.0: "#d35400"}
"""Shares p that are shown, with their colours: blue where the negative values win, orange where the others do."""
_KEY = {"fontsize": SMALL + 0.5, "labelcolor": "linecolor", "edgecolor": "none", "facecolor": PAPER, "framealpha": 1}
_SIGN = "carelu_sign"
"""The start as the smoothed sign: there the response depends on p (`carelu` starts as ReLU at every p)."""


def response(subject: Subject) -> Figure:
    """How activations answer before any training: those of the ledger, then CAReLU started as the smoothed sign."""
    modules = {act: create_activation(act) for act in subject.looks if act in activation_names()}
    by_value = {act: module for act, module in modules.items() if not isinstance(module, CAReLU)}
    competing = [act for act in modules if act not in by_value]
    sign = create_activation(_SIGN)
    title = f"CAReLU, α = {sign.alpha.item():g}, β = {fixed(sign.beta.item(), 0)}, K = {sign.gain:g}"
    note = (
        "CAReLU scales all values of one input alike, by the share p of "
        "the positive ones in their energy: below the share at which the scale is 0, the negative values pass, with "
        "their sign flipped. act=carelu starts as ReLU at every p."
    )
    drawn = canvas(
        "Responses before training",
        "First: each value alone, learned slopes at their start" if by_value else title,
        note,
        heights=[2.3, 2.3] if by_value else [2.3],
        width=3.7,
        gap=0.75,
    )
    if by_value:
        _values_alone(drawn.panels[0], by_value, subject)
        drawn.panels[-1].set_title(title, loc="left", size=SMALL + 0.5)
    _by_share(drawn.panels[-1], sign)
    for axes in drawn.panels:
        axes.set_ylabel("y")
        axes.set_xlabel("z")
        axes.set_xlim(_Z[0].item(), _Z[-1].item())
    shown = f"{', '.join(by_value)}; below it " if by_value else ""
    return drawn.figure(
        "responses",
        f"Responses before training. {note}",
        f"Line charts of y over z: {shown}CAReLU at shares p from 0, where only negative values pass, sign flipped, "
        f"to 1, where only positive ones do.{' In the ledger: ' + ', '.join(competing) + '.' if competing else ''}",
    )


def _values_alone(axes: Axes, modules: dict[str, torch.nn.Module], subject: Subject) -> None:
    with torch.no_grad():
        for act, module in modules.items():
            look = subject.looks[act]
            axes.plot(_Z.numpy(), module(_Z).numpy(), color=look.colour, linestyle=look.line, label=act)
    axes.legend(loc="upper left", ncols=1 + (len(modules) > 7), **_KEY)


def _by_share(axes: Axes, sign: CAReLU) -> None:
    for share, colour in _SHARES.items():
        with torch.no_grad():
            y = carelu(_Z, sign.alpha, sign.beta, gain=sign.gain, share=torch.tensor(share))
        axes.plot(_Z.numpy(), y.numpy(), color=colour, label=f"p = {share:g}")
    axes.legend(loc="upper center", **_KEY)
