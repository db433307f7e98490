"""Keeps a start quick, and a long run quick and small: room for frames, little looking for garbage, buffers given back."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FunctionType
from typing import ParamSpec, TypeVar, cast

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc
LARGE_BYTES = 512 * 1024  # not the 256 KB that asyncio makes room for at each reading of a socket
IDLE_BYTES = (
    2 * 1024 * 1024
)  # of each of two heaps: the next page needs again what this one gave up
YOUNG_OBJECTS = 100_000  # rows are plain tuples that reference counting frees
ROOM_SLOTS = 8_000  # of 8 bytes: its chunk has 128 KB then, half of it for the frames above

P = ParamSpec("P")
T = TypeVar("T")


def roomy(call: Callable[P, T]) -> Callable[P, T]:
    """`call`, with room for many frames above its own.

    Python keeps frames in chunks of 16 KB, one behind the other (`push_chunk` in pystate.c), and gives a chunk back with
    its first frame. Modules that import each other 14 deep fill one: of what runs there, each call asks
    the system for a chunk and gives it back, 8 ms of a start. A frame that needs a large chunk has what is
    left of it for the others; of what it says that it needs it uses nothing.
    """
    function = cast("FunctionType", call)
    function.__code__ = function.__code__.replace(co_stacksize=ROOM_SLOTS)
    return call


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
