"""How the process ends: at once, where nobody counts on Python taking its objects apart first."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from types import FrameType
from typing import NoReturn

_LOADER = "streamer.pipeline.transform.loading"


def leave(code: int) -> NoReturn:
    """End the process with the exit code `code`: all that Python promises for that moment is done.

    Whoever asked to be called then is called, and what was printed is handed on. What follows in Python is that each
    module and object is freed by itself, 18 ms after a run; the system frees all of them together. Some count on
    that all the same, and for these Python ends as always: other threads, users' modules (which may have left a file open),
    programs that run this one within theirs, such as profilers, and Python's modes for developers.
    """
    if _is_by_itself(sys._getframe(1)):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] (as documented)
        atexit._run_exitfuncs()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if _handed_on():
            os._exit(code)
    sys.exit(code)


def _is_by_itself(caller: FrameType | None) -> bool:
    """Whether only Streamer's own code runs in this process, which Python itself called."""
    flags = sys.flags
    if flags.dev_mode or flags.inspect or flags.interactive or sys.warnoptions:
        return False
    if threading.active_count() > 1 or _loaded_users_modules():
        return False
    while caller is not None and caller.f_code.co_name != "<module>":
        caller = caller.f_back
    outer = None if caller is None else caller.f_back
    while outer is not None and outer.f_globals.get("__name__") == "runpy":  # python -m
        outer = outer.f_back
    return outer is None


def _loaded_users_modules() -> bool:
    if _LOADER not in sys.modules:
        return False
    from streamer.pipeline.transform.loading import users_modules  # noqa: PLC0415 (slow to load)

    return bool(users_modules())


def _handed_on() -> bool:
    """Whether stdout and stderr took what was printed; where they didn't, Python says so."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # pyright: ignore[reportUnnecessaryComparison] (after >&-)
                stream.flush()
    except (OSError, ValueError):
        return False
    return True
