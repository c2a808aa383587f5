"""The sheet: sizes, formats, and the same bytes for the same drawing."""

from xml.etree import ElementTree

import matplotlib.style

from experiments.report.figures.canvas import canvas
from experiments.report.figures.style import RC


def figure():
    drawn = canvas(heights=[1.0, 0.5], width=2.0)
    drawn.panels[0].plot([0, 1], [0, 1])
    return drawn.figure("name", "A title", "A caption.", "A line.")


def test_a_drawing_is_vector_and_raster():
    assert [suffix for suffix, _ in figure().files()] == ["svg", "pdf", "png"]
    assert figure().pdf.startswith(b"%PDF")


def test_the_same_drawing_gives_the_same_bytes():
    with matplotlib.style.context(["default", RC]):
        assert figure().files() == figure().files()
    assert b"CreationDate" not in figure().pdf


def test_panels_have_the_size_that_was_asked_for_in_inches():
    drawn = canvas(heights=[1.0, 0.5], width=2.0)
    width, height = drawn.sheet.get_size_inches()
    sizes = [(panel.get_position().width * width, panel.get_position().height * height) for panel in drawn.panels]
    assert [(round(w, 6), round(h, 6)) for w, h in sizes] == [(2.0, 1.0), (2.0, 0.5)]


def test_title_and_caption_are_not_drawn():
    drawn = canvas(heights=[1.0])
    assert drawn.sheet.texts == []
    assert ElementTree.fromstring(drawn.figure("n", "A title", "A caption.", "").svg) is not None
    assert drawn.panels[0].get_title() == ""
