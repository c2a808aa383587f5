"""A sheet for a figure, laid out in inches so that letters have one size everywhere, and its bytes once it is drawn."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet
from matplotlib.ticker import MaxNLocator

from experiments.analysis.evidence import Setting
from experiments.report.figures.style import INK, LINE_HEIGHT, MUTED, SMALL, TEXT, wrapped

EDGE = 0.12
"""Empty space at the edges, in inches."""
DPI = 200
"""Of the PNG."""
_STEPS = [1, 2, 2.5, 5, 10]
"""Distances of the marks on an axis, times a power of ten."""


@dataclass(frozen=True)
class Figure:
    """One figure, drawn."""

    name: str
    """Of its files, without suffix."""
    caption: str
    """What is shown and how to read it."""
    alt: str
    """What it shows, in words and numbers, for those who do not see it."""
    png: bytes
    svg: bytes | None = None
    """None for photographs."""
    setting: Setting | None = None
    """What the figure is about; None where it is about all of the evidence."""
    note_height: float = 0.0
    """Of the note at the bottom of the drawing, in points: a page that prints the caption cuts it off."""

    def files(self) -> list[tuple[str, bytes]]:
        """(suffix, content) of each file."""
        return [(suffix, content) for suffix, content in (("svg", self.svg), ("png", self.png)) if content is not None]


@dataclass(frozen=True)
class Canvas:
    """A sheet with panels one below the other."""

    sheet: Sheet
    panels: list[Axes]
    note_height: float
    """In points."""

    def figure(self, name: str, caption: str, alt: str) -> Figure:
        """The finished figure, as the same bytes for the same drawing."""
        files = {}
        for suffix, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
            content = io.BytesIO()
            self.sheet.savefig(content, format=suffix, dpi=DPI, metadata=metadata)
            files[suffix] = content.getvalue()
        return Figure(name, caption, alt, **files, note_height=self.note_height)


def canvas(
    title: str,
    subtitle: str,
    note: str,
    heights: Sequence[float],
    width: float = 3.2,
    left: float = 0.72,
    right: float = EDGE,
    gap: float = 0.5,
    below: float = 0.45,
) -> Canvas:
    """An empty canvas.

    Args:
        title: what is shown; one line, bold.
        subtitle: of which runs; small, wrapped.
        note: how to read it; small, wrapped, at the bottom.
        heights: of the panels, from top to bottom, in inches.
        width: of the panels, in inches.
        left: space for what stands left of the panels, in inches.
        right: likewise on the right.
        gap: between two panels, for the labels of the upper one, in inches.
        below: for the labels of the last panel, in inches.
    """
    total_width = left + width + right
    title, subtitle, note = (
        wrapped(text, total_width - 2 * EDGE, size) for text, size in ((title, TEXT), (subtitle, SMALL), (note, SMALL))
    )
    blocks = [(text, size, colour) for text, size, colour in ((title, TEXT, INK), (subtitle, SMALL, MUTED)) if text]
    head = EDGE + sum(_height(text, size) for text, size, _ in blocks) + 0.14
    foot = EDGE + (_height(note, SMALL) + 0.04 if note else 0)
    total_height = head + sum(heights) + gap * (len(heights) - 1) + below + foot
    sheet = Sheet(figsize=(total_width, total_height))
    FigureCanvasAgg(sheet)
    y = EDGE
    for text, size, colour in blocks:
        weight = "bold" if text == title else "normal"
        _write(sheet, EDGE, y, text, size=size, color=colour, weight=weight)
        y += _height(text, size)
    if note:
        _write(sheet, EDGE, total_height - foot, note, size=SMALL, color=MUTED)
    panels, top = [], head
    for height in heights:
        box = (left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height)
        axes = sheet.add_axes(box)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))
        panels.append(axes)
        top += height + gap
    return Canvas(sheet, panels, note_height=72 * foot if note else 0.0)


def _height(text: str, size: float) -> float:
    return (text.count("\n") + 1) * size * LINE_HEIGHT / 72


def _write(sheet: Sheet, x: float, y: float, text: str, **options: object) -> None:
    """Text whose upper left corner is x, y inches from that of the sheet."""
    width, height = sheet.get_size_inches()
    sheet.text(x / width, 1 - y / height, text, va="top", ha="left", linespacing=LINE_HEIGHT, **options)
