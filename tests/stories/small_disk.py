"""`python -m tests.stories.small_disk BYTES COMMAND ...`: the command where no file may grow beyond BYTES."""

from __future__ import annotations

import resource
import runpy
import sys

if __name__ == "__main__":
    most = int(sys.argv.pop(1))
    sys.dont_write_bytecode = True  # Python keeps what a full disk cut off, and loads it later
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    runpy.run_module("streamer", run_name="__main__")
