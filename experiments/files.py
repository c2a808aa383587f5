"""Atomic writing of files."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from experiments.errors import BadInput


def write_atomically(file: Path, content: bytes) -> None:
    """Writes `content` to `file`; after a crash at any moment the file holds the old or the new content.

    Raises:
        BadInput: the folder cannot be written or the disk is full; the old file is unchanged.
    """
    part = file.with_name(file.name + ".part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
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
