"""Rows of measurements as CSV and back, and as tables in Markdown."""

import csv
import io
import types
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TypeVar, get_args, get_type_hints

from experiments.errors import BadInput

Row = TypeVar("Row")


def to_csv(rows: Sequence[object]) -> str:
    """One line a row, of dataclasses of one kind; six digits, which is more than a timing has."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(rows[0]))
    for row in rows:
        writer.writerow(f"{value:.6g}" if isinstance(value, float) else value for value in asdict(row).values())
    return text.getvalue()


def from_csv(file: Path, kind: type[Row]) -> list[Row]:
    """The rows that `to_csv` wrote.

    Raises:
        BadInput: there is no such file, or it holds something else.
    """
    hints = get_type_hints(kind)
    try:
        records = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
        return [kind(**{name: _value(record[name], hints[name]) for name in hints}) for record in records]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{file} is not a table of this benchmark ({type(error).__name__}: {error})") from error


def _value(text: str, hint: type) -> object:
    if isinstance(hint, types.UnionType):
        return None if text == "" else get_args(hint)[0](text)
    return hint(text)


def markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]], names: int = 1) -> str:
    """A table whose first `names` columns are words and whose others are numbers."""
    rule = ["---"] * names + ["---:"] * (len(head) - names)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))
