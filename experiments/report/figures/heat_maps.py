"""Heat maps of layer × epoch from what runs recorded of their activations."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import MaxNLocator

from experiments.analysis.numbers import fixed, plural
from experiments.analysis.runs import Run
from experiments.report.figures.canvas import Canvas, canvas
from experiments.report.figures.style import SMALL, text_width
from experiments.report.figures.subject import Subject

Values = Mapping[str, float]
"""Of one layer at one epoch."""
Curves = dict[str, dict[str, dict[int, float]]]
"""Panel → layer, in the order of the model → epoch → mean over seeds."""

_COLOURS = colormaps["cividis"].resampled(12)
"""Its lightness rises evenly, so that it reads the same in black and white."""
_ROW, _LEAST = 0.09, 0.5
"""Height of a layer, and the least of a panel, in inches."""
_MOST_NAMED = 6
"""With more layers than this, only the first and the last are named."""
_NARROW = 1e-3
"""Values whose range is a smaller part of them than this are labelled by their distance from one of them."""
_MOST_EPOCHS = 9
"""With as many columns as this or more, only some are named."""


def recorded(subject: Subject, runs: Sequence[Run]) -> list[dict[int, dict[str, Values]]]:
    """Epoch → layer → values, of each run that recorded its activations at two epochs or more."""
    found = []
    for run in runs:
        records = subject.evidence.metrics_of(run) or ()
        by_epoch = {record["epoch"]: record["activations"] for record in records if record.get("activations")}
        if len(by_epoch) > 1:
            found.append(by_epoch)
    return found


def means(
    runs: Sequence[Mapping[int, Mapping[str, Values]]], values_of: Callable[[Values], Values]
) -> dict[str, dict[str, dict[int, float]]]:
    """The means over runs at the epochs that all of them have, of what all of them recorded.

    Args:
        runs: what `recorded` found.
        values_of: the values to show, by the label of their panel, from those recorded.
    """
    epochs = sorted(set.intersection(*(set(by_epoch) for by_epoch in runs))) if runs else []
    if len(epochs) < 2:
        return {}
    curves: Curves = {}
    for layer in runs[0][epochs[0]]:
        shown = {epoch: [values_of(by_epoch[epoch].get(layer, {})) for by_epoch in runs] for epoch in epochs}
        for key in shown[epochs[0]][0]:
            if all(key in values for of_epoch in shown.values() for values in of_epoch):
                mean = {epoch: math.fsum(v[key] for v in values) / len(runs) for epoch, values in shown.items()}
                curves.setdefault(key, {})[layer] = mean
    return curves


def heat_maps(curves: Curves, norms: Mapping[str, Normalize] | None = None) -> Canvas:
    """A panel a value, a row a layer, a column an epoch.

    Args:
        curves: what is drawn; not empty.
        norms: the scale of colours of a panel; one without has its own, from its least to its largest value.
    """
    ticks = {key: _ticks(_short_names(list(by_layer))) for key, by_layer in curves.items()}
    drawn = canvas(
        heights=[max(_LEAST, _ROW * len(by_layer)) for by_layer in curves.values()],
        gap=0.42,
        left=max(text_width(name, SMALL) for names in ticks.values() for name in names.values()) + 0.3,
        right=0.75,
        above=0.16,
    )
    for axes, (key, by_layer) in zip(drawn.panels, curves.items(), strict=True):
        _heat_map(drawn, axes, by_layer, (norms or {}).get(key))
        axes.set_yticks([place + 0.5 for place in ticks[key]], list(ticks[key].values()), size=SMALL)
        axes.set_title(key, loc="left", size=SMALL + 0.5, pad=3)
    drawn.panels[-1].set_xlabel("epoch")
    return drawn


def seeds_text(count: int) -> str:
    """The sentence of a caption on the seeds behind a heat map."""
    return f"Mean over {plural(count, 'seed')}." if count > 1 else "One seed."


def in_words(curves: Curves) -> str:
    """The alternative text of heat maps: the values at the last epoch."""
    layers = max(len(by_layer) for by_layer in curves.values())
    said = []
    for key, by_layer in curves.items():
        last = [curve[max(curve)] for curve in by_layer.values()]
        said.append(f"{key} from {fixed(min(last), 2)} to {fixed(max(last), 2)}")
    return f"Heat maps over the epochs, a row a layer ({plural(layers, 'layer')}). At the end: {', '.join(said)}."


def _heat_map(drawn: Canvas, axes: Axes, by_layer: dict[str, dict[int, float]], norm: Normalize | None) -> None:
    epochs = list(next(iter(by_layer.values())))
    values = np.array([list(curve.values()) for curve in by_layer.values()])
    mesh = axes.pcolormesh(values, cmap=_COLOURS, norm=norm)
    axes.invert_yaxis()  # the first layer on top
    axes.grid(False)
    named = range(0, len(epochs), 1 + len(epochs) // _MOST_EPOCHS)
    axes.set_xticks([place + 0.5 for place in named], [str(epochs[place]) for place in named])
    scale = drawn.sheet.colorbar(mesh, cax=axes.inset_axes((1.03, 0, 0.04, 1)))
    if isinstance(norm, LogNorm):
        scale.formatter = "{x:g}"
    else:
        scale.locator = MaxNLocator(3)
        if np.ptp(values) < _NARROW * np.abs(values).max():
            scale.formatter.set_useOffset(True)  # 1.00000512 would be cut off
            scale.ax.yaxis.get_offset_text().set_size(SMALL)
    scale.minorticks_off()
    scale.outline.set_visible(False)
    scale.ax.tick_params(labelsize=SMALL)


def _ticks(names: list[str]) -> dict[int, str]:
    """The names of the rows."""
    if len(names) <= _MOST_NAMED:
        return dict(enumerate(names))
    return {0: "first layer", len(names) - 1: f"layer {len(names)}"}


def _short_names(layers: list[str]) -> list[str]:
    """The layers' names without the parts that all of them have."""
    split = [name.split(".") for name in layers]
    width = max(map(len, split))
    differing = [i for i in range(width) if len({tuple(parts[i : i + 1]) for parts in split}) > 1]
    if not differing:
        return layers
    first, last = max(0, differing[0] - 1), differing[-1] + 1
    return [".".join(parts[first:last]) for parts in split]
