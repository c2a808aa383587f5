"""The figure of `scripts/benchmark_activations.py`: bandwidth over size, with that of a copy as upper bound."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis

from experiments.benchmarking.activations_page import label
from experiments.benchmarking.operations import ACCESSES, COPY, Measurement
from experiments.report.figures.canvas import Figure, canvas
from experiments.report.figures.ends import height_for_labels, label_ends, space_for_labels
from experiments.report.figures.style import INK, RC, Look, looks

_READING = (
    "Each point is one of the shapes of the networks; bandwidth counts what must be read and written, 2 tensors "
    "forward and 3 backward, so that a second read shows as a loss. The black line is the copy of a tensor of that "
    "size: the roof of all that is limited by memory. Small tensors stay in a cache, where everything is faster."
)


def bandwidth_figure(rows: Sequence[Measurement], name: str) -> Figure:
    """Bandwidth of forward and backward (of what was measured, if not both) over the size of the input, log-log."""
    directions = {row.direction for row in rows} - {COPY}
    shown = "both" if "both" in directions else sorted(directions)[0]
    rows = [row for row in rows if row.direction in (shown, COPY)]
    settings = list(dict.fromkeys((row.dtype, row.layout) for row in rows))
    acts = {label(row): row.activation for row in rows if row.activation != COPY}
    with matplotlib.style.context(["default", RC]):
        drawn = canvas(
            heights=[height_for_labels([COPY, *acts], usual=2.6)] * len(settings),
            left=0.85,
            gap=0.6,
            right=space_for_labels(acts),
        )
        for axes, setting in zip(drawn.panels, settings, strict=True):
            _panel(axes, [row for row in rows if (row.dtype, row.layout) == setting], _looks(acts))
            axes.set_ylabel(f"GB/s\n{', '.join(setting)}")
        title = f"Bandwidth of activations, {'forward and backward' if shown == 'both' else shown}"
        origin = f"{rows[0].device}, PyTorch {rows[0].torch}, commit {rows[0].git_commit[:10]}."
        return drawn.figure(name, title, f"{origin} {_READING}", _alt(rows, settings))


def _looks(acts: Mapping[str, str]) -> dict[str, Look]:
    """The look of each label, including the copy: that of its activation, with another line for a forced kernel."""
    own, lines = looks(list(acts.values())), itertools.cycle([("o", "--"), ("s", ":"), ("^", "-.")])
    found = {COPY: Look(INK, ".")}
    for each, activation in acts.items():
        look = own[activation]
        marker, line = (look.marker, look.line) if each == activation else next(lines)
        found[each] = Look(look.colour, marker, line)
    return found


def _points(rows: Sequence[Measurement], act: str) -> tuple[list[float], list[float]]:
    """(MiB of the input, bandwidth in GB/s), by size; of shapes of one size the fastest."""
    best: dict[float, float] = {}
    for row in rows:
        if label(row) == act:
            size = row.least_mib / ACCESSES[row.direction]
            best[size] = max(best.get(size, 0.0), _bandwidth(row))
    return sorted(best), [best[size] for size in sorted(best)]


def _bandwidth(row: Measurement) -> float:
    return row.least_mib * 2**20 / row.microseconds / 1000


def _panel(axes: Axes, rows: Sequence[Measurement], look: Mapping[str, Look]) -> None:
    # Logarithms on linear axes, which the placement of labels needs.
    ends, all_sizes, all_bandwidths = {}, [], []
    for act, style in look.items():
        sizes, bandwidths = _points(rows, act)
        if sizes:
            x, y = np.log2(sizes), np.log10(bandwidths)
            axes.plot(x, y, style.marker, linestyle=style.line, color=style.colour, markersize=4, linewidth=1)
            ends[act] = float(y[-1])
            all_sizes, all_bandwidths = all_sizes + sizes, all_bandwidths + bandwidths
    low, high = min(all_bandwidths), max(all_bandwidths)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = [number * 10.0**power for power in powers for number in (1, 2, 5)]
    _mark(axes.yaxis, [mark for mark in marks if low * 0.7 <= mark <= high * 1.4], np.log10)
    powers = range(math.floor(math.log2(min(all_sizes))), math.ceil(math.log2(max(all_sizes))) + 1)
    _mark(axes.xaxis, [2.0**power for power in powers], np.log2)
    axes.set_xlabel("input, MiB")
    label_ends(axes, ends, look)


def _mark(axis: Axis, values: Sequence[float], place: Callable[[Sequence[float]], np.ndarray]) -> None:
    axis.set_ticks(place(values), [f"{value:g}" for value in values])


def _alt(rows: Sequence[Measurement], settings: Sequence[tuple[str, str]]) -> str:
    said = []
    for setting in settings:
        of_setting = [row for row in rows if (row.dtype, row.layout) == setting and row.activation != COPY]
        largest = max(row.least_mib for row in of_setting)
        speeds = (f"{label(r)} {_bandwidth(r):.3g}" for r in of_setting if r.least_mib == largest)
        said.append(f"{', '.join(setting)}, largest input, GB/s: {', '.join(dict.fromkeys(speeds))}")
    return "Line plots of bandwidth over the size of the input. " + "; ".join(said) + "."
