"""Writing of files: atomically, and CSV that a spreadsheet opens without running anything."""

import contextlib
import csv
import io
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from experiments.errors import BadInput


def write_atomically(file: Path, content: bytes, previous: Path | None = None) -> None:
    """Writes `content` to `file`; after a crash at any moment the file holds the old or the new content.

    Args:
        file: where.
        content: what.
        previous: where the old content is kept; a crash may leave it there and nothing in `file`. None: nowhere.

    Raises:
        BadInput: the folder cannot be written or the disk is full; the old file is unchanged.
    """
    part = file.with_name(file.name + ".part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if previous and file.exists():
            file.replace(previous)
        part.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise BadInput(
            f"{file} cannot be written: {error.strerror}; the old content is kept. "
            "Make room (or name another folder with output_root=FOLDER) and give the same command again"
        ) from error


def write_files(contents: Mapping[Path, bytes]) -> list[Path]:
    """Writes each file, making its folder if needed; returns the files.

    Raises:
        BadInput: one cannot be written.
    """
    for file, content in contents.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(
                f"{file.parent} cannot be written: {error.strerror}; name another folder with --out"
            ) from error
        write_atomically(file, content)
    return list(contents)


def check_writable(key: str, folder: Path | str) -> None:
    """Checks, before work starts, that a folder can be written or made; makes nothing.

    Args:
        key: the setting or option that names the folder, for the message.
        folder: the folder.

    Raises:
        BadInput: it cannot be written, or that is no name of a folder.
    """
    path = Path(folder).absolute()
    try:
        there = next(each for each in (path, *path.parents) if each.exists())
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise BadInput(f"{key}={folder} cannot be written: {error.strerror}; name another folder") from error
    except ValueError as error:  # a null character
        raise BadInput(f"{key}={str(folder)!r} is no name of a folder: {error}; name another folder") from error


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV for people; text that a spreadsheet would take for a formula gets an apostrophe before it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_not_a_formula(cell) for cell in row] for row in rows)
    return text.getvalue()


def _not_a_formula(cell: object) -> object:
    if not isinstance(cell, str) or not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
