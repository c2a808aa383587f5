"""Checksums of the text files of a run that has ended, in the format of the command `sha256sum`.

Text is made to be read and edited, so a file that differs is used all the same; who reads a run gets a note.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from experiments.files import write_atomically

SUMS = "sums.sha256"
"""The file in the run's folder."""


def write_sums(folder: Path, names: Iterable[str], further: dict[str, bytes]) -> None:
    """Writes the checksums of those files of a folder that exist, and of contents that are written later.

    Raises:
        BadInput: the file cannot be written.
    """
    contents = {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()} | further
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items()]
    write_atomically(folder / SUMS, "".join(lines).encode())


def altered(folder: Path) -> list[str]:
    """The files of a run that are no longer what it wrote; none where it wrote no checksums, as before they existed.

    The file of checksums itself counts as altered if it cannot be read.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        return [SUMS]
    found = []
    for line in lines:
        wanted, _, name = line.partition("  ")
        if not name or Path(name).name != name:  # a damaged line; never a file elsewhere
            found.append(SUMS)
        elif _sum_of(folder / name) != wanted:
            found.append(name)
    return found


def note_on_altered(folder: Path) -> str:
    """A sentence about files of a run that are no longer what it wrote; empty if there are none."""
    names = altered(folder)
    if not names:
        return ""
    what = f"{', '.join(names)} of {folder} {'is' if len(names) == 1 else 'are'} not as the run wrote"
    return f"{what} {'it' if len(names) == 1 else 'them'}: edited or damaged; delete its {SUMS} to accept an edit"


def _sum_of(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return "missing"
