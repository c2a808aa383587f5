"""What activations learn: their parameters, and for CAReLU the share p and the scale, of each layer over the epochs."""

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from experiments.analysis.evidence import Run, Setting
from experiments.analysis.numbers import fixed, plural
from experiments.report.figures.canvas import Figure, canvas
from experiments.report.figures.style import MUTED, SMALL, text_width
from experiments.report.figures.subject import Subject, describe, finished
from experiments.report.tables import file_name

_PANELS = {
    "alpha": "α",
    "beta": "β",
    "share": "share p of the\npositive values",
    "scale": "scale\nK tanh(α p + β)",
    "weight": "slope for z < 0\n(mean of the layer)",
}
"""Recorded value → label of its axis; others are shown under their own name."""
_NOT_SHOWN = ("share_std",)

_DEPTH = LinearSegmentedColormap.from_list("depth", ["#0b78c2", "#a259b8", "#d35400"])
"""From the first layer to the last; every colour of it can be read on light and dark."""
_MOST_NAMED = 6
"""With more layers than these, a scale of colours stands in place of their names."""

Curves = dict[str, dict[str, dict[int, float]]]
"""Recorded value → layer, in the order of the model → epoch → mean over seeds."""


def learned(subject: Subject, setting: Setting) -> list[Figure]:
    """A figure for each activation of a setting that learns something."""
    by_act = subject.evidence.of(setting, subject.baseline)
    figures = (_figure(subject, setting, act, finished(runs)) for act, runs in by_act.items())
    return [figure for figure in figures if figure]


def _figure(subject: Subject, setting: Setting, act: str, runs: list[Run]) -> Figure | None:
    seeds, curves = _means(subject, runs)
    if not curves:
        return None
    layers = list(next(iter(curves.values())))
    note = f"Mean over {plural(seeds, 'seed')}." if seeds > 1 else "One seed."
    named = {layer: _short_name(layer, layers) for layer in layers}
    drawn = canvas(
        f"{setting.task}: what {act} learns, layer by layer",
        describe(setting),
        note,
        heights=[1.35] * len(curves),
        gap=0.36,
        left=0.85,
        right=0.95 if len(layers) > _MOST_NAMED else max(text_width(n, SMALL) for n in named.values()) + 0.55,
    )
    for axes, (key, by_layer) in zip(drawn.panels, curves.items(), strict=True):
        for place, curve in enumerate(by_layer.values()):
            axes.plot(
                list(curve),
                list(curve.values()),
                color=_colour(place, len(layers)),
                linewidth=1.3,
                marker="o",
                markersize=2.4,
            )
        axes.set_ylabel(_PANELS.get(key, key))
        axes.xaxis.get_major_locator().set_params(integer=True)
    drawn.panels[-1].set_xlabel("epoch")
    _key(drawn.panels[0], list(named.values()))
    return drawn.figure(
        f"{subject.stems[setting]}_learned_{file_name(act)}",
        f"What {act} learns, layer by layer. {note}",
        f"Line charts over the epochs, a line a layer ({plural(len(layers), 'layer')}). At the end: {_ends(curves)}.",
    )


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
    keys = dict.fromkeys(key for values in first.values() for key in values if key not in _NOT_SHOWN)
    curves: Curves = {
        key: {
            layer: {
                epoch: sum(by_epoch[epoch][layer][key] for by_epoch in recorded) / len(recorded) for epoch in epochs
            }
            for layer, values in first.items()
            if key in values
        }
        for key in keys
    }
    return len(recorded), curves


def _colour(place: int, count: int) -> tuple[float, ...]:
    return _DEPTH(place / max(1, count - 1))


def _key(axes: Axes, names: list[str]) -> None:
    """The colours of the layers right of a panel: each with its name, or only the first and the last with words."""
    width, height = axes.figure.get_size_inches() * (axes.get_position().width, axes.get_position().height)
    few = len(names) <= _MOST_NAMED
    step = 0.16 / height if few else 0.85 / len(names)
    words = dict(enumerate(names)) if few else {0: "first layer", len(names) - 1: f"layer {len(names)}"}
    left, right = 1 + 0.18 / width, 1 + 0.34 / width
    for place in range(len(names)):
        y, colour = 1 - place * step, _colour(place, len(names))
        axes.plot([left, right], [y, y], color=colour, transform=axes.transAxes, clip_on=False)
        text = words.get(place, "")
        axes.text(right + 0.06 / width, y, text, size=SMALL, va="center", color=MUTED, transform=axes.transAxes)


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
    return ", ".join(said).replace("\n", " ")
