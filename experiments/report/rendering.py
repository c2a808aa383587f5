"""Tables as text: Markdown and CSV here, LaTeX in `latex`; and the files that hold them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from experiments.files import csv_text, write_files
from experiments.report.latex import to_latex
from experiments.report.table import CSV, RESULT, RUNS_OF, STATISTICS, Block, Cell, Table


def write_tables(tables: list[Table], folder: Path) -> list[Path]:
    """Writes each table as `<name>.md`, `.tex` and `.csv`; returns the files.

    Raises:
        BadInput: the folder cannot be written.
    """
    forms = {"md": to_markdown, "tex": to_latex, "csv": to_csv}
    return write_files(
        {
            folder / f"{table.name}.{suffix}": render(table).encode()
            for table in tables
            for suffix, render in forms.items()
        }
    )


def to_csv(table: Table) -> str:
    """Every raw value under one header row."""
    return records_to_csv([table.columns[place].key for place in table.places(CSV)], table.records())


def records_to_csv(columns: Sequence[str], records: Iterable[Mapping[str, object]], digits: int = 10) -> str:
    """Records under one header row; numbers with limited digits, so that they do not depend on the machine."""

    def rounded(value: object) -> object:
        return f"{value:.{digits}g}" if isinstance(value, float) else value

    return csv_text([columns, *([rounded(record[column]) for column in columns] for record in records)])


def to_markdown(table: Table) -> str:
    """A page: the caption, each block with its notes, how to read it, and the commands."""
    parts = [f"# {_escaped(table.title)}", table.caption]
    if table.warnings:
        parts.append("\n".join(f"> Warning: {_escaped(warning)}\n>" for warning in table.warnings).removesuffix("\n>"))
    for block in table.blocks:
        parts += [f"## {_escaped(block.title)}" if block.title else "", _escaped(block.caption)]
        parts += [markdown_grid(table, block, view) for view in (RESULT, STATISTICS) if table.printed(block, view)]
        if block.notes:
            parts.append("\n".join(f"- {_escaped(note)}" for note in block.notes))
    if table.notes:
        parts += ["## How to read it", "\n".join(f"- {_escaped(note)}" for note in table.notes)]
    own, runs = table.commands[:1], table.commands[1:]
    for what, commands in (("Made by", own), (RUNS_OF, runs)):
        parts += [what, "```bash\n" + "\n".join(commands) + "\n```"] if commands else []
    return "\n\n".join(filter(None, parts)) + "\n"


def markdown_grid(table: Table, block: Block, view: str = RESULT) -> str:
    """The rows of a block under their heads, without title, caption and notes."""
    places = table.places(view)
    lines = [
        [_escaped(table.columns[place].title) for place in places],
        ["---:" if table.columns[place].numeric else "---" for place in places],
        *([_cell(cell) for cell in row] for row in table.printed(block, view)),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    return f"**{_escaped(cell.text)}**" if cell.bold and cell.text else _escaped(cell.text)


def _escaped(text: str) -> str:
    """`text`, which may come from a ledger, in one line and without tags or links of its own."""
    line = " ".join(text.splitlines()).replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*")
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", line).replace("](", "]\\(")
