"""Labelled texts from CSV and Parquet files: reading them, with errors that name the row."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from pyarrow import csv, parquet

from experiments.errors import BadInput, one_line, unknown
from experiments.randomness import generator

_WHOLE_NUMBER = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class LabelledTexts:
    """Texts and their labels.

    Args:
        texts: one list of N strings for single texts, two for pairs.
        labels: int64 N, index of the class.
    """

    texts: tuple[list[str], ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: np.ndarray) -> "LabelledTexts":
        return LabelledTexts(tuple([column[i] for i in index] for column in self.texts), self.labels[index])

    def split(self, held_out: int) -> tuple["LabelledTexts", "LabelledTexts"]:
        """(the rest, `held_out` rows drawn at random); the same split for every seed.

        Raises:
            ValueError: `held_out` leaves nothing to train on.
        """
        if held_out >= len(self):
            raise ValueError(f"a number below {len(self)}, the rows of train")
        order = torch.randperm(len(self), generator=generator("cpu", "held-out split")).numpy()
        return self[np.sort(order[held_out:])], self[np.sort(order[:held_out])]


@dataclass(frozen=True)
class Columns:
    """The columns of a file and their roles.

    Args:
        text: the columns of texts, one or two.
        label: the column of labels.
        unlabelled: the label of rows that have none, which are dropped; None: there are no such rows.
        drop_empty: drop rows with an empty text; otherwise they are errors.
    """

    text: tuple[str, ...]
    label: str
    unlabelled: int | str | None
    drop_empty: bool


@dataclass(frozen=True)
class Rows:
    """The content of one file, before its labels are mapped to classes.

    Args:
        file: where it was read.
        texts: one list of strings for each text column.
        labels: integers or names, one per row.
        numbers: the number of each row in the file; the first row after the header is 1.
        total: rows in the file.
        unlabelled: how many of them were dropped for having no label.
        empty: how many of them were dropped for an empty text.
    """

    file: Path
    texts: tuple[list[str], ...]
    labels: list[int] | list[str]
    numbers: list[int]
    total: int
    unlabelled: int
    empty: int


def read_rows(file: Path, columns: Columns) -> Rows:
    """The rows of a CSV file (with a header) or a Parquet file (any other ending).

    Raises:
        BadInput: the file is missing, empty or damaged, a column is missing or of another type, a text is
            empty, or a label is missing or mixes numbers and names; the message names file, row and column.
    """
    table = _table(file, columns)
    if not table.num_rows:
        raise BadInput(f"{file} is empty: it has no rows; name a file with at least one text and its label")
    texts = [_texts(table, file, name) for name in columns.text]
    labels = _labels(table, file, columns.label)
    unlabelled = [str(label) == str(columns.unlabelled) for label in labels]
    empty = [any(not column[row].strip() for column in texts) for row in range(table.num_rows)]
    keep = [row for row in range(table.num_rows) if not unlabelled[row] and not empty[row]]
    dropped_as_empty = [row for row in range(table.num_rows) if empty[row] and not unlabelled[row]]
    if dropped_as_empty and not columns.drop_empty:
        row = dropped_as_empty[0]
        name = next(name for name, column in zip(columns.text, texts, strict=True) if not column[row].strip())
        raise BadInput(
            f"{file}, row {row + 1}: column {name!r} is empty; correct it, or drop such rows with data.drop_empty=true"
        )
    if not keep:
        raise BadInput(f"{file} is empty: none of its {table.num_rows} rows has a label and a text; name another file")
    return Rows(
        file,
        tuple([column[row] for row in keep] for column in texts),
        [labels[row] for row in keep],
        [row + 1 for row in keep],
        table.num_rows,
        sum(unlabelled),
        len(dropped_as_empty),
    )


def read_texts(file: Path, columns: Sequence[str]) -> tuple[list[str], ...]:
    """The texts of a file without labels, one list for each of `columns`.

    A .txt file has one text a line, a pair with a tab between; its empty lines are errors, as the answers are by line.

    Raises:
        BadInput: the file is missing, empty or damaged, a column is missing, or a line is not what is expected.
    """
    if file.suffix.lower() != ".txt":
        table = _table(file, Columns(tuple(columns), "", None, drop_empty=False), labelled=False)
        texts = tuple(_texts(table, file, name) for name in columns)
    else:
        texts = _lines(file, len(columns))
    if not texts[0]:
        raise BadInput(f"{file} is empty: it has no texts; name a file with at least one")
    return texts


def _lines(file: Path, width: int) -> tuple[list[str], ...]:
    """The lines of a text file, each cut at its tabs into `width` texts."""
    if not file.is_file():
        raise BadInput(f"{file} does not exist; name a .txt, CSV or Parquet file")
    try:
        lines = file.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read as text in UTF-8: {error}; save it as UTF-8") from error
    cells = [[cell.strip() for cell in line.split("\t")] for line in lines]
    for number, row in enumerate(cells, start=1):
        if len(row) != width or not all(row):
            expected = "one text" if width == 1 else f"{width} texts with a tab between"
            raise BadInput(f"{file}, line {number}: {lines[number - 1][:60]!r} is not {expected}; correct the line")
    return tuple([row[column] for row in cells] for column in range(width))


def content_checksum(files: Sequence[Path], columns: Columns) -> str:
    """The SHA-256 of the texts and labels of `files`, in order.

    The format of a file and its other columns do not count.

    Raises:
        BadInput: a file is missing, empty or damaged, or lacks a column.
    """
    tables = [_table(file, columns) for file in files]
    digest = hashlib.sha256()
    for name in (*columns.text, columns.label):
        for chunk in (chunk for table in tables for chunk in table[name].chunks):
            texts = (None if cell is None else str(cell) for cell in chunk.to_pylist())
            # With their lengths, so that other cells never give the same bytes.
            digest.update("".join("-" if text is None else f"{len(text)}:{text}" for text in texts).encode())
        digest.update(b";")
    return digest.hexdigest()


def _table(file: Path, columns: Columns, labelled: bool = True) -> pa.Table:
    needed = [*columns.text, *([columns.label] if labelled else [])]
    if not file.is_file():
        raise BadInput(f"{file} does not exist; name a CSV or Parquet file")
    if not file.stat().st_size:
        raise BadInput(f"{file} is empty; name a CSV or Parquet file with the columns {', '.join(needed)}")
    try:
        if file.suffix.lower() == ".csv":
            table = csv.read_csv(
                file,
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=csv.ConvertOptions(column_types=dict.fromkeys(needed, pa.string())),
            )
        else:
            table = parquet.read_table(file)
        table.validate(full=True)
        known = table.column_names  # fails where they are not UTF-8
    except (pa.ArrowException, OSError, ValueError) as error:
        kind = "CSV" if file.suffix.lower() == ".csv" else "Parquet"
        raise BadInput(f"{file} cannot be read as {kind}: {one_line(error)}; repair or replace it") from error
    for key, names in (("data.text", columns.text), ("data.label", [columns.label] if labelled else [])):
        for name in names:
            if name not in known:
                raise unknown(f"column of {file}, named by {key}:", name, known)
            if known.count(name) > 1:
                raise BadInput(f"{file} has several columns named {name!r}, named by {key}; give each its own name")
    return table


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _texts(table: pa.Table, file: Path, name: str) -> list[str]:
    kind = table.schema.field(name).type
    if not _is_text(kind):
        raise BadInput(f"{file}: column {name!r} holds {kind}, not text; name the columns of texts with data.text=[…]")
    return [text or "" for text in table[name].to_pylist()]


def _labels(table: pa.Table, file: Path, name: str) -> list[int] | list[str]:
    kind = table.schema.field(name).type
    if not (_is_text(kind) or pa.types.is_integer(kind)):
        raise BadInput(
            f"{file}: column {name!r} holds {kind}; accepted as labels: whole numbers or names; "
            "name the column of labels with data.label=…"
        )
    labels = table[name].to_pylist()
    for row, label in enumerate(labels, start=1):
        if label is None or label == "":
            raise BadInput(f"{file}, row {row}: column {name!r} has no label; add it or remove the row")
    if pa.types.is_integer(kind):
        return labels
    whole = [bool(_WHOLE_NUMBER.fullmatch(label)) for label in labels]
    if all(whole):
        return [int(label) for label in labels]
    if any(whole):
        row = whole.index(not whole[0])
        raise BadInput(
            f"{file}, row {row + 1}: column {name!r} mixes numbers and names: {labels[row]!r} here, {labels[0]!r} in "
            "row 1; give every row a label of one kind"
        )
    return labels


def find_classes(rows: Sequence[Rows]) -> list[str]:
    """The names of the classes: the different labels, sorted, as text."""
    return [str(label) for label in sorted({label for part in rows for label in part.labels})]


def with_labels(rows: Sequence[Rows], classes: Sequence[str], label_column: str) -> LabelledTexts:
    """The rows of several files as one, each label a name in `classes` or its index there.

    Raises:
        BadInput: a label that is neither; the message names file, row and column.
    """
    by_name = {name: place for place, name in enumerate(classes)}
    labels: list[int] = []
    for part in rows:
        for number, label in zip(part.numbers, part.labels, strict=True):
            place = by_name.get(str(label))
            if place is None and isinstance(label, int) and 0 <= label < len(classes) and not _numbered(classes):
                place = label
            if place is None:
                raise BadInput(
                    f"{part.file}, row {number}: column {label_column!r} has the label {label!r}, which is out of "
                    f"range; accepted: {_accepted(classes)}"
                )
            labels.append(place)
    width = len(rows[0].texts)
    texts = tuple([text for part in rows for text in part.texts[column]] for column in range(width))
    return LabelledTexts(texts, np.array(labels, dtype=np.int64))


def _numbered(classes: Sequence[str]) -> bool:
    return all(_WHOLE_NUMBER.fullmatch(name) for name in classes)


def _accepted(classes: Sequence[str]) -> str:
    listed = ", ".join(classes)
    return listed if _numbered(classes) else f"{listed}, or their numbers 0 to {len(classes) - 1}"
