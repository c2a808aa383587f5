"""Measures a trained run, on its own evaluation data or on other data.

python scripts/evaluate.py outputs/superres/small/carelu/s0-1a2b3c4d5e                      # reproduces its record
python scripts/evaluate.py RUN data.test_sets=[set14] data.test_root=FOLDER                 # further test sets
python scripts/evaluate.py RUN data=folder data.test=FOLDER                                 # one's own pictures
python scripts/evaluate.py RUN data=csv data.test=FILE data.text=[sentence] data.label=label
"""

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from experiments.analysis.metrics import find_metric
from experiments.analysis.numbers import fixed
from experiments.errors import BadInput
from experiments.files import write_files
from experiments.inference.evaluation import Evaluation, evaluate
from experiments.inference.trained_run import load_run
from experiments.record.run_directory import to_json
from experiments.training.job import report_error


def table_of(found: Evaluation, task: str) -> Table:
    """The metrics by set, beside those of the record."""
    table = Table("set", "metric", f"on {found.data}")
    table.columns[2].justify = "right"
    if found.recorded:
        table.add_column("in the record", justify="right")
        table.add_column("difference", justify="right")
    for name, value in found.metrics.items():
        measured_on, _, base = name.rpartition("/")
        metric = find_metric(task, base)
        title, unit, decimals = (metric.title, metric.unit, metric.decimals) if metric else (base, "", 4)
        cells = [measured_on or "test", title, f"{fixed(value, decimals)} {unit}".rstrip()]
        if name in found.recorded:
            before = found.recorded[name]
            difference = "none" if value == before else f"{value - before:+.1e}"
            cells += [f"{fixed(before, decimals)} {unit}".rstrip(), difference]
        table.add_row(*cells)
    return table


def main() -> int:
    """Loads, measures and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a finished run")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="data=…, data.KEY=…, data_root=…")
    parser.add_argument("--device", help="like cpu or cuda; default: that of the run where it is here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the metrics to a file")
    given = parser.parse_args()
    try:
        run = load_run(given.run, given.device)
        if run.config.trainer.threads is not None:
            torch.set_num_threads(run.config.trainer.threads)  # they decide the last bits of a result
        found = evaluate(run, given.overrides)
        if given.json:
            write_files({given.json: to_json({"run_id": run.identity.run_id, "data": found.data, **found.metrics})})
    except BadInput as error:
        return report_error(error)
    console = Console(highlight=False)
    console.print(f"{run.identity.task} · {run.identity.act} · seed {run.identity.seed}", markup=False)
    console.print(table_of(found, run.identity.task))
    return 0


if __name__ == "__main__":
    sys.exit(main())
