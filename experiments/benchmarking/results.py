"""The files of a benchmark: rows as CSV, the conditions of measuring as JSON, and a page of both in Markdown."""

import csv
import io
import json
import types
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TypeVar, get_args, get_type_hints

from experiments.benchmarking.machine import Conditions
from experiments.errors import BadInput
from experiments.files import write_files
from experiments.report.rendering import markdown_grid, records_to_csv
from experiments.report.table import RESULT, Column, simple_table

Row = TypeVar("Row")
Page = Callable[[Sequence[Row], Conditions], str]


def write_results(table: Path, rows: Sequence[Row], conditions: Conditions, page: Page) -> list[Path]:
    """Writes `table` (a .csv), the conditions and the page; returns the files.

    The page is rendered from the two files, so that rendering it again gives the same page.

    Raises:
        BadInput: the folder cannot be written.
    """
    described = json.dumps(asdict(conditions), indent=2) + "\n"
    written = write_files({table: to_csv(rows).encode(), table.with_suffix(".json"): described.encode()})
    return [*written, *render_page(table, type(rows[0]), page)]


def render_page(table: Path, kind: type[Row], page: Page) -> list[Path]:
    """Renders the page of an earlier benchmark from its table and conditions; returns the file.

    Raises:
        BadInput: one of the two is missing or has other content.
    """
    rows, described = from_csv(table, kind), table.with_suffix(".json")
    try:
        conditions = Conditions(**json.loads(described.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{described} does not hold the conditions of a benchmark ({error}); measure again") from error
    return write_files({table.with_suffix(".md"): page(rows, conditions).encode()})


def to_csv(rows: Sequence[object]) -> str:
    """One line for each row; rows are dataclasses of one class. Six digits exceed the precision of timings."""
    return records_to_csv([field.name for field in fields(rows[0])], map(asdict, rows), digits=6)


def from_csv(file: Path, kind: type[Row]) -> list[Row]:
    """The rows that `to_csv` wrote.

    Raises:
        BadInput: there is no such file, or it has other content.
    """
    hints = get_type_hints(kind)
    try:
        records = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))
        return [kind(**{name: _value(record[name], hints[name]) for name in hints}) for record in records]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{file} is not a table of this benchmark ({type(error).__name__}: {error})") from error


def _value(text: str, hint: type) -> object:
    if isinstance(hint, types.UnionType):
        return None if text == "" else get_args(hint)[0](text)
    return hint(text)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1) -> str:
    """A table in Markdown whose first `names` columns are words and whose others are numbers."""
    columns = [Column(title, title, (RESULT,), numeric=place >= names) for place, title in enumerate(head)]
    table = simple_table("", "", columns, rows)
    return markdown_grid(table, table.blocks[0])
