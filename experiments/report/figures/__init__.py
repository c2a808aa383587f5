"""All figures of a ledger, and the files that hold them; each kind has its own module."""

from dataclasses import replace
from pathlib import Path

import matplotlib.style

from experiments.analysis.evidence import Evidence
from experiments.files import write_files
from experiments.report.figures.canvas import Figure
from experiments.report.figures.cost import quality_against_cost
from experiments.report.figures.curves import curves
from experiments.report.figures.differences import differences
from experiments.report.figures.effects import effects
from experiments.report.figures.learned import learned
from experiments.report.figures.option import options
from experiments.report.figures.response import responses
from experiments.report.figures.strips import strips
from experiments.report.figures.style import RC
from experiments.report.figures.subject import Subject
from experiments.report.latex import escape
from experiments.report.tables import parts

__all__ = ["Figure", "make_figures", "write_figures"]


def make_figures(
    evidence: Evidence, baseline: str = "relu", recipe: str | None = None, subject: tuple[str, ...] = ()
) -> list[Figure]:
    """All figures that the runs allow: those of each setting, and the responses.

    Args:
        evidence: a ledger's runs; their metrics and pictures are next to it.
        baseline: the activation to compare with.
        recipe: the only recipe to use, or `each` for figures of every recipe; None where each task has one.
        subject: the activations to show beside the baseline, as the ledger labels them; empty: all.

    Raises:
        BadInput: a task has several recipes and none is named, the recipe, the baseline or an activation
            of the subject is in none of the runs, or the metrics of a run or a benchmark are damaged.
    """
    figures = []
    with matplotlib.style.context(["default", RC]):
        of_recipes = [part for _, part in parts(evidence, baseline, recipe)]
        for part in of_recipes:
            shown = Subject.of(evidence, baseline, part, subject)
            for setting in part.settings():
                drawn = [draw(shown, setting) for draw in (differences, curves, quality_against_cost, strips)]
                further = [figure for draw in (effects, learned, options) for figure in draw(shown, setting)]
                figures += [replace(figure, setting=setting) for figure in (*filter(None, drawn), *further)]
        whole = replace(evidence, runs=tuple(run for part in of_recipes for run in part.runs))
        figures += responses(Subject.of(evidence, baseline, whole, subject))
    return figures


def write_figures(figures: list[Figure], folder: Path) -> list[Path]:
    """Writes each figure as `<name>.svg`, `.pdf` (but photographs) and `.png`; returns the files.

    Captions are in `captions.md` for readers, and in `figures.tex` with a float per figure for a paper.

    Raises:
        BadInput: the folder cannot be written.
    """
    contents = {}
    for figure in figures:
        contents |= {folder / f"{figure.name}.{suffix}": content for suffix, content in figure.files()}
    contents[folder / "captions.md"] = ("# Figures\n\n" + "\n".join(map(_caption, figures))).encode()
    contents[folder / "figures.tex"] = ("% Needs \\usepackage{graphicx}.\n" + "\n".join(map(_float, figures))).encode()
    return write_files(contents)


def _caption(figure: Figure) -> str:
    picture = f"![{figure.alt}]({figure.name}.png)\n\n" if figure.png else ""
    return f"{picture}**{figure.title}.** {figure.caption}\n"


def _float(figure: Figure) -> str:
    if figure.png is None:
        return f"% {figure.title}. {figure.caption}\n"
    return "\n".join(
        [
            r"\begin{figure}",
            r"  \centering",
            rf"  \includegraphics{{{figure.name}.{'png' if figure.pdf is None else 'pdf'}}}",
            rf"  \caption{{{escape(f'{figure.title}. {figure.caption}')}}}",
            rf"  \label{{fig:{figure.name}}}",
            r"\end{figure}",
            "",
        ]
    )
