"""Makes runs of a ledger again, each by the command in its row, and compares every metric with the row.

On the same kind of processor, with the same PyTorch and code, all are equal to the last bit; what is not the same is
said before the training. Exits with 1 if a value differs. An interrupted repetition goes on at the same command.

python scripts/reproduce.py text-medium-carelu-s0                       # a run_id of the ledger, or how one begins
python scripts/reproduce.py RUN RUN --ledger results/tuning/ledger.csv data_root=FOLDER
python scripts/reproduce.py RUN --record                                # also noted in reproduced.csv beside the ledger
python scripts/reproduce.py RUN --at-its-commit                         # with the code of its commit, not of this one
"""

import argparse
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console
from rich.table import Table

from experiments.analysis.numbers import plural
from experiments.analysis.provenance import DEFAULT_LEDGER
from experiments.errors import BadInput
from experiments.inference.reproduction import (
    ROOT,
    Repetition,
    check_elsewhere,
    check_repeatable,
    checkout_of,
    command_for,
    repetition_in,
    row_named,
    unlike_here,
)
from experiments.record import ledger, reproduced
from experiments.record.row import Row
from experiments.training.job import report_error


def perform(command: list[str]) -> int:
    """Performs a command in a process of its own; returns the exit code."""
    return subprocess.run(command).returncode


def repeat(row: Row, output_root: Path, elsewhere: list[str], checkout: Path) -> Repetition:
    """Makes a run again.

    Raises:
        BadInput: it did not end; why is printed above.
    """
    again = []
    if repetition_in(output_root, row):  # of last time, which would be shown as it is
        ledger.remove(output_root / ledger.FILE, [row.run_id])
        again = ["force=true"]
    code = perform([*command_for(row, output_root, elsewhere, checkout), *again])
    repetition = repetition_in(output_root, row)
    if repetition is None:
        raise BadInput(f"{row.run_id} was not made again (exit code {code}); the same command goes on with it")
    return repetition


def table_of(repetition: Repetition) -> Table:
    """The values that differ."""
    table = Table("value", "in the ledger", "made again")
    for name, (recorded, made) in repetition.differences.items():
        table.add_row(name, str(recorded), str(made))
    return table


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
    elsewhere = [word for word in given.words if "=" in word]
    if not names:
        parser.error("name at least one run")
    console = Console(highlight=False, markup=False)
    equal = True
    try:
        rows = [row_named(given.ledger, name) for name in names]
        reproduced.read(given.ledger)
        check_elsewhere(elsewhere)
        for row in rows:
            if not given.at_its_commit:
                check_repeatable(row, elsewhere)
            for name, (recorded, here) in unlike_here(row, given.at_its_commit).items():
                console.print(f"{row.run_id}: {name} is {recorded or 'not recorded'} in the row, and {here} here")
        for row in rows:
            with checkout_of(row.git_commit) if given.at_its_commit else nullcontext(ROOT) as checkout:
                repetition = repeat(row, given.output_root.absolute(), elsewhere, checkout)
            equal &= not repetition.differences
            compared = plural(len(repetition.values), "value")
            if repetition.differences:
                console.print(f"{row.run_id}: {len(repetition.differences)} of {compared} differ")
                console.print(table_of(repetition))
            else:
                console.print(f"{row.run_id}: all {compared} are equal to the last bit")
            if given.record:
                print(reproduced.add(given.ledger, repetition.as_record()))
    except BadInput as error:
        return report_error(error)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
