"""Lists, shows, compares and removes the runs of an output root.

python scripts/runs.py list --task cifar100 --status finished
python scripts/runs.py show cifar100-small-carelu-s0         # a run's folder, its id, or a part of it
python scripts/runs.py compare RUN OTHER
python scripts/runs.py remove --status failed
python scripts/runs.py size
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from experiments.analysis.evidence import Evidence, read_evidence
from experiments.analysis.numbers import plural
from experiments.errors import BadInput
from experiments.record import ledger
from experiments.record.stored_runs import STATUSES, StoredRun, choose, named, remove, stored_runs
from experiments.report.run_tables import comparison_tables, disk, run_table, runs_table, size_tables
from experiments.training.job import BAD_INPUT, report_error


def parser_of() -> argparse.ArgumentParser:
    """The parser of the five commands."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--output-root", type=Path, default=Path("outputs"), help="folder of the runs")
    filters = argparse.ArgumentParser(add_help=False)
    for option in ("--task", "--act", "--recipe"):
        filters.add_argument(option, help=f"only runs of this {option.removeprefix('--')}")
    filters.add_argument("--status", choices=STATUSES, help="only runs with this status")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", parents=[shared, filters], help="every run: headline, seed, age, size on disk")
    show = commands.add_parser("show", parents=[shared], help="all about one run")
    show.add_argument("run", metavar="RUN", help="its folder, its id, or a part of its id")
    compare = commands.add_parser("compare", parents=[shared], help="two runs: settings that differ, metrics, pairs")
    compare.add_argument("runs", nargs=2, metavar="RUN", help="as for show")
    away = commands.add_parser("remove", parents=[shared, filters], help="delete runs and their rows in the ledger")
    away.add_argument("runs", nargs="*", metavar="RUN", help="as for show")
    away.add_argument("--yes", action="store_true", help="do not ask")
    commands.add_parser("size", parents=[shared, filters], help="disk space by task and by kind of file")
    return parser


def to_remove(given: argparse.Namespace, runs: Sequence[StoredRun]) -> list[StoredRun]:
    """The runs that are named, or those that the filters leave.

    Raises:
        BadInput: neither is given, or both are.
    """
    filtered = any((given.task, given.act, given.recipe, given.status))
    if bool(given.runs) == filtered:
        raise BadInput("name the runs to remove, or choose them with --task, --act, --recipe or --status")
    if filtered:
        return choose(runs, given.task, given.act, given.recipe, given.status)
    return list({(run := named(runs, name)).run_id: run for name in given.runs}.values())


def confirmed(runs: Sequence[StoredRun], console: Console) -> bool:
    """Shows what would be removed and asks."""
    console.print(runs_table(runs))
    size = disk(sum(run.size for run in runs))
    try:
        answer = input(f"remove {plural(len(runs), 'run')} ({size}) for good? [y/N] ")
    except EOFError:
        answer = ""
    return answer.strip().lower() in ("y", "yes")


def evidence_of(output_root: Path) -> Evidence | None:
    """What the ledger says; None without a ledger that can be read, as after one interrupted run."""
    try:
        return read_evidence(output_root / ledger.FILE)
    except BadInput:
        return None


def perform(given: argparse.Namespace, console: Console) -> int:
    """Performs a command; returns the exit code."""
    runs, problems = stored_runs(given.output_root)
    for problem in problems:
        print(f"note: {problem}", file=sys.stderr)
    if given.command == "show":
        console.print(run_table(named(runs, given.run)))
    elif given.command == "compare":
        first, second = (named(runs, name) for name in given.runs)
        for table in comparison_tables(first, second, evidence_of(given.output_root)):
            console.print(table)
    elif given.command == "remove":
        chosen = to_remove(given, runs)
        if not chosen:
            console.print("there is no such run")
        elif given.yes or confirmed(chosen, console):
            remove(given.output_root, chosen)
            console.print(f"removed {plural(len(chosen), 'run')}")
        else:
            console.print("nothing was removed")
            return BAD_INPUT
    else:
        chosen = choose(runs, given.task, given.act, given.recipe, given.status)
        for table in [runs_table(chosen)] if given.command == "list" else size_tables(chosen, given.output_root):
            console.print(table)
    return 0


def main() -> int:
    """Reads the command line; returns the exit code."""
    given = parser_of().parse_args()
    # A pipe has no width of its own, and ids that are cut in two cannot be copied.
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)
    try:
        return perform(given, console)
    except BadInput as error:
        return report_error(error)


if __name__ == "__main__":
    sys.exit(main())
