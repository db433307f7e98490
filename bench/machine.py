"""The machine: what it is, and how much CPU its processes have used."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("d1-streamer", "asyncpg", "aiohttp", "orjson", "uvloop", "aiosqlite")


def description() -> dict[str, str | int]:
    """What figures depend on, but for the versions."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cpus": os.cpu_count() or 0,
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
    }


def versions() -> dict[str, str]:
    """Python's version and those of the packages that matter for speed; '' where not installed."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def cpu_s(pid: int, *, children: bool = False) -> float | None:
    """The CPU seconds that a process has used, with its ended `children` or without.

    None where the system doesn't tell finely enough (outside Linux).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # proc(5): utime, stime, cutime and cstime are fields 14 to 17; the name may hold spaces
    ticks = [int(field) for field in stat.rpartition(")")[2].split()[11:15]]
    return sum(ticks if children else ticks[:2]) / os.sysconf("SC_CLK_TCK")


def peak_mb(maxrss: int) -> float:
    """`ru_maxrss` in megabytes of 10^6: systems differ in its unit."""
    return maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        said = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"],
            check=False,
            capture_output=True,
            text=True,
        )
        return said.stdout.strip() or platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
