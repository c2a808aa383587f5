"""Writes one self-contained page of a ledger: findings, tables, figures, provenance.

python scripts/make_report.py                  # results/comparison/ledger.csv -> report.html beside it
python scripts/make_report.py --ledger outputs/ledger.csv --out report.html --recipe small
"""

import sys
from pathlib import Path

from experiments.analysis.evidence import Evidence
from experiments.files import write_files
from experiments.report.command import parser_of, write_from
from experiments.report.figures import make_figures
from experiments.report.page import render_page
from experiments.report.tables import build_tables


def main() -> int:
    """Reads, builds, draws and writes; returns the exit code."""
    out_help = "the file, or the folder of report.html; default: next to the ledger"
    given = parser_of(__doc__, out_help, "tables and figures").parse_args()

    def write(evidence: Evidence) -> list[Path]:
        tables = build_tables(evidence, given.baseline, given.recipe, subject=given.subject)
        figures = make_figures(evidence, given.baseline, given.recipe, given.subject)
        page = render_page(evidence, tables, figures, given.baseline, given.recipe, given.subject)
        out = given.out or given.ledger.parent
        return write_files({out / "report.html" if out.is_dir() or not out.suffix else out: page.encode()})

    return write_from(given, write, curves=True)


if __name__ == "__main__":
    sys.exit(main())
