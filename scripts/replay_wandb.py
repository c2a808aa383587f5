"""Uploads finished runs to W&B from their records.

python scripts/replay_wandb.py outputs/cifar100/small/relu/s0-efed2c6511    # one run, or all below a folder
python scripts/replay_wandb.py --ledger results/comparison/ledger.csv       # the published evidence

Replay is idempotent: it finds the matching W&B run and
uploads what is missing.
"""

import argparse
import sys
from pathlib import Path

from experiments.errors import BadInput, one_line
from experiments.record.replay import replay, runs_in, runs_of, unfinished_in
from experiments.record.wandb_run import resolve_mode
from experiments.training.job import FAILED, report_error


def main() -> int:
    """Reads the requested runs, then uploads them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="RUN_DIR", help="a run's folder, or a folder with runs below it"
    )
    parser.add_argument("--ledger", type=Path, help="take the runs of this ledger and their published files")
    parser.add_argument("--run-id", action="append", default=[], help="with --ledger: only this run (may be repeated)")
    parser.add_argument("--output-root", type=Path, default=Path("outputs"), help="W&B's own files go to its wandb/")
    parser.add_argument("--project", help="W&B project (default: carelu, whatever the record says)")
    parser.add_argument("--entity", help="W&B team or user (default: yours, whatever the record says)")
    parser.add_argument("--mode", choices=("auto", "online", "offline"), default="auto", help="as logger.mode")
    arguments = parser.parse_args()
    if bool(arguments.folders) == bool(arguments.ledger):
        parser.error("name run folders or a --ledger")
    if arguments.run_id and not arguments.ledger:
        parser.error("--run-id needs --ledger")
    try:
        given = {"project": arguments.project, "entity": arguments.entity, "mode": resolve_mode(arguments.mode)}
        runs, problems = [run for folder in arguments.folders for run in runs_in(folder)], []
        if arguments.ledger:
            runs, problems = runs_of(arguments.ledger, arguments.run_id)
        arguments.output_root.mkdir(parents=True, exist_ok=True)
    except BadInput as error:
        return report_error(error)
    for problem in problems:
        print(f"note: {problem}")
    for folder in (unfinished for each in arguments.folders for unfinished in unfinished_in(each)):
        print(f"note: {folder} is left out: the run is not finished; repeat its command")
    for done, run in enumerate(runs):
        try:
            place = replay(run, given, arguments.output_root)
        except Exception as error:  # W&B raises many types; each means that this run was not uploaded
            reason = one_line(error)
            print(f"error: W&B did not accept {run.run_id}: {reason} ({done} of {len(runs)} done)", file=sys.stderr)
            return FAILED
        print(f"{run.run_id}: {place}" + (f" ({run.note})" if run.note else ""))
    if given["mode"] == "offline":
        print(
            "written offline; repeat the command to upload them when W&B is reachable "
            f"(elsewhere, once: wandb sync {arguments.output_root}/wandb/offline-run-*)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
