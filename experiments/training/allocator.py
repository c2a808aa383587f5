"""How the C library deals with freed memory: a run keeps it, since the next step asks for the same again."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Options of glibc's mallopt, from its malloc.h."""


def keep_freed_memory() -> bool:
    """Makes freed memory stay with the process; True where the C library, glibc, can do that.

    By default glibc maps each block of 32 MiB or more (at first 128 KiB) anew and gives it back at once, and the
    kernel clears every page of it again in every step. Kept blocks settle after some steps into which fits where; until
    then the process may take a few more of them. Results do not change. What an earlier run in this process left is
    given back first.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        return bool(libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, -1))
    except (OSError, AttributeError):  # another C library
        return False
