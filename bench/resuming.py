"""P6: a run of `narrow` is killed near its end, and resumed: how soon, and what is sent again."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

from bench.bars import Measured, at_most
from bench.figures import Figures
from bench.lab import Lab, say
from bench.run import Ends, environment, own_environment, streamer
from bench.work import NARROW
from tests.engines.d1server import D1RequestError

BARS = ("P6",)
KILLED_AT = 0.9  # of the rows
CONCURRENCY = 4


def measure(lab: Lab) -> Measured:
    """Kill -9 when nine tenths are recorded, count what D1 has, resume."""
    rows = lab.rows_of(NARROW)
    with (
        lab.target(NARROW, rows) as ends,
        tempfile.TemporaryDirectory(prefix="bench-") as name,
    ):
        folder = Path(name)
        say(f"{rows:,} rows of {NARROW.name} into D1, killed near the end, resumed")
        _kill_near_the_end(ends, folder)
        recorded, batch_rows = _recorded(ends, folder)
        there = int(ends.d1.rows(ends.uuid, f"SELECT count(*) FROM {NARROW.name}")[0][0])
        first_s, rows_s, wall_s = _resume(ends, folder)
        whole = int(ends.d1.rows(ends.uuid, f"SELECT count(*) FROM {NARROW.name}")[0][0])
    if whole != rows:
        raise RuntimeError(f"{whole:,} rows are there after the resume, not {rows:,}")
    again = (there - recorded) / batch_rows
    return Measured(
        "A run killed near the end of ten million rows, and resumed",
        (Figures(f"the resume, from row {recorded:,}", rows - recorded, wall_s),),
        (
            at_most("P6", "to the first request of a resume", first_s, 2, " s"),
            at_most("P6", "batches sent again", again, 4 * CONCURRENCY),
        ),
        (
            f"D1 held {there - recorded:,} rows more than the checkpoint knew of.",
            f"The first rows came {rows_s:.2f} s after the resume's start.",
        ),
    )


def _run(ends: Ends, *more: str) -> list[str]:
    options = ["--progress=none", f"--concurrency={CONCURRENCY}", f"--table={ends.work.name}"]
    return streamer(["run", *options, *more])


def _kill_near_the_end(ends: Ends, folder: Path) -> None:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            _run(ends), cwd=folder, env=environment(ends, folder), stdout=log, stderr=log
        )
    while _last_key(ends) < KILLED_AT * ends.rows:  # keys are the numbers from 1 on
        if process.poll() is not None:
            raise RuntimeError("it ended before it could be killed")
        time.sleep(0.05)
    process.kill()
    process.wait()


def _last_key(ends: Ends) -> int:
    """The last key that D1 has, 0 while it has no table."""
    try:
        return int(ends.d1.rows(ends.uuid, f"SELECT max(id) FROM {NARROW.name}")[0][0] or 0)
    except D1RequestError:
        return 0


def _rows_recorded(folder: Path) -> int:
    """What the checkpoint says."""
    answer = subprocess.run(
        streamer(["status", "--json"]),
        cwd=folder,
        env=own_environment(folder),
        check=True,
        capture_output=True,
    )
    return int(json.loads(answer.stdout)["rows"])


def _recorded(ends: Ends, folder: Path) -> tuple[int, float]:
    """Rows up to the checkpoint's position, and how many rows a request carries, by the ledger."""
    noted = "SELECT sum(rows), count(*) FROM _streamer_ledger WHERE rows > 0"
    rows, requests = ends.d1.rows(ends.uuid, noted)[0]
    return _rows_recorded(folder), rows / requests


def _resume(ends: Ends, folder: Path) -> tuple[float, float, float]:
    """Seconds to the first request, to the first one with rows, and to the end."""
    ends.d1.stats(reset=True)
    began = time.monotonic()
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            _run(ends, "--resume"),
            cwd=folder,
            env=environment(ends, folder),
            stdout=log,
            stderr=log,
        )
    first = rows = None
    while rows is None:
        stats = ends.d1.stats()
        now = time.monotonic() - began
        if first is None and stats["requests"]:
            first = now
        if stats["request_bytes"] > 100_000:
            rows = now
        if process.poll() is not None and rows is None:
            raise RuntimeError(f"the resume ended early:\n{(folder / 'log').read_text()[-4000:]}")
        time.sleep(0.01)
    if process.wait():
        raise RuntimeError(f"the resume failed:\n{(folder / 'log').read_text()[-4000:]}")
    return first or rows, rows, time.monotonic() - began
