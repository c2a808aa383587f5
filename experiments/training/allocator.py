"""Memory: freed blocks stay with the process, as every step needs the same again; what is too large is explained."""

import contextlib
import ctypes
import re
from collections.abc import Iterator

from experiments.errors import BadInput

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Options of glibc's mallopt, from its malloc.h."""


def keep_freed_memory() -> bool:
    """Makes the C library keep freed memory; returns whether it can (glibc does).

    By default glibc maps every block of 32 MiB or more (at first 128 KiB) separately and unmaps it when it is freed, so
    that the kernel clears all of its pages again in every step. With kept blocks, memory use may grow a little during
    the first steps, until every allocation finds a block that fits. Results do not change. Memory that an earlier run
    in this process left is released first.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        return bool(libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, -1))
    except (OSError, AttributeError):  # another C library
        return False


_ASKED = (r"tried to allocate (\d+) bytes", r"Tried to allocate ([\d.]+ [KMGT]iB)")
"""How torch says what it asked for: on the CPU, and on a GPU."""

_TOO_LARGE = (
    "overflow",
    "Overflow",
    "Invalid buffer size",
    "negative dimension",
    "int too large",
    "too large to convert",
)
"""Parts of the messages for a size that no memory has."""


@contextlib.contextmanager
def out_of_memory_explained(what: str, way_out: str) -> Iterator[None]:
    """Turns the error for memory that there is not into one line.

    Args:
        what: what is built, with the settings that it is built from.
        way_out: what the user can do.

    Raises:
        BadInput: an allocation failed; the message says how much was asked for.
    """
    try:
        yield
    except (RuntimeError, MemoryError, OverflowError, TypeError) as error:
        asked = _asked_for(error)
        if asked is None:
            raise
        raise BadInput(f"{what} does not fit into memory: {asked}; {way_out}") from error


def _asked_for(error: Exception) -> str | None:
    """What an error says of memory; None if it is about something else."""
    text = str(error)
    for pattern in _ASKED:
        if found := re.search(pattern, text):
            size = found[1]
            return f"it asked for {int(size) / 2**30:,.1f} GiB at once" if size.isdigit() else f"it asked for {size}"
    if isinstance(error, MemoryError | OverflowError) or any(part in text for part in _TOO_LARGE):
        return "a size in it is larger than any memory"
    return None
