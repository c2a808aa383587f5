"""Makes runs of a ledger again, each by the command in its row, and compares every metric with the row.

On a CPU of the same kind, with the same PyTorch and code, all are equal to the last bit; what is not the same is said
before the training. Exits with 1 if a value differs. A stopped repetition goes on at the same command.

python scripts/reproduce.py text-medium-relu-s0-eb84f99cf2              # a run_id of the ledger, or a part of one
python scripts/reproduce.py RUN RUN --ledger results/tuning/ledger.csv data_root=FOLDER
python scripts/reproduce.py RUN --record                                # also noted in reproduced.csv beside the ledger
python scripts/reproduce.py RUN --at-its-commit                         # with the code of its commit, not of this one
"""

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from experiments.analysis.numbers import plural
from experiments.analysis.provenance import DEFAULT_LEDGER
from experiments.errors import BadInput
from experiments.inference.reproduction import (
    ROOT,
    Repetition,
    check_commit,
    check_folders,
    check_repeatable,
    checkout_of,
    command_for,
    repetition_in,
    row_named,
    unlike_here,
)
from experiments.record import ledger, reproduced
from experiments.record.row import Row
from experiments.training.job import STOPPED, answered
from experiments.training.signals import stop_requests

_POLL_SECONDS = 0.5


class Stopped(Exception):
    """A repetition was stopped, and keeps a checkpoint."""


def perform(command: list[str]) -> int:
    """Performs a command in a process of its own; returns the exit code. What asks this process to stop stops it."""
    with stop_requests() as stop_requested:
        process = subprocess.Popen(command, start_new_session=True)  # Ctrl-C in the terminal is for this process
        try:
            while not stop_requested():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.wait(_POLL_SECONDS)
            process.terminate()  # it writes a checkpoint first
            return process.wait()
        finally:
            if process.poll() is None:  # after a second signal, which acts at once
                process.terminate()


def repeat(row: Row, output_root: Path, folders: Sequence[str], checkout: Path) -> Repetition:
    """Makes a run again.

    Raises:
        BadInput: it did not end as a run that can be compared; why is printed above.
        Stopped: it can be gone on with.
    """
    ledger.remove(output_root / ledger.FILE, [row.run_id])  # what stands there afterwards was made now
    code = perform(command_for(row, output_root, folders, checkout))
    repetition = repetition_in(output_root, row)
    if code == STOPPED or code < 0:
        raise Stopped
    if repetition is None and code == 0:
        raise BadInput(f"{row.run_id} is no run of that command: its settings or its data are others there")
    if repetition is None or repetition.made.status == "failed":
        raise BadInput(
            f"{row.run_id} was not made again (exit code {code}), see above; --output-root=FOLDER begins elsewhere"
        )
    return repetition


def table_of(repetition: Repetition) -> Table:
    """The values that differ."""
    table = Table("value", "in the ledger", "made again")
    for name, (recorded, made) in repetition.differences.items():
        table.add_row(name, str(recorded), str(made))
    return table


def checked(given: argparse.Namespace, names: Sequence[str], folders: Sequence[str], console: Console) -> list[Row]:
    """The rows to repeat, after all checks that need no training; says what is unlike here.

    Raises:
        BadInput: one cannot be repeated.
    """
    own = given.ledger.parent
    if own.resolve().is_relative_to(given.output_root.resolve()):
        raise BadInput(
            f"--output-root={given.output_root} is not accepted: in it {own} is the folder of the ledger itself; name "
            "another one"
        )
    reproduced.read(given.ledger)
    rows = [row_named(given.ledger, name) for name in names]
    for row in rows:
        if given.at_its_commit:
            check_commit(row)
        check_repeatable(row, folders, given.at_its_commit)
        for name, (recorded, here) in unlike_here(row, given.at_its_commit).items():
            console.print(f"{row.run_id}: {name} is {recorded or 'not recorded'} in the row, and {here} here")
    return rows


def main() -> int:
    """Checks all runs, then makes them again one after another; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="+", metavar="RUN | data_root=FOLDER", help="runs, and where their data are")
    parser.add_argument("--ledger", type=Path, default=Path(DEFAULT_LEDGER), help="default: %(default)s")
    parser.add_argument("--output-root", type=Path, default=Path("outputs/reproduced"), help="default: %(default)s")
    parser.add_argument("--record", action="store_true", help="note the outcome in reproduced.csv beside the ledger")
    parser.add_argument(
        "--at-its-commit", action="store_true", help="run the code of the commit in the row; default: this checkout's"
    )
    given = parser.parse_intermixed_args()
    names = [word for word in given.words if "=" not in word]
    if not names:
        parser.error("name at least one run")
    return answered(lambda: reproduce(given, names, Console(highlight=False, markup=False)))


def reproduce(given: argparse.Namespace, names: Sequence[str], console: Console) -> int:
    """Makes the runs of these names again; returns the exit code.

    Raises:
        BadInput: one cannot be made again.
    """
    folders = check_folders([word for word in given.words if "=" in word])
    equal = True
    for row in checked(given, names, folders, console):
        code = row.git_commit[:10] if given.at_its_commit else "here"  # runs of other code are not resumed
        with checkout_of(row.git_commit) if given.at_its_commit else contextlib.nullcontext(ROOT) as checkout:
            try:
                repetition = repeat(row, (given.output_root / code).absolute(), folders, checkout)
            except Stopped:
                print(f"{row.run_id} was stopped; the same command goes on with it", file=sys.stderr)
                return STOPPED
        equal &= not repetition.differences
        compared = plural(len(repetition.values), "value")
        if repetition.differences:
            console.print(f"{row.run_id}: {len(repetition.differences)} of {compared} differ")
            console.print(table_of(repetition))
        else:
            console.print(f"{row.run_id}: all {compared} are equal to the last bit")
        if given.record:
            print(reproduced.add(given.ledger, repetition.as_record()))
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
