"""Writes the tables of a ledger as Markdown, LaTeX and CSV: one per task, one across tasks, one of costs.

python scripts/make_tables.py                  # results/comparison/ledger.csv -> tables/ beside it
python scripts/make_tables.py --ledger outputs/ledger.csv --out tables --recipe small
"""

import sys
from collections.abc import Collection
from pathlib import Path

from experiments.analysis.evidence import Evidence
from experiments.report.command import parser_of, write_from
from experiments.report.rendering import write_tables
from experiments.report.tables import build_tables
from experiments.report.terminal import table_text


def is_of_a_task(name: str, tasks: Collection[str]) -> bool:
    """Whether a table compares the activations of one task; the others are across tasks, of costs or of a tuning."""
    return any(name == task or name.startswith(f"{task}_") for task in tasks) and "_values_" not in name


def main() -> int:
    """Reads, builds and writes; returns the exit code."""
    parser = parser_of(__doc__, "folder of the tables; default: tables/ next to the ledger", "tables")
    parser.add_argument("--metric", help="a metric column, like set5/psnr_y; default: the headline of each task")
    parser.add_argument("--tuned", metavar="KEY", help="a key, like optim.optimizer.lr: its best value per activation")
    given = parser.parse_args()

    def write(evidence: Evidence) -> list[Path]:
        tables = build_tables(evidence, given.baseline, given.recipe, given.metric, given.tuned, given.subject)
        folder = given.out or given.ledger.parent / "tables"
        write_tables(tables, folder)
        tasks = {run.setting.task for run in evidence.runs}
        for table in tables:
            if is_of_a_task(table.name, tasks):
                print(f"{table_text(table)}\n")
        return [folder]  # which `write_from` prints: the files are one per table and format

    return write_from(given, write)


if __name__ == "__main__":
    sys.exit(main())
