"""A table as data: the raw value and printed text of each cell; `rendering` and `latex` write it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from experiments.analysis.numbers import ABSENT

RESULT, STATISTICS, CSV = "result", "statistics", "csv"
"""The views of a table. The printed ones are split so that each stays readable; the CSV holds everything."""

RUNS_OF = "from the runs of (at the commits named above; a default may have changed since)"
"""The heading of the commands of the runs, below a table."""


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
    """One cell: its printed text, its raw value (None: empty), and whether it is printed in bold."""

    text: str
    value: float | int | str | None = None
    bold: bool = False


@dataclass(frozen=True)
class Block:
    """The rows that are compared with each other, with a title and a caption line."""

    title: str
    """May be empty, where a table has one block."""
    caption: str
    """The common settings and provenance of its rows; may be empty."""
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
    notes: tuple[str, ...] = ()
    """How to read the columns."""
    commands: tuple[str, ...] = ()
    """First the command that makes this table from its ledger, then those that make the runs."""
    warnings: tuple[str, ...] = ()
    """What is missing: damaged or repeated rows of the ledger, tasks that are left out."""
    task: str = ""
    """The task that it is about; empty where it is about several."""

    @property
    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows of all blocks."""
        return tuple(row for block in self.blocks for row in block.rows)

    def places(self, view: str) -> list[int]:
        """The places of the columns that a view shows."""
        return [place for place, column in enumerate(self.columns) if view in column.views]

    def printed(self, block: Block, view: str) -> list[tuple[Cell, ...]]:
        """The cells of a printed view of a block; rows without any statistics are left out of that view."""
        places = self.places(view)
        rows = (tuple(row[place] for place in places) for row in block.rows)
        return [row for row in rows if view != STATISTICS or any(cell.text not in ("", ABSENT) for cell in row[1:])]

    def records(self) -> Iterator[dict[str, float | int | str | None]]:
        """The raw values of each row by column key, for columns of the CSV."""
        for row in self.rows:
            yield {self.columns[place].key: row[place].value for place in self.places(CSV)}


def simple_table(
    name: str,
    title: str,
    columns: Sequence[Column | tuple[str, str]],
    rows: Sequence[Sequence[Cell | str | int | float | None]],
    caption: str = "",
    **further: tuple[str, ...],
) -> Table:
    """A table of one block without statistics: rows under heads.

    Args:
        name: of its files.
        title: its heading.
        columns: each a `Column`, or (key, printed title): a column that is printed and in the CSV.
        rows: each with one cell a column; a bare value is printed as text, None as a dash.
        caption: what it shows.
        further: notes, commands or warnings of the `Table`.

    Raises:
        ValueError: a row has another number of cells.
    """
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"a row has {len(row)} cells for {len(columns)} columns: {row}")
    numeric = [all(_is_numeric(row[place]) for row in rows) for place in range(len(columns))]
    made = tuple(
        column if isinstance(column, Column) else Column(*column, (RESULT, CSV), numeric[place])
        for place, column in enumerate(columns)
    )
    cells = tuple(tuple(_as_cell(value) for value in row) for row in rows)
    return Table(name, title, caption, made, (Block("", "", cells),), **further)


def _as_cell(value: Cell | str | int | float | None) -> Cell:
    return value if isinstance(value, Cell) else Cell(ABSENT if value is None else str(value), value)


def _is_numeric(value: Cell | str | int | float | None) -> bool:
    return not isinstance(value.value if isinstance(value, Cell) else value, str)
