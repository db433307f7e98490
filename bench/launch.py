"""Runs a command and tells what it used: `python bench/launch.py FILE COMMAND…`, JSON into FILE.

A process of its own between the measuring one and the measured: on Linux a child's `ru_maxrss` begins
with that of whoever started it (exec keeps the old image's peak), which here would be the size of
all request bodies.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> int:
    """The command's exit code."""
    _, result, *command = sys.argv
    started = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(pid, 0)
    wall_s = time.perf_counter() - started
    with open(result, "w") as file:  # noqa: PTH123 - pathlib would make this process bigger
        json.dump(
            {"wall_s": wall_s, "cpu_s": used.ru_utime + used.ru_stime, "maxrss": used.ru_maxrss},
            file,
        )
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
