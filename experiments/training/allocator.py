"""Keeps freed memory in the process, because every training step allocates the same blocks again."""

import ctypes

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
