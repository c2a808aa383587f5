"""Draws the figures of a ledger as SVG, PDF and PNG, from it and from the metrics and pictures next to it.

Their captions are in captions.md, and in figures.tex for LaTeX.

python scripts/make_figures.py                                     # results/ledger.csv -> results/figures/
python scripts/make_figures.py --ledger outputs/ledger.csv --out figures --recipe small
"""

import argparse
import sys
from pathlib import Path

from experiments.analysis.evidence import read_evidence
from experiments.errors import BadInput
from experiments.report.figures import make_figures, write_figures
from experiments.training.job import report_error


def main() -> int:
    """Reads, draws and writes; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", type=Path, default=Path("results/ledger.csv"), help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="folder of the figures; default: figures/ next to the ledger")
    parser.add_argument("--baseline", default="relu", metavar="ACT", help="baseline activation; default: %(default)s")
    parser.add_argument("--recipe", help="a recipe as the ledger labels it, or each: figures of every recipe")
    arguments = parser.parse_args()
    try:
        evidence = read_evidence(arguments.ledger)
        figures = make_figures(evidence, arguments.baseline, arguments.recipe)
        files = write_figures(figures, arguments.out or arguments.ledger.parent / "figures")
    except BadInput as error:
        return report_error(error)
    for problem in (*evidence.problems, *evidence.without_metrics()):
        print(f"warning: {problem}", file=sys.stderr)
    print("\n".join(str(file) for file in files))
    return 0


if __name__ == "__main__":
    sys.exit(main())
