"""Writes the tables of a ledger as Markdown, LaTeX and CSV: one per task, one across tasks, one of costs.

python scripts/make_tables.py                                     # results/ledger.csv -> results/tables/
python scripts/make_tables.py --ledger outputs/ledger.csv --out tables --recipe small
"""

import argparse
import sys
from pathlib import Path

from experiments.analysis.evidence import read_evidence
from experiments.errors import BadInput
from experiments.report.rendering import write_tables
from experiments.report.tables import build_tables
from experiments.training.job import report_error


def main() -> int:
    """Reads, builds and writes; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", type=Path, default=Path("results/ledger.csv"), help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="folder of the tables; default: tables/ next to the ledger")
    parser.add_argument("--baseline", default="relu", metavar="ACT", help="baseline activation; default: %(default)s")
    parser.add_argument("--recipe", help="a recipe as the ledger labels it, or each: tables of every recipe")
    parser.add_argument("--metric", help="a metric column, like set5/psnr_y; default: the headline of each task")
    parser.add_argument("--tuned", metavar="KEY", help="a key, like optim.optimizer.lr: its best value per activation")
    arguments = parser.parse_args()
    try:
        evidence = read_evidence(arguments.ledger)
        tables = build_tables(evidence, arguments.baseline, arguments.recipe, arguments.metric, arguments.tuned)
        files = write_tables(tables, arguments.out or arguments.ledger.parent / "tables")
    except BadInput as error:
        return report_error(error)
    for problem in evidence.problems:
        print(f"warning: {problem}", file=sys.stderr)
    print("\n".join(str(file) for file in files))
    return 0


if __name__ == "__main__":
    sys.exit(main())
