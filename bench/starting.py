"""P8: how long the small commands take, and a run of a thousand tables until it moves rows."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.bars import Measured, at_most
from bench.figures import Figures
from bench.lab import Lab, say
from bench.run import environment, launch, own_environment, streamer
from bench.work import BENCH, SMALL_ROWS, SMALL_TABLES, small_tables

BARS = ("P8", "S")
STARTS = 5


def measure(lab: Lab) -> Measured:
    """Each command some times; the thousand tables once."""
    tables = SMALL_TABLES // (10 if lab.quick else 1)
    say(f"small commands, and {tables:,} small tables")
    asyncio.run(lab.postgres.execute("postgres", small_tables(tables)))
    with (
        lab.target(BENCH, 100) as ends,
        tempfile.TemporaryDirectory(prefix="bench-") as name,
    ):
        folder = Path(name)
        variables = environment(ends, folder)
        selected = ["--schema", "small"]
        planned = launch(streamer(["plan", "--json", *selected]), folder, variables)
        ends.d1.stats(reset=True)
        started_s, ended_s = _run(folder, variables, selected)
        requests = int(ends.d1.stats()["requests"])
        commands = {
            "streamer --help": _wall_s(folder, ["--help"]),
            "streamer status": _wall_s(folder, ["status"]),
        }
    asyncio.run(lab.postgres.execute("postgres", "DROP SCHEMA small CASCADE"))
    rows = tables * SMALL_ROWS
    return Measured(
        "Starting",
        (
            *(Figures(name, 0, wall_s) for name, wall_s in commands.items()),
            Figures(f"streamer plan, {tables:,} tables", rows, planned.wall_s, planned.cpu_s),
            Figures(f"streamer run, {tables:,} tables", rows, ended_s, requests=requests),
        ),
        (
            at_most("P8", "streamer --help", commands["streamer --help"], 0.25, " s"),
            at_most("P8", "streamer status", commands["streamer status"], 0.5, " s"),
            at_most("S", f"{tables:,} tables: until rows move", started_s, 5, " s"),
        ),
    )


def _wall_s(folder: Path, arguments: list[str]) -> float:
    variables = own_environment(folder)
    return median(launch(streamer(arguments), folder, variables).wall_s for _ in range(STARTS))


def _run(folder: Path, variables: dict[str, str], selected: list[str]) -> tuple[float, float]:
    """Seconds until a run says that rows move, and until it ends."""
    began = time.monotonic()
    moving_s = 0.0
    command = streamer(["run", "--progress=plain", *selected])
    with subprocess.Popen(
        command, cwd=folder, env=variables, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "moving rows" in line and not moving_s:
                moving_s = time.monotonic() - began
    if process.returncode:
        raise RuntimeError(f"the run of many tables ended with {process.returncode}")
    return moving_s, time.monotonic() - began
