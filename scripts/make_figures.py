"""Draws the figures of a ledger as SVG, PDF and PNG, from it and from the metrics and pictures next to it.

Their captions are in captions.md, and in figures.tex for LaTeX.

python scripts/make_figures.py                                     # results/ledger.csv -> results/figures/
python scripts/make_figures.py --ledger outputs/ledger.csv --out figures --recipe small
"""

import sys
from pathlib import Path

from experiments.analysis.evidence import Evidence
from experiments.report.command import parser_of, write_from
from experiments.report.figures import make_figures, write_figures


def main() -> int:
    """Reads, draws and writes; returns the exit code."""
    given = parser_of(__doc__, "folder of the figures; default: figures/ next to the ledger", "figures").parse_args()

    def write(evidence: Evidence) -> list[Path]:
        figures = make_figures(evidence, given.baseline, given.recipe, given.subject)
        return write_figures(figures, given.out or given.ledger.parent / "figures")

    return write_from(given, write, curves=True)


if __name__ == "__main__":
    sys.exit(main())
