"""The picture of the first screen of a page: how its subject responds."""

from dataclasses import dataclass, replace

import matplotlib.style

from carelu import CAReLU
from experiments.report.figures.canvas import Figure
from experiments.report.figures.response import (
    canvas_for,
    competes,
    competition_text,
    draw_lines,
    lines_of_shares,
    of_values,
    start_text,
    started_modules,
)
from experiments.report.figures.style import RC
from experiments.report.figures.subject import Subject
from experiments.report.names import activation_name

_EXAMPLE = {"alpha": 2.0, "beta": -1.0}
"""A start at which the scale depends on p, shown where that of the runs has no competition."""
_SHARES = {
    "energy": "p = Σ max(z, 0)² / Σ z²",
    "l1": "p = Σ max(z, 0) / Σ |z|",
    "count": "p = the part of the z that are positive",
}


@dataclass(frozen=True)
class Opening:
    """A picture, and for a competition its formula, a line each."""

    figure: Figure
    formula: tuple[str, ...] = ()


def opening(subject: Subject) -> Opening | None:
    """A competition with its formula, where one is compared; else the responses of all shown.

    None where the library has none of the activations.
    """
    modules = started_modules(subject.evidence, subject.acts())
    compared = [act for act, module in modules.items() if isinstance(module, CAReLU) and act != subject.baseline]
    compared.sort(key=lambda act: not competes(modules[act]))
    with matplotlib.style.context(["default", RC]):
        if compared:
            return _of_competition(compared[0], modules[compared[0]])
        missing = [act for act in subject.acts() if act not in modules]
        return Opening(replace(of_values(subject, modules, missing), name="opening")) if modules else None


def _of_competition(act: str, module: CAReLU) -> Opening:
    competing = competes(module)
    shown = module if competing else CAReLU(competition=module.competition, gain=module.gain, **_EXAMPLE).double()
    lines = lines_of_shares(shown)
    drawn = canvas_for([line.label for line in lines], derivative=False)
    draw_lines(drawn, lines)
    name = activation_name(act)
    figure = drawn.figure(
        "opening",
        f"How {name} responds",
        f"{'At the start of training' if competing else 'An example'}, {start_text(shown)}. {competition_text(shown)}",
        f"Line chart of y over z for {name} at shares p of the positive side from 0 to 1.",
    )
    return Opening(figure, (f"{activation_name('carelu')}(z) = ReLU(K tanh(α p + β) · z)", _SHARES[module.competition]))
