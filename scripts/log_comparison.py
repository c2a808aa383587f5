"""Writes a ledger's tables and figures to W&B as one run, so that the project's page shows the comparison.

python scripts/log_comparison.py                                # the published evidence
python scripts/log_comparison.py --ledger outputs/ledger.csv    # the runs of this checkout

Given again after more runs, it brings the same W&B run up to date.
"""

import argparse
import sys
from pathlib import Path

from experiments.errors import BadInput
from experiments.record.wandb_run import destination
from experiments.report.wandb_comparison import write_comparison
from experiments.training.job import FAILED, report_error


def main() -> int:
    """Writes the comparison; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", type=Path, default=Path("results/ledger.csv"), help="what is compared")
    parser.add_argument("--figures", type=Path, help="folder of PNG files (default: made from the ledger)")
    parser.add_argument("--suite", help="what the comparison is called (default: the name of the ledger's folder)")
    parser.add_argument("--baseline", default="relu", help="the activation that the others are compared with")
    parser.add_argument("--recipe", help="the only recipe to use (default: each by itself where a task has several)")
    parser.add_argument("--metric", help="what is compared (default: the headline of each task)")
    parser.add_argument("--tuned", metavar="KEY", help="a key of which each activation gets its best value")
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
        print(f"error: W&B did not take the comparison: {' '.join(str(error).split())}", file=sys.stderr)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
