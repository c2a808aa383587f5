"""The response of each activation, y over z, and that of CAReLU at several shares p, computed by the library itself."""

import torch
from matplotlib.axes import Axes

from carelu import CAReLU, activation_names, create_activation
from carelu.functional import carelu
from experiments.analysis.numbers import fixed
from experiments.report.figures.canvas import Figure, canvas
from experiments.report.figures.style import PAPER, SMALL, Look
from experiments.report.figures.subject import Subject, joined
from experiments.report.names import activation_name

_Z = torch.linspace(-3, 3, 241)
_SHARES = {
    0.0: Look("#0b78c2", line=(0, (1, 1))),
    0.25: Look("#6c74d6", line=(0, (3, 1.2, 1, 1.2))),
    0.5: Look("#7b828c", line=(0, (4, 1.5))),
    0.75: Look("#c2497f", line=(0, (8, 1.5))),
    1.0: Look("#d35400"),
}
"""The shares p shown: blue where the negative values win, orange where the positive ones do."""
_KEY = {"fontsize": SMALL + 0.5, "labelcolor": "linecolor", "edgecolor": "none", "facecolor": PAPER, "framealpha": 1}
_SIGN = "carelu_sign"
"""The start as the smoothed sign: there the response depends on p (`carelu` starts as ReLU at every p)."""

_Modules = dict[str, torch.nn.Module]


def response(subject: Subject) -> Figure | None:
    """How activations respond before training: those of single values; CAReLU, started as the smoothed sign.

    None if the library has none of the ledger's activations.
    """
    modules = {act: create_activation(act) for act in subject.looks if act in activation_names()}
    by_value = {act: module for act, module in modules.items() if not isinstance(module, CAReLU)}
    competing = len(by_value) < len(modules)
    if not modules:
        return None
    drawn = canvas(heights=[2.3] * (bool(by_value) + competing), width=3.7, gap=0.6)
    if by_value:
        _values_alone(drawn.panels[0], by_value, subject)
    if competing:
        _by_share(drawn.panels[-1], create_activation(_SIGN))
    for axes in drawn.panels:
        axes.set_ylabel("y")
        axes.set_xlabel("z")
        axes.set_xlim(_Z[0].item(), _Z[-1].item())
    named = ", ".join(map(activation_name, by_value))
    of_shares = "CAReLU at shares p from 0 (all energy negative) to 1 (all energy positive)"
    alt = "; below: ".join([*([named] if by_value else []), *([of_shares] if competing else [])])
    return drawn.figure(
        "responses",
        "Responses before training",
        joined(_of_values(bool(by_value), competing), _of_competition() if competing else ""),
        f"Line charts of y over z: {alt}.",
    )


def _of_values(there: bool, competing: bool) -> str:
    if not there:
        return ""
    return f"{'Top: e' if competing else 'E'}ach activation of a single value; learned slopes at their start."


def _of_competition() -> str:
    sign = create_activation(_SIGN)
    start = f"α = {sign.alpha.item():g}, β = {fixed(sign.beta.item(), 0)}, K = {sign.gain:g}"
    return (
        f"CAReLU at {start}: it scales all values of an input by one factor, which depends on the share p of the "
        "positive values in their energy. Where the factor is negative, the negative values pass with their sign "
        "flipped. The default start is ReLU at every p."
    )


def _values_alone(axes: Axes, modules: _Modules, subject: Subject) -> None:
    for act, module in modules.items():
        look = subject.looks[act]
        with torch.no_grad():
            y = module(_Z).numpy()
        axes.plot(_Z.numpy(), y, label=activation_name(act), **look.line_options(len(_Z)))
    axes.legend(loc="upper left", ncols=1 + (len(modules) > 7), **_KEY)


def _by_share(axes: Axes, sign: CAReLU) -> None:
    for share, look in _SHARES.items():
        with torch.no_grad():
            y = carelu(_Z, sign.alpha, sign.beta, gain=sign.gain, share=torch.tensor(share)).numpy()
        axes.plot(_Z.numpy(), y, color=look.colour, linestyle=look.line, label=f"p = {share:g}")
    axes.legend(loc="upper center", **_KEY)
