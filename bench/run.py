"""The product, as a user starts it: a process of its own, from a real PostgreSQL into a real D1."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figures
from bench.machine import cpu_s, peak_mb
from bench.work import Work
from tests.engines.d1server import D1Server
from tests.engines.postgres import Postgres

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Used:
    """What a process used; `maxrss` in the system's own unit, `code` its exit code."""

    wall_s: float
    cpu_s: float
    maxrss: int
    code: int = 0


@dataclass(frozen=True, slots=True)
class Ends:
    """So many rows of the table `work` in PostgreSQL, and the database `uuid` that they go into."""

    work: Work
    rows: int
    postgres: Postgres
    d1: D1Server
    uuid: str


def move(ends: Ends, options: Sequence[str] = ()) -> Figures:
    """What `streamer run` into a fresh database takes."""
    return measured(ends, ["run", *options])


def measured(ends: Ends, arguments: Sequence[str]) -> Figures:
    """What a command of the product takes, with the table as an option."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return measured_in(Path(folder), ends, arguments)


def measured_in(
    folder: Path, ends: Ends, arguments: Sequence[str], *, codes: Sequence[int] = (0,)
) -> Figures:
    """The same in a folder, which holds checkpoint and report afterwards."""
    command = [*streamer(arguments), "--table", ends.work.name]
    name = " ".join(["streamer", *arguments])
    return watched(name, ends, command, folder, environment(ends, folder), codes=codes)


def watched(
    name: str,
    ends: Ends,
    command: Sequence[str | Path],
    folder: Path,
    variables: Mapping[str, str],
    *,
    codes: Sequence[int] = (0,),
) -> Figures:
    """What any command takes that moves the table, of itself and of both ends."""
    d1 = ends.d1
    d1.stats(reset=True)
    postmaster = int((ends.postgres.data_folder / "postmaster.pid").read_text().split()[0])
    before = cpu_s(d1.pid), cpu_s(postmaster, children=True)
    used = launch(command, folder, variables, codes=codes)
    after = cpu_s(d1.pid), cpu_s(postmaster, children=True)
    stats = d1.stats()
    return Figures(
        name=name,
        rows=ends.rows,
        wall_s=used.wall_s,
        own_cpu_s=used.cpu_s,
        engine_cpu_s=_difference(before[0], after[0]),
        source_cpu_s=_difference(before[1], after[1]),
        peak_mb=peak_mb(used.maxrss),
        requests=int(stats["requests"]),
        sent_bytes=int(stats["request_bytes"]),
        table=ends.work.name,
    )


def streamer(arguments: Sequence[str]) -> list[str]:
    """The command line of the product in this tree."""
    return [sys.executable, "-m", "streamer", *arguments]


def environment(ends: Ends, folder: Path) -> dict[str, str]:
    """All that a command of the product is to know; its window of requests is one nobody has used."""
    return {
        **own_environment(folder),
        **ends.d1.environment,
        "POSTGRES_DSN": ends.postgres.dsn(),
        "D1_DATABASE_ID": ends.uuid,
    }


def own_environment(folder: Path) -> dict[str, str]:
    """What every process of ours gets."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder)}


def copy_out(work: Work, rows: int, postgres: Postgres) -> Figures:
    """Psql's COPY of the table to nowhere: what reading costs at the least."""
    psql = postgres.engine.folder / "psql"
    command = [str(psql), "-X", "-q", "-c", f"COPY {work.name} TO STDOUT", postgres.dsn()]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        used = launch(command, Path(folder), os.environ, output=Path(os.devnull))
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


def launch(
    command: Sequence[str | Path],
    folder: Path,
    variables: Mapping[str, str],
    *,
    output: Path | None = None,
    codes: Sequence[int] = (0,),
) -> Used:
    """Run a command in `folder` to its end, and tell what it used.

    Raises:
        RuntimeError: its exit code is none of `codes`.

    """
    log, result = folder / "log", folder / "used.json"
    with (output or log).open("ab") as stdout, log.open("ab") as stderr:
        code = subprocess.call(
            [sys.executable, "-S", ROOT / "bench" / "launch.py", result, *command],
            env=variables,
            cwd=folder,
            stdout=stdout,
            stderr=stderr,
        )
    if code not in codes:
        raise RuntimeError(f"{command[0]} ended with exit code {code}:\n{log.read_text()[-4000:]}")
    return Used(**json.loads(result.read_text()), code=code)


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
