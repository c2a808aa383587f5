"""The cells of a ledger's row, each read as what its column must hold."""

import csv
import math
from collections.abc import Callable
from datetime import datetime

from experiments.analysis.metrics import find_metric

Row = dict[str, str]


class Damaged(Exception):
    """A row that cannot be used; says the column and the value."""


def split_row(header: list[str], line: str) -> Row:
    """The cells of a line by column.

    Raises:
        Damaged: it is not CSV, not UTF-8, or has too few or too many cells.
    """
    try:
        cells = next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise Damaged(f"it is not CSV ({error})") from error
    if len(cells) < len(header):
        raise Damaged(f"it ends before column {header[len(cells)]!r}")
    if len(cells) > len(header):
        too_many = cells[len(header)][:40]
        raise Damaged(f"it has {len(cells)} cells for {len(header)} columns; the first too many is {too_many!r}")
    row = dict(zip(header, cells, strict=True))
    for column, cell in row.items():
        if "\N{REPLACEMENT CHARACTER}" in cell or "\0" in cell:
            raise Damaged(f"column {column!r} is {cell!r}, not text in UTF-8")
    return row


def read(row: Row, column: str, convert: Callable[[str], object], accepted: str) -> object:
    """The cell of `column`, converted.

    Raises:
        Damaged: `convert` refuses it with a ValueError.
    """
    try:
        return convert(row[column])
    except ValueError as error:
        raise Damaged(f"column {column!r} is {row[column]!r}, not {accepted}") from error


def read_metric(row: Row, column: str, name: str) -> float:
    """A value of the metric `name`.

    Raises:
        Damaged: it is no number, or better than the best possible.
    """
    value = read(row, column, number, "a number")
    kind = find_metric(row["task"], name)
    if kind and kind.best_possible is not None:
        beyond = value > kind.best_possible if kind.higher_is_better else value < kind.best_possible
        if beyond:
            raise Damaged(f"column {column!r} is {row[column]!r}, and the best possible is {kind.best_possible:g}")
    return value


def one_of(*words: str) -> Callable[[str], str]:
    """A converter that accepts these words."""

    def convert(cell: str) -> str:
        if cell not in words:
            raise ValueError
        return cell

    return convert


def some_text(cell: str) -> str:
    """Text that is not empty."""
    if not cell.strip():
        raise ValueError
    return cell


def number(cell: str) -> float:
    """A finite number."""
    value = float(cell)
    if not math.isfinite(value):
        raise ValueError
    return value


def is_number(cell: str) -> bool:
    """Whether `number` accepts it."""
    try:
        number(cell)
    except ValueError:
        return False
    return True


def count(cell: str) -> int:
    """An integer ≥ 0."""
    value = int(cell)
    if value < 0:
        raise ValueError
    return value


def time(cell: str) -> str:
    """A time with its zone, as ISO 8601 writes it."""
    if datetime.fromisoformat(cell).tzinfo is None:
        raise ValueError
    return cell
