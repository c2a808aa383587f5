"""How every figure looks: its colours, its fonts, one look per activation, and labels that do not overlap.

Every colour has a contrast of 3 : 1 or more on white and on the page's dark ground, so that one picture serves both.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TypeVar
from zlib import crc32

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from scipy.optimize import isotonic_regression

from experiments.report.names import activation_name

Choice = TypeVar("Choice")

INK, MUTED, FAINT, PAPER = "#1b1f24", "#5c6570", "#d4d9df", "#ffffff"
"""Colours of text, of secondary text, of thin lines and of the ground; the page replaces them in its dark mode."""

TEXT, SMALL = 9.5, 8.0
"""Sizes of letters in points."""
LINE_HEIGHT = 1.3
"""Of text, in font sizes."""

RC = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same letters
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": SMALL + 0.5,
    "xtick.labelsize": SMALL + 0.5,
    "ytick.labelsize": SMALL + 0.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.5,
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": True,
    "svg.fonttype": "path",  # letters as outlines: no font needed
    "pdf.fonttype": 42,  # TrueType, which journals ask for
    "svg.hashsalt": "carelu",  # reproducible ids
}
"""Settings of matplotlib that differ from its defaults."""


_SOLID, _LONG, _DASHED, _DOTTED = "-", (0, (8, 1.5)), (0, (4, 1.5)), (0, (1, 1))
_DASHDOT, _DASHDOTDOT = (0, (5, 1.2, 1, 1.2)), (0, (5, 1.2, 1, 1.2, 1, 1.2))


@dataclass(frozen=True)
class Look:
    """Colour, marker and line style of one activation: lines differ without the colour."""

    colour: str
    marker: str = "o"
    line: str | tuple[int, tuple[float, ...]] = _SOLID

    def line_options(self, points: int) -> dict[str, object]:
        """How matplotlib draws a line of so many points, with a few markers on it."""
        return {
            "color": self.colour,
            "linestyle": self.line,
            "marker": self.marker,
            "markersize": 3.5,
            "markevery": max(1, points // 6),
        }


KNOWN = {
    "relu": Look("#7b828c", "o", _SOLID),
    "carelu": Look("#d35400", "D", _LONG),
    "carelu(alpha=0)": Look("#8a2f14", ">", _DASHED),
    "prelu": Look("#0b78c2", "s", _DASHED),
    "gelu": Look("#00896b", "^", _DASHDOT),
    "swish": Look("#a259b8", "v", _DOTTED),
    "leaky_relu": Look("#8d6e4f", "p", _DASHDOTDOT),
    "elu": Look("#5f8f1f", "h", _LONG),
    "selu": Look("#3f8fa6", "8", _DASHED),
    "mish": Look("#6c74d6", "P", _DASHDOT),
    "carelu_sign": Look("#c2497f", "<", _DASHDOTDOT),
    "carelu_l1": Look("#b07a00", ">", _DASHED),
    "carelu_count": Look("#c0504d", "X", _DOTTED),
    "carelu_pre_norm": Look("#1f7a1f", "d", _DASHDOT),
}
"""Activations that look the same in every figure of every ledger."""

_COLOURS = (
    *("#327085", "#dc7486", "#5a4cf6", "#3fa67b", "#aa84bd", "#f3124a", "#1295f3", "#a812f3"),
    *("#b28c70", "#f64caf", "#6f5da8", "#8a9550", "#8f86f9", "#f65a4c", "#126ff3", "#95508a"),
    *("#696f2a", "#7692cb", "#cb0bbb", "#b2707b", "#c869f7", "#08a008", "#8e5af6", "#da0b0b"),
    *("#f312f3", "#e90c8d", "#8a43d0", "#c76ba8", "#d350c8", "#b24ce5", "#b82e95", "#cd12f3"),
)
"""For all other activations: each differs from the others and from those above by 0.07 or more in OKLab.

The first 16, by 0.075 or more, are taken first.
"""
_MARKERS = "os^vDPXph8<>d*H"
_LINES = (_SOLID, _DASHED, _DASHDOT, _DOTTED, _LONG, _DASHDOTDOT)


def looks(acts: Sequence[str]) -> dict[str, Look]:
    """A look for each label of an activation: its fixed one, else one that its name chooses among the free ones.

    So a label looks the same in most ledgers, and in each differs from all others there: in its colour among the
    first 32 without a fixed look, in marker and line among more.
    """
    found = {act: KNOWN[act] for act in acts if act in KNOWN}
    of_known = {(look.marker, look.line) for look in KNOWN.values()}
    combinations = [pair for pair in product(_MARKERS, _LINES) if pair not in of_known]
    for act in sorted(set(acts) - KNOWN.keys()):
        colours = Counter(look.colour for look in found.values())
        pairs = Counter((look.marker, look.line) for look in found.values())
        markers = Counter(look.marker for look in found.values())
        colour = min(_from(act, _COLOURS[:16]) + _from(act, _COLOURS[16:]), key=colours.__getitem__)
        marker, line = min(_from(act, combinations), key=lambda pair: (pairs[pair], markers[pair[0]]))
        found[act] = Look(colour, marker, line)
    return {act: found[act] for act in acts}


def _from(word: str, choices: Sequence[Choice]) -> list[Choice]:
    """The choices from a place on that depends on the word alone."""
    start = crc32(word.encode()) % len(choices)
    return [*choices[start:], *choices[:start]]


@lru_cache
def text_width(text: str, size: float = TEXT) -> float:
    """Width in inches of the widest line of a text."""
    lines = [line for line in text.split("\n") if line.strip()]
    font = FontProperties(family=RC["font.family"])
    return max((TextPath((0, 0), line, size=size, prop=font).get_extents().x1 / 72 for line in lines), default=0.0)


def short(act: str) -> str:
    """The name of an activation with about twenty letters per line: its options on separate lines."""
    label = activation_name(act)
    if len(label) <= 21 or "(" not in label:
        return label
    name, _, options = label.partition("(")
    return name + "(\n  " + options.replace(", ", ",\n  ")


def spread(wanted: Sequence[float], sizes: Sequence[float], low: float, high: float) -> list[float]:
    """Places for labels that do not overlap, in the same order and as near to the wanted ones as can be.

    Near in the sense of least squares.

    Args:
        wanted: the preferred centre of each label.
        sizes: of the labels, in the same unit.
        low: where the first may begin.
        high: where the last may end; where there is too little room, they go beyond.
    """
    if not len(wanted):
        return []
    order = np.argsort(wanted, kind="stable")
    sizes = np.asarray(sizes, dtype=float)[order]
    steps = np.concatenate([[0.0], np.cumsum((sizes[:-1] + sizes[1:]) / 2)])
    first, last = low + sizes[0] / 2, high - sizes[-1] / 2 - steps[-1]
    fitted = isotonic_regression(np.asarray(wanted, dtype=float)[order] - steps).x
    places = np.empty(len(wanted))
    places[order] = np.clip(fitted, first, max(first, last)) + steps
    return places.tolist()
