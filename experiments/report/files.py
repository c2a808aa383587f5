"""Writes what a report is made of."""

from collections.abc import Mapping
from pathlib import Path

from experiments.checkpoint import write_atomically
from experiments.errors import BadInput


def write_files(contents: Mapping[Path, bytes]) -> list[Path]:
    """Writes each file, with its folder where there is none; returns the files.

    Raises:
        BadInput: one cannot be written.
    """
    for file, content in contents.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(
                f"{file.parent} cannot be written: {error.strerror}; name another place with --out"
            ) from error
        write_atomically(file, content)
    return list(contents)
