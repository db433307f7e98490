"""Keeps the process as small as what it holds: large buffers go back to the system when freed."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc
LARGE_BYTES = 256 * 1024


def return_large_buffers() -> None:
    """Tell glibc to map large blocks one by one; elsewhere, do nothing.

    By default its threshold for that grows with the first large block that is freed, to 32 MB.
    After that, bodies of some megabytes leave holes in the heap: a million rows then took 240 MB
    of memory instead of 130 (measured with glibc 2.36).
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another libc
        return
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
    mallopt(M_TRIM_THRESHOLD, LARGE_BYTES)
    mallopt(M_ARENA_MAX, 2)
