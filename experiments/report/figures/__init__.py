"""All figures of a ledger, and the files that hold them; each kind is drawn by a module of its own."""

from dataclasses import replace
from pathlib import Path

import matplotlib.style

from experiments.analysis.evidence import Evidence
from experiments.files import write_files
from experiments.report.figures.canvas import Figure
from experiments.report.figures.cost import quality_against_cost
from experiments.report.figures.critical_difference import critical_difference
from experiments.report.figures.curves import curves
from experiments.report.figures.differences import differences
from experiments.report.figures.learned import learned
from experiments.report.figures.response import response
from experiments.report.figures.strips import strips
from experiments.report.figures.style import RC
from experiments.report.figures.subject import Subject
from experiments.report.tables import EACH, file_name, parts

__all__ = ["Figure", "make_figures", "write_figures"]


def make_figures(evidence: Evidence, baseline: str = "relu", recipe: str | None = None) -> list[Figure]:
    """Every figure that the runs allow: those of each setting, the one across tasks, the responses.

    Args:
        evidence: a ledger's runs; their metrics and pictures are looked for beside it.
        baseline: the activation that the others are compared with.
        recipe: the only recipe to use, or `each` for figures of every recipe; None where each task has one.

    Raises:
        BadInput: a task has several recipes and none is named, the recipe or the baseline is in none
            of the runs, or the metrics of a run are damaged.
    """
    figures = []
    with matplotlib.style.context(["default", RC]):
        for label, part in parts(evidence, baseline, recipe):
            subject = Subject.of(evidence, baseline, part)
            for setting in part.settings():
                drawn = (draw(subject, setting) for draw in (differences, curves, quality_against_cost, strips))
                of_setting = [figure for figure in drawn if figure] + learned(subject, setting)
                figures += [replace(figure, setting=setting) for figure in of_setting]
            across = critical_difference(subject)
            if across:
                suffix = f"_{file_name(label)}" if recipe == EACH else ""
                figures.append(replace(across, name=across.name + suffix))
        figures.append(response(Subject.of(evidence, baseline)))
    return figures


def write_figures(figures: list[Figure], folder: Path) -> list[Path]:
    """Writes each figure as `<name>.svg` (but photographs) and `.png`; returns the files.

    Raises:
        BadInput: the folder cannot be written.
    """
    contents = {}
    for figure in figures:
        contents |= {folder / f"{figure.name}.{suffix}": content for suffix, content in figure.files()}
    return write_files(contents)
