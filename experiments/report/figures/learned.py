"""What activations learn, as heat maps of layer × epoch: parameters; for CAReLU also the share p and the scale."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from experiments.analysis.evidence import Run, Setting
from experiments.analysis.numbers import fixed, plural
from experiments.report.figures.canvas import Canvas, Figure, canvas
from experiments.report.figures.style import SMALL, text_width
from experiments.report.figures.subject import Subject, describe, finished, joined
from experiments.report.names import activation_name, task_name
from experiments.report.tables import file_name

_PANELS = {
    "alpha": "α",
    "beta": "β",
    "share": "share p of the positive values",
    "scale": "scale K tanh(α p + β)",
    "scale_std": "spread of the scale over inputs (standard deviation)",
    "flipped": "part of the inputs in which the negative side wins",
    "response_distance": "distance from ReLU, ‖f(z) − relu(z)‖ / ‖relu(z)‖",
    "weight": "slope for z < 0 (mean of the layer)",
}
"""Recorded value → its label; others are shown under their own name."""
_NOT_SHOWN = ("share_std", "scale_min", "scale_max")
_NOT_LEARNED = {"response_distance"}
"""Recorded of every activation, so that it makes no figure of what one has learned."""
_COLOURS = colormaps["cividis"].resampled(12)
"""Its lightness rises evenly, so that it reads the same in black and white."""
_ROW, _LEAST = 0.09, 0.5
"""Height of a layer, and the least of a panel, in inches."""
_MOST_NAMED = 6
"""With more layers than this, only the first and the last are named."""

Curves = dict[str, dict[str, dict[int, float]]]
"""Recorded value → layer, in the order of the model → epoch → mean over seeds."""


def learned(subject: Subject, setting: Setting) -> list[Figure]:
    """A figure for each activation of a setting with learned parameters."""
    by_act = subject.evidence.of(setting, subject.baseline)
    figures = (_figure(subject, setting, act, finished(runs)) for act, runs in by_act.items())
    return [figure for figure in figures if figure]


def _figure(subject: Subject, setting: Setting, act: str, runs: list[Run]) -> Figure | None:
    seeds, curves = _means(subject, runs)
    if not curves:
        return None
    layers = list(next(iter(curves.values())))
    names = _ticks([_short_name(layer, layers) for layer in layers])
    drawn = canvas(
        heights=[max(_LEAST, _ROW * len(by_layer)) for by_layer in curves.values()],
        gap=0.42,
        left=max(text_width(name, SMALL) for name in names.values()) + 0.3,
        right=0.75,
        above=0.16,
    )
    for axes, (key, by_layer) in zip(drawn.panels, curves.items(), strict=True):
        _heat_map(drawn, axes, by_layer)
        axes.set_yticks(list(names), list(names.values()), size=SMALL)
        axes.set_title(_PANELS.get(key, key), loc="left", size=SMALL + 0.5, pad=3)
    drawn.panels[-1].set_xlabel("epoch")
    return drawn.figure(
        f"{subject.stems[setting]}_learned_{file_name(act)}",
        f"{task_name(setting.task)}: what {activation_name(act)} learns in each layer",
        joined(describe(setting), f"Mean over {plural(seeds, 'seed')}." if seeds > 1 else "One seed."),
        f"Heat maps over the epochs, a row a layer ({plural(len(layers), 'layer')}). At the end: {_ends(curves)}.",
    )


def _heat_map(drawn: Canvas, axes: Axes, by_layer: dict[str, dict[int, float]]) -> None:
    epochs = list(next(iter(by_layer.values())))
    values = np.array([list(curve.values()) for curve in by_layer.values()])
    mesh = axes.pcolormesh(epochs, range(len(by_layer)), values, cmap=_COLOURS, shading="nearest")
    axes.invert_yaxis()  # the first layer on top
    axes.grid(False)
    axes.xaxis.get_major_locator().set_params(integer=True)
    scale = drawn.sheet.colorbar(mesh, cax=axes.inset_axes((1.03, 0, 0.04, 1)))
    scale.locator = MaxNLocator(3)
    scale.outline.set_visible(False)
    scale.ax.tick_params(labelsize=SMALL)


def _ticks(names: list[str]) -> dict[int, str]:
    """The names of the rows."""
    if len(names) <= _MOST_NAMED:
        return dict(enumerate(names))
    return {0: "first layer", len(names) - 1: f"layer {len(names)}"}


def _means(subject: Subject, runs: list[Run]) -> tuple[int, Curves]:
    """How many runs recorded something, and the means over them at the epochs that all of them have."""
    recorded = [
        {
            record["epoch"]: record["activations"]
            for record in subject.evidence.metrics_of(run) or ()
            if record.get("activations")
        }
        for run in runs
    ]
    recorded = [by_epoch for by_epoch in recorded if by_epoch]
    epochs = sorted(set.intersection(*(set(by_epoch) for by_epoch in recorded))) if recorded else []
    if len(epochs) < 2:
        return len(recorded), {}
    first = recorded[0][epochs[0]]
    in_all = {
        layer: [
            key
            for key in first[layer]
            if all(key in by_epoch[e].get(layer, ()) for by_epoch in recorded for e in epochs)
        ]
        for layer in first
    }
    keys = dict.fromkeys(key for known in in_all.values() for key in known if key not in _NOT_SHOWN)
    if keys.keys() <= _NOT_LEARNED:
        return len(recorded), {}
    curves: Curves = {
        key: {
            layer: {
                epoch: sum(by_epoch[epoch][layer][key] for by_epoch in recorded) / len(recorded) for epoch in epochs
            }
            for layer, known in in_all.items()
            if key in known
        }
        for key in keys
    }
    return len(recorded), curves


def _short_name(layer: str, layers: list[str]) -> str:
    """A layer's name without the parts that all layers have."""
    parts = [name.split(".") for name in layers]
    own = layer.split(".")
    same = [len({tuple(p[i : i + 1]) for p in parts}) == 1 for i in range(len(own))]
    differing = [i for i, equal in enumerate(same) if not equal]
    if not differing:
        return layer
    start = differing[0]
    return ".".join(own[max(0, start - 1) : differing[-1] + 1])


def _ends(curves: Curves) -> str:
    said = []
    for key, by_layer in curves.items():
        last = [curve[max(curve)] for curve in by_layer.values()]
        said.append(f"{_PANELS.get(key, key)} from {fixed(min(last), 2)} to {fixed(max(last), 2)}")
    return ", ".join(said)
