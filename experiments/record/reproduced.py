"""Which runs of a ledger were made again, and whether each metric came back equal: reproduced.csv beside the ledger."""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from experiments.errors import BadInput
from experiments.files import csv_text, write_atomically
from experiments.record.ledger import locked

FILE = "reproduced.csv"


@dataclass(frozen=True)
class Reproduced:
    """One run that was made again."""

    run_id: str
    finished_at: str
    """Of the run in the ledger, which another run may replace."""
    equal: bool
    """Whether the repetition has the same metrics, to the last bit."""
    differs_in: str
    """The values that differ, by name."""
    compared: int
    """How many values were compared."""
    unlike: str
    """What the last bits depend on and was another then, as columns of the ledger."""
    git_commit: str
    """The code of the repetition."""
    git_dirty: bool
    """Whether that had uncommitted changes."""
    repeated_at: str
    """When the repetition ended."""


def read(ledger: Path) -> list[Reproduced]:
    """The repetitions that are recorded beside a ledger, the newest of each run.

    Raises:
        BadInput: the file is damaged.
    """
    file = ledger.with_name(FILE)
    if not file.exists():
        return []
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream, strict=True)
            lines = list(reader)
        if reader.fieldnames != _COLUMNS or any(None in line.values() for line in lines):
            raise ValueError(f"accepted are the columns {', '.join(_COLUMNS)}")
        return [
            Reproduced(
                **{
                    **line,
                    "equal": _BOOLEANS[line["equal"]],
                    "compared": int(line["compared"]),
                    "git_dirty": _BOOLEANS[line["git_dirty"]],
                }
            )
            for line in lines
        ]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise BadInput(
            f"{file} is not a list of repeated runs ({type(error).__name__}: {error}); restore it, or delete it and "
            "make it again with python scripts/reproduce.py RUN --record"
        ) from error


_BOOLEANS = {"True": True, "False": False}
_COLUMNS = [field.name for field in fields(Reproduced)]


def add(ledger: Path, repetition: Reproduced) -> Path:
    """Records a repetition beside a ledger, in place of an older one of the same run; returns the file.

    Raises:
        BadInput: the file is damaged or cannot be written.
    """
    file = ledger.with_name(FILE)
    with locked(file):
        others = [each for each in read(ledger) if each.run_id != repetition.run_id]
        rows = sorted([*others, repetition], key=lambda each: each.run_id)
        write_atomically(file, csv_text([_COLUMNS, *(list(asdict(row).values()) for row in rows)]).encode())
    return file
