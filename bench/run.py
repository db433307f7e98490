"""The product, as a user starts it: a process of its own, from a real PostgreSQL into a real D1."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figures
from bench.machine import cpu_s, peak_mb
from bench.work import Work
from tests.engines.postgres import Postgres
from tests.engines.workerd import Workerd

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Used:
    """What a process used; `maxrss` in the system's own unit."""

    wall_s: float
    cpu_s: float
    maxrss: int


@dataclass(frozen=True, slots=True)
class Ends:
    """So many rows of the table `work` in PostgreSQL, and the database `uuid` that they go into."""

    work: Work
    rows: int
    postgres: Postgres
    workerd: Workerd
    uuid: str


def move(ends: Ends, options: list[str]) -> Figures:
    """What `streamer run` into a fresh database takes."""
    return measured(ends, ["run", *options])


def measured(ends: Ends, arguments: list[str]) -> Figures:
    """What a command of the product takes, with the table as an option."""
    workerd, postgres = ends.workerd, ends.postgres
    workerd.stats(reset=True)
    postmaster = int((postgres.data_folder / "postmaster.pid").read_text().split()[0])
    before = cpu_s(workerd.pid), cpu_s(postmaster, children=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            **workerd.environment,
            "POSTGRES_DSN": postgres.dsn(),
            "D1_DATABASE_ID": ends.uuid,
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": folder,  # a window of requests that nobody has used yet
        }
        command = [sys.executable, "-m", "streamer", *arguments, "--table", ends.work.name]
        used = _launch(command, Path(folder), environment)
    after = cpu_s(workerd.pid), cpu_s(postmaster, children=True)
    stats = workerd.stats()
    return Figures(
        name=" ".join(["streamer", *arguments]),
        rows=ends.rows,
        wall_s=used.wall_s,
        own_cpu_s=used.cpu_s,
        engine_cpu_s=_difference(before[0], after[0]),
        source_cpu_s=_difference(before[1], after[1]),
        peak_mb=peak_mb(used.maxrss),
        requests=int(stats["requests"]),
        sent_bytes=int(stats["request_bytes"]),
    )


def copy_out(work: Work, rows: int, postgres: Postgres) -> Figures:
    """Psql's COPY of the table to nowhere: what reading costs at the least."""
    psql = postgres.engine.folder / "psql"
    command = [str(psql), "-X", "-q", "-c", f"COPY {work.name} TO STDOUT", postgres.dsn()]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        used = _launch(command, Path(folder), dict(os.environ), output=Path(os.devnull))
    return Figures("psql COPY to /dev/null", rows, used.wall_s, own_cpu_s=used.cpu_s)


def differences(work: Work, one: Path, other: Path) -> int:
    """How many rows of two SQLite files' tables don't have an equal in the other, type by type.

    The files must not be served any more.
    """
    names = ", ".join(f'"{name}", typeof("{name}")' for name, _ in work.columns)
    rows = f'SELECT {names} FROM %s."{work.name}"'
    with closing(sqlite3.connect(one)) as connection:
        connection.execute("ATTACH ? AS other", (str(other),))
        found = 0
        for first, second in (("main", "other"), ("other", "main")):
            sql = f"SELECT count(*) FROM ({rows % first} EXCEPT {rows % second})"
            found += connection.execute(sql).fetchone()[0]
    return found


def _launch(
    command: list[str], folder: Path, environment: dict[str, str], *, output: Path | None = None
) -> Used:
    log, result = folder / "log", folder / "used.json"
    with (output or log).open("ab") as stdout, log.open("ab") as stderr:
        code = subprocess.call(
            [sys.executable, "-S", ROOT / "bench" / "launch.py", result, *command],
            env=environment,
            cwd=folder,
            stdout=stdout,
            stderr=stderr,
        )
    if code:
        raise RuntimeError(f"{command[0]} ended with exit code {code}:\n{log.read_text()}")
    return Used(**json.loads(result.read_text()))


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
