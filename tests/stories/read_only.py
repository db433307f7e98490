"""The command where a folder can't be written to: `python -m tests.stories.read_only HOW FOLDER COMMAND...`.

HOW is `mount`, of a file system that is read-only here (by root alone), or `modes`, which count for root
too once it has given up its rights above them. Other processes see nothing of either but the modes.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import sys
from pathlib import Path

_CLONE_NEWNS = 0x00020000  # sched.h
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18  # mount(2)
_CAPABILITIES_3 = 0x20080522  # capset(2)

libc = ctypes.CDLL(None, use_errno=True)


def _done(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount_read_only(folder: Path) -> None:
    """Have `folder` read-only for this process, until it ends; OSError where that isn't allowed."""
    path = os.fsencode(folder)
    _done(libc.unshare(_CLONE_NEWNS))
    _done(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
    _done(libc.mount(path, path, None, _MS_BIND, None))
    _done(libc.mount(b"none", path, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY, None))


def obey_modes() -> None:
    """Give up all rights above those that files' modes give to their owner."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    _done(libc.capset(header, (ctypes.c_uint32 * 6)()))


if __name__ == "__main__":
    how, where = sys.argv.pop(1), Path(sys.argv.pop(1))
    if how == "mount":
        mount_read_only(where)
    else:
        obey_modes()
    runpy.run_module("streamer", run_name="__main__")
