"""Other tools that move a table from PostgreSQL into a SQLite file, each in an environment of its own.

`python -m bench.peers` installs them and runs them, and those that go into D1, beside the product.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figures
from bench.machine import peak_mb
from bench.run import launch
from bench.work import Work
from tests.engines.postgres import Postgres

FOLDER = Path(__file__).resolve().parents[1] / ".peers"
SCRIPTS = Path(__file__).parent
# A password without anything to escape: not every tool reads one that has.
READER = """DO $$ BEGIN
    IF to_regrole('bench') IS NULL THEN CREATE ROLE bench SUPERUSER LOGIN PASSWORD 'bench'; END IF;
END $$"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool, the packages that it comes in, and its `script`, which is given DSN, table and file.

    The script runs in the tool's own environment.
    """

    name: str
    packages: tuple[str, ...]
    script: str

    @property
    def folder(self) -> Path:
        """Its environment."""
        return FOLDER / self.script

    @property
    def python(self) -> Path:
        """The interpreter that sees its packages."""
        return self.folder / "bin" / "python"

    @property
    def is_installed(self) -> bool:
        """Whether it can be run."""
        return (self.folder / "installed").exists()

    def install(self) -> str:
        """Install it; '' or why that can't be done here."""
        if self.is_installed:
            return ""
        if not self.python.exists():
            subprocess.run([sys.executable, "-m", "venv", self.folder], check=True)
        pip = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, *self.packages], check=False, capture_output=True, text=True)
        if done.returncode:
            return done.stderr.strip().splitlines()[-1]
        (self.folder / "installed").touch()
        return ""


PEERS = (
    Peer(
        "DuckDB",
        (
            "duckdb==1.4.4",
            "duckdb-extension-postgres-scanner==1.4.4",
            "duckdb-extension-sqlite-scanner==1.4.4",
        ),
        "duckdb",
    ),
    Peer(
        "ADBC",
        (
            "adbc-driver-postgresql==1.13.0",
            "adbc-driver-sqlite==1.13.0",
            "adbc-driver-manager==1.13.0",
            "pyarrow",
        ),
        "adbc",
    ),
    Peer("Sling", ("sling-linux-amd64==1.4.11",), "sling"),
    Peer("ingestr", ("ingestr==1.1.19",), "ingestr"),
    Peer("dlt", ("dlt[sqlalchemy]==1.31.0", "psycopg2-binary"), "dlt"),
    Peer("db-to-sqlite", ("db-to-sqlite==1.5", "psycopg2-binary"), "db-to-sqlite"),
)


def copy(peer: Peer, postgres: Postgres, work: Work, rows: int, folder: Path) -> Figures:
    """What the tool takes to copy the table into `folder`/copy.db.

    Raises:
        RuntimeError: it failed.

    """
    asyncio.run(postgres.execute("postgres", READER))
    script = SCRIPTS / f"with_{peer.script.replace('-', '_')}.py"
    command: Sequence[str | Path] = (
        peer.python,
        script,
        postgres.dsn(user="bench", password="bench"),
        work.name,
        folder / "copy.db",
    )
    used = launch(command, folder, variables(folder, peer.folder / "bin"))
    return Figures(
        peer.name, rows, used.wall_s, used.cpu_s, peak_mb=peak_mb(used.maxrss), table=work.name
    )


def variables(folder: Path, programs: Path) -> dict[str, str]:
    """All that a tool is to know of this machine, its `programs` found first."""
    return {
        "PATH": f"{programs}:{os.environ.get('PATH', '')}",
        "HOME": str(folder),  # whatever they leave behind goes with it
        "LANG": os.environ.get("LANG", "C.UTF-8"),
    }
