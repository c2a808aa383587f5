"""A sheet for a figure, laid out in inches so that letters have one size everywhere, and its bytes once it is drawn.

A drawing has only axes and labels: title, setting and explanation are in its caption.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet
from matplotlib.ticker import MaxNLocator

from experiments.analysis.runs import Setting

EDGE = 0.12
"""Empty space at the edges, in inches."""
DPI = 200
"""Of the PNG."""
_STEPS = [1, 2, 2.5, 5, 10]
"""Distances of the marks on an axis, times a power of ten."""
_METADATA = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
"""By format: the metadata to leave out, so that equal drawings give equal bytes."""


@dataclass(frozen=True)
class Figure:
    """One figure, drawn."""

    name: str
    """Of its files, without suffix."""
    title: str
    """What is shown, in a few words."""
    caption: str
    """Of which runs, and how to read it."""
    alt: str
    """Alternative text: the content in words and numbers."""
    png: bytes | None = None
    """None: not drawn, and the caption says why."""
    svg: bytes | None = None
    """None also for photographs, which have no PDF either."""
    pdf: bytes | None = None
    setting: Setting | None = None
    """The setting of the figure; None: all of the evidence."""

    def files(self) -> list[tuple[str, bytes]]:
        """(suffix, content) of each file."""
        contents = (("svg", self.svg), ("pdf", self.pdf), ("png", self.png))
        return [(suffix, content) for suffix, content in contents if content is not None]


@dataclass(frozen=True)
class Canvas:
    """A sheet with panels one below the other."""

    sheet: Sheet
    panels: list[Axes]

    def figure(self, name: str, title: str, caption: str, alt: str) -> Figure:
        """The finished figure, as the same bytes for the same drawing."""
        files = {}
        for suffix, metadata in _METADATA.items():
            content = io.BytesIO()
            self.sheet.savefig(content, format=suffix, dpi=DPI, metadata=metadata)
            files[suffix] = content.getvalue()
        return Figure(name, title, caption, alt, **files)


def canvas(
    heights: Sequence[float],
    width: float = 3.2,
    left: float = 0.72,
    right: float = EDGE,
    gap: float = 0.5,
    below: float = 0.45,
    above: float = 0.0,
) -> Canvas:
    """An empty canvas.

    Args:
        heights: of the panels, from top to bottom, in inches.
        width: of the panels, in inches.
        left: space on the left of the panels, in inches.
        right: likewise on the right.
        gap: between two panels, for the labels of the upper one, in inches.
        below: for the labels of the last panel, in inches.
        above: for a label over the first panel, in inches.
    """
    total_width = left + width + right
    total_height = EDGE + above + sum(heights) + gap * (len(heights) - 1) + below + EDGE
    sheet = Sheet(figsize=(total_width, total_height))
    FigureCanvasAgg(sheet)
    panels, top = [], EDGE + above
    for height in heights:
        box = (left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height)
        axes = sheet.add_axes(box)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))
        panels.append(axes)
        top += height + gap
    return Canvas(sheet, panels)
