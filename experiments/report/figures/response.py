"""Responses with their derivatives at the start that is compared, computed by the library itself.

Activations of single values share one figure. A competition whose start depends on the share p has its own, with a
curve for each share.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from torch import nn

from carelu import CAReLU, activation_names, create_activation
from carelu.plotting import Curve, at_share, response_and_derivative
from experiments.analysis.evidence import Evidence
from experiments.analysis.numbers import fixed
from experiments.analysis.runs import Run
from experiments.configuration.identity import under
from experiments.record.environment import activation_hash
from experiments.record.labels import ACTIVATION
from experiments.report.figures.canvas import EDGE, Canvas, Figure, canvas
from experiments.report.figures.style import PAPER, SMALL, Look, short, text_width
from experiments.report.figures.subject import Subject, joined
from experiments.report.names import activation_name
from experiments.report.tables import file_name

_Z = torch.linspace(-3, 3, 240, dtype=torch.float64)
"""Without 0, where many a response has a kink."""
SHARES = {
    0.0: Look("#0b78c2", "v", (0, (1, 1))),
    0.25: Look("#6c74d6", "s", (0, (3, 1.2, 1, 1.2))),
    0.5: Look("#7b828c", "o", (0, (4, 1.5))),
    0.75: Look("#c2497f", "D", (0, (8, 1.5))),
    1.0: Look("#d35400", "^"),
}
"""The shares p shown: blue where the negative values win, orange where the positive ones do."""
_MEASURES = {"energy": "energy", "l1": "absolute values", "count": "number"}
"""What the share p is measured in, by the option `competition`."""
_HEIGHTS = (2.3, 1.5)
"""Of the response and of its derivative, in inches."""


@dataclass(frozen=True)
class Line:
    """One curve of a figure."""

    label: str
    look: Look
    curve: Curve


def responses(subject: Subject) -> list[Figure]:
    """The figure of all activations that respond to single values, and one of each competition.

    Activations that cannot be imported, or that a line of values cannot be given to, have none; the caption names them.
    """
    modules = started_modules(subject.evidence, subject.acts())
    competing = {act: module for act, module in modules.items() if competes(module)}
    alone = {act: module for act, module in modules.items() if act not in competing}
    missing = [act for act in subject.acts() if act not in modules]
    figures = [of_values(subject, alone, missing)] if alone else []
    return [*figures, *(_of_shares(act, module) for act, module in competing.items())]


def draw_lines(drawn: Canvas, lines: Sequence[Line]) -> None:
    """Draws y of each line in the first panel, ∂y/∂z in the second if there is one, and the key on the right."""
    for line in lines:
        curves = response_and_derivative(line.curve, _Z)
        for axes, values in zip(drawn.panels, curves, strict=False):
            axes.plot(_Z.numpy(), values.numpy(), label=line.label, **line.look.line_options(len(_Z)))
    for axes, name in zip(drawn.panels, ("y", "∂y/∂z"), strict=False):
        axes.set_ylabel(name)
        axes.set_xlim(_Z[0].item(), _Z[-1].item())
    drawn.panels[-1].set_xlabel("z")
    _key(drawn.panels[0])


def lines_of_shares(module: CAReLU) -> list[Line]:
    """A line for each share p."""
    return [Line(f"p = {share:g}", look, at_share(module, share)) for share, look in SHARES.items()]


def canvas_for(labels: Sequence[str], derivative: bool = True) -> Canvas:
    """An empty canvas for a response, and below it its derivative, with room for the key on the right."""
    key = max(text_width(label, SMALL + 0.5) for label in labels) + 0.62 + EDGE
    lines = sum(label.count("\n") + 1 for label in labels)
    heights = [max(_HEIGHTS[0], 0.19 * lines), *([_HEIGHTS[1]] if derivative else [])]
    return canvas(heights=heights, width=3.4, right=key, gap=0.32)


def start_text(module: CAReLU) -> str:
    """`α = 2, β = −1, K = 1.5`."""
    values = {"α": module.alpha.item(), "β": module.beta.item(), "K": module.gain}
    return ", ".join(f"{name} = {fixed(value, 3).rstrip('0').rstrip('.')}" for name, value in values.items())


def started_modules(evidence: Evidence, acts: Sequence[str]) -> dict[str, nn.Module]:
    """Each activation with the options of its runs; without those whose response to single values is not known."""
    runs = {act: next(run for run in evidence.runs if run.act == act) for act in acts}
    found = {act: _started(evidence, run) for act, run in runs.items()}
    return {act: module for act, module in found.items() if module is not None}


def _started(evidence: Evidence, run: Run) -> nn.Module | None:
    if not _is_registered(evidence, run):
        return None
    try:
        module = create_activation(run.act_name, **_options(evidence, run)).double()
        with torch.no_grad():
            return module if isinstance(module, CAReLU) or module(_Z).shape == _Z.shape else None
    except Exception:  # an activation of someone's own may refuse a line of values in any way
        return None


def _is_registered(evidence: Evidence, run: Run) -> bool:
    """Whether the activation of a run is known, if need be after importing the module that its configuration names."""
    if run.act_name in activation_names():
        return True
    package = _act_config(evidence, run).get("package")
    try:
        importlib.import_module(package or "")
        own = type(create_activation(run.act_name))
    except Exception:  # a module of someone's own may be elsewhere, or raise anything
        return False
    return activation_hash(own) == run.activation_hash


def _act_config(evidence: Evidence, run: Run) -> dict[str, object]:
    return (evidence.config_of(run) or {}).get("act") or {}


def _options(evidence: Evidence, run: Run) -> dict[str, object]:
    """All options, which a default of today may not be; where the configuration is not there, those that were set."""
    if configured := _act_config(evidence, run).get("options"):
        return configured
    prefix = f"{ACTIVATION}."
    return {key.removeprefix(prefix): value for key, value in run.overrides.items() if under(key, (ACTIVATION,))}


def competes(module: nn.Module) -> bool:
    """Whether its scale depends on the share p."""
    if not isinstance(module, CAReLU):
        return False
    with torch.no_grad():
        scales = module.scale(torch.tensor([*SHARES], dtype=torch.float64))
    return bool(scales.max() - scales.min() > 1e-6)


def of_values(subject: Subject, modules: dict[str, nn.Module], missing: Sequence[str] = ()) -> Figure:
    """The responses of activations to single values, with their derivatives; `missing` are named in the caption."""
    lines = [
        Line(short(act), subject.looks[act], at_share(module, 0.5) if isinstance(module, CAReLU) else module)
        for act, module in modules.items()
    ]
    drawn = canvas_for([line.label for line in lines])
    draw_lines(drawn, lines)
    named = ", ".join(map(activation_name, modules))
    constant = [act for act, module in modules.items() if isinstance(module, CAReLU)]
    return drawn.figure(
        "responses",
        "Responses at the start of training",
        joined(
            "Top: y over z. Bottom: its derivative. Learned parameters at their start.",
            _constant(constant),
            _not_drawn(missing),
        ),
        f"Line charts of y and of its derivative over z: {named}.",
    )


def _not_drawn(acts: Sequence[str]) -> str:
    if not acts:
        return ""
    named = ", ".join(map(activation_name, acts))
    return (
        f"Not drawn: {named}, of which no response to single values can be computed here. The module of an activation "
        "of one's own must be on PYTHONPATH, unchanged since its runs."
    )


def _constant(acts: Sequence[str]) -> str:
    if not acts:
        return ""
    named = " and ".join(map(activation_name, acts))
    verb = "start" if len(acts) > 1 else "starts"
    return f"{named} {verb} with one scale for every share p of the positive side, and so without a competition."


def _of_shares(act: str, module: CAReLU) -> Figure:
    lines = lines_of_shares(module)
    drawn = canvas_for([line.label for line in lines])
    draw_lines(drawn, lines)
    name = activation_name(act)
    return drawn.figure(
        f"response_{file_name(act)}",
        f"Response of {name} at the start of training",
        f"At {start_text(module)}. {competition_text(module)} The derivative is that at a fixed p.",
        f"Line charts of y and of its derivative over z: {name} at shares p from 0 (the negative side has all energy) "
        "to 1 (the positive side has all).",
    )


def competition_text(module: CAReLU) -> str:
    """How to read the curves of a competition."""
    return (
        "One scale K tanh(α p + β) multiplies all values of an input before ReLU; p is the share of the positive "
        f"values in their {_MEASURES[module.competition]}. Where the scale is negative, the negative values pass with "
        "their sign flipped."
    )


def _key(axes: Axes) -> None:
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.02, 1.03),
        fontsize=SMALL + 0.5,
        labelcolor="linecolor",
        edgecolor="none",
        facecolor=PAPER,
        handlelength=2.6,
        borderpad=0,
    )
