"""The command, that leaves the most memory it ever had in the file `peak`, in bytes.

As `python -m tests.stories.measured ARGUMENTS...`.
"""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

from streamer import cli

STATUS = Path("/proc/self/status")


def peak_bytes() -> int:
    """Of this program alone: what `getrusage` says includes whoever started it, before that."""
    if STATUS.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())
        assert found is not None
        return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    code = cli.main(sys.argv[1:])
    Path("peak").write_text(str(peak_bytes()))
    sys.exit(code)


if __name__ == "__main__":
    main()
