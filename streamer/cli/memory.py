"""Keeps a long run small and quick: buffers go back to the system, garbage is looked for rarely."""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc
LARGE_BYTES = 512 * 1024  # not the 256 KB that asyncio makes room for at each reading of a socket
IDLE_BYTES = (
    2 * 1024 * 1024
)  # of each of two heaps: the next page needs again what this one gave up
YOUNG_OBJECTS = 100_000  # rows are plain tuples that reference counting frees


@contextmanager
def loading() -> Generator[None]:
    """Look for no garbage while modules are loaded, nor ever among what they hold.

    They leave hardly any and stay until the end. Looking takes 20 ms meanwhile, 8 ms right afterwards
    and 20 ms more when Python ends.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def settle_memory() -> None:
    """Prepare this process for moving many rows; call it once what is needed is loaded."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    if sys.platform == "linux":
        _return_large_buffers()


def _return_large_buffers() -> None:
    """Tell glibc to map large blocks one by one.

    By default its threshold for that grows with the first large block that is freed, to 32 MB.
    After that, bodies of some megabytes leave holes in the heap: a million rows then took 240 MB
    of memory instead of 130 (measured with glibc 2.36).
    """
    import ctypes  # noqa: PLC0415 (only here, and not for every command)

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another libc
        return
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
    mallopt(M_TRIM_THRESHOLD, IDLE_BYTES)
    mallopt(M_ARENA_MAX, 2)
