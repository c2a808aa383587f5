"""Draws the figures of a ledger as SVG, PDF and PNG, from it and from the metrics and pictures next to it.

Their captions are in captions.md, and in figures.tex for LaTeX.

python scripts/make_figures.py                  # results/comparison/ledger.csv -> figures/ beside it
python scripts/make_figures.py --ledger outputs/ledger.csv --out figures --recipe small
python scripts/make_figures.py --ledger results/competition/ledger.csv --only over_alpha
"""

import sys
from pathlib import Path

from experiments.analysis.evidence import Evidence
from experiments.errors import BadInput
from experiments.report.command import parser_of, write_from
from experiments.report.figures import make_figures, write_figures
from experiments.report.figures.canvas import Figure


def named(figures: list[Figure], word: str) -> list[Figure]:
    """Those whose name contains a word.

    Raises:
        BadInput: there are none.
    """
    found = [figure for figure in figures if word in figure.name]
    if not found:
        names = ", ".join(figure.name for figure in figures)
        raise BadInput(f"--only {word}: no figure has that in its name; there are: {names}")
    return found


def main() -> int:
    """Reads, draws and writes; returns the exit code."""
    parser = parser_of(__doc__, "folder of the figures; default: figures/ next to the ledger", "figures")
    parser.add_argument("--only", metavar="WORD", help="only the figures whose name contains this word")
    given = parser.parse_args()

    def write(evidence: Evidence) -> list[Path]:
        figures = make_figures(evidence, given.baseline, given.recipe, given.subject)
        if given.only:
            figures = named(figures, given.only)
        return write_figures(figures, given.out or given.ledger.parent / "figures")

    return write_from(given, write, curves=True)


if __name__ == "__main__":
    sys.exit(main())
