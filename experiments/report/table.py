"""A table as data: what each cell is worth and how it reads; `rendering` writes it, `tables` fills it."""

from collections.abc import Iterator
from dataclasses import dataclass

from experiments.analysis.numbers import ABSENT

RESULT, STATISTICS, CSV = "result", "statistics", "csv"
"""The views of a table. The printed ones are parted so that each stays readable; the CSV holds everything."""


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        key: its name in the CSV and in W&B, like `difference_low`.
        title: its printed head.
        views: where it is shown, out of `RESULT`, `STATISTICS` and `CSV`.
        numeric: whether it is set flush right.
    """

    key: str
    title: str
    views: tuple[str, ...] = (CSV,)
    numeric: bool = True


@dataclass(frozen=True)
class Cell:
    """One cell: its printed text, its raw value (None: empty), and whether it is a difference that stands."""

    text: str
    value: float | int | str | None = None
    stands: bool = False


@dataclass(frozen=True)
class Block:
    """The rows that are compared with each other, under a title and a caption line of their own."""

    title: str
    caption: str
    """Data, model, recipe, device, precision, number of runs, commits."""
    rows: tuple[tuple[Cell, ...], ...]
    """One cell a column of the table."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One file: blocks with the same columns."""

    name: str
    """Of its files, without suffix."""
    title: str
    caption: str
    """What is compared, how, and how to read it."""
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    """How to read the columns."""
    commands: tuple[str, ...]
    """First the one that makes this table again from its ledger, then those that make the runs."""
    warnings: tuple[str, ...] = ()
    """What is missing: damaged or repeated rows of the ledger, tasks that are left out."""

    @property
    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows of all blocks."""
        return tuple(row for block in self.blocks for row in block.rows)

    def places(self, view: str) -> list[int]:
        """The places of the columns that a view shows."""
        return [place for place, column in enumerate(self.columns) if view in column.views]

    def printed(self, block: Block, view: str) -> list[tuple[Cell, ...]]:
        """The cells of a printed view of a block; rows that have nothing to say there are left out."""
        places = self.places(view)
        rows = (tuple(row[place] for place in places) for row in block.rows)
        return [row for row in rows if any(cell.text not in ("", ABSENT) for cell in row[1:])]

    def records(self) -> Iterator[dict[str, float | int | str | None]]:
        """The raw values of each row by column key, for columns of the CSV."""
        for row in self.rows:
            yield {self.columns[place].key: row[place].value for place in self.places(CSV)}
