"""Writes a ledger's tables and figures to W&B as one run, so that the project's page shows the comparison.

python scripts/log_comparison.py                                # the published evidence
python scripts/log_comparison.py --ledger outputs/ledger.csv    # the runs of this checkout

Repeating it after more runs updates the same W&B run.
"""

import argparse
import sys
from pathlib import Path

from experiments.analysis.provenance import DEFAULT_LEDGER
from experiments.errors import BadInput, one_line
from experiments.record.wandb_run import destination
from experiments.report.command import add_subject
from experiments.report.wandb_comparison import write_comparison
from experiments.training.job import FAILED, report_error


def main() -> int:
    """Writes the comparison; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", type=Path, default=Path(DEFAULT_LEDGER), help="what is compared")
    parser.add_argument("--figures", type=Path, help="folder of PNG files (default: made from the ledger)")
    parser.add_argument("--suite", help="name of the comparison (default: the name of the ledger's folder)")
    parser.add_argument("--baseline", default="relu", help="the activation to compare with")
    add_subject(parser)
    parser.add_argument("--recipe", help="the only recipe to use (default: each separately if a task has several)")
    parser.add_argument("--metric", help="metric to compare (default: the headline of each task)")
    parser.add_argument("--tuned", metavar="KEY", help="a key, set to its best value for each activation")
    parser.add_argument("--output-root", type=Path, default=Path("outputs"), help="W&B's own files go to its wandb/")
    parser.add_argument("--project", help="W&B project (default: carelu)")
    parser.add_argument("--entity", help="W&B team or user (default: yours)")
    parser.add_argument("--mode", choices=("auto", "online", "offline"), default="auto", help="as logger.mode")
    arguments = vars(parser.parse_args())
    to, folder = {key: arguments.pop(key) for key in ("project", "entity", "mode")}, arguments.pop("output_root")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        print(write_comparison(logger=destination(**to), folder=folder, **arguments))
    except BadInput as error:
        return report_error(error)
    except Exception as error:
        print(f"error: W&B did not accept the comparison: {one_line(error)}", file=sys.stderr)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
