"""The Pythons of this machine that the wheel is tried with: the tests' own, and newer ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

NEWER = ("3.12", "3.13", "3.14")


def pytest_report_header() -> str:
    """Say which Pythons the wheel is tried with: that there was none mustn't go unnoticed."""
    newer = [version for version in NEWER if _found(version)]
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"wheel: installed with Python {own}, and {', '.join(newer) or 'no newer one is here'}"


def pythons() -> dict[str, Path]:
    """Their programs by version: the tests' own first, then each newer one that starts."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = {version: path for version in NEWER if (path := _found(version)) is not None}
    return {own: Path(sys.executable), **found}


@cache
def _found(version: str) -> Path | None:
    """The first on PATH, or of pyenv's versions, that starts and is this version.

    pyenv puts scripts on PATH for versions that aren't chosen; these don't start.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    named = shutil.which(f"python{version}")
    places = [Path(named)] if named else []
    places += sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)
    return next((place for place in places if _version(place) == version), None)


def _version(python: Path) -> str:
    script = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
