"""Writes one self-contained page of a ledger: findings, tables, figures, provenance.

python scripts/make_report.py                                     # results/ledger.csv -> results/report.html
python scripts/make_report.py --ledger outputs/ledger.csv --out report.html --recipe small
"""

import argparse
import sys
from pathlib import Path

from experiments.analysis.evidence import read_evidence
from experiments.errors import BadInput
from experiments.files import write_files
from experiments.report.figures import make_figures
from experiments.report.page import render_page
from experiments.report.tables import build_tables
from experiments.training.job import report_error


def main() -> int:
    """Reads, builds, draws and writes; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", type=Path, default=Path("results/ledger.csv"), help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="the file, or the folder of report.html; default: next to the ledger")
    parser.add_argument("--baseline", default="relu", metavar="ACT", help="baseline activation; default: %(default)s")
    parser.add_argument(
        "--recipe", help="a recipe as the ledger labels it, or each: tables and figures of every recipe"
    )
    arguments = parser.parse_args()
    try:
        evidence = read_evidence(arguments.ledger)
        tables = build_tables(evidence, arguments.baseline, arguments.recipe)
        figures = make_figures(evidence, arguments.baseline, arguments.recipe)
        page = render_page(evidence, tables, figures, arguments.baseline, arguments.recipe)
        out = arguments.out or arguments.ledger.parent
        (file,) = write_files({out / "report.html" if out.is_dir() or not out.suffix else out: page.encode()})
    except BadInput as error:
        return report_error(error)
    for problem in (*evidence.problems, *evidence.without_metrics()):
        print(f"warning: {problem}", file=sys.stderr)
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
