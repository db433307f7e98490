"""P2 and P4 of tables of other shapes, and what `plan` had said of each: requests, rows, size."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.bars import Measured, Verdict, at_most
from bench.figures import Figures
from bench.lab import Lab, say
from bench.moving import of_traffic
from bench.run import Ends, environment, measured_in, streamer
from bench.work import BENCH, FAT, NARROW, WIDE

BARS = ("P2", "P4", "E")
_PEAK_MB = {NARROW.name: 160, FAT.name: 250, WIDE.name: 250, BENCH.name: 150}


def measure(lab: Lab) -> Measured:
    """Each shape once; memory and requests don't move from run to run as times do."""
    lines: list[Figures] = []
    verdicts: list[Verdict] = []
    for work in (BENCH, NARROW, WIDE, FAT):
        rows = lab.rows_of(work)
        with (
            lab.target(work, rows) as ends,
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
        ):
            say(f"{rows:,} rows of {work.name} into D1")
            said = _plan(ends, Path(folder))
            ours = measured_in(Path(folder), ends, ["run"])
            report = json.loads((Path(folder) / "run_report.json").read_text())
            size = ends.d1.run(ends.uuid, "SELECT 1")["meta"]["size_after"]
        lines.append(replace(ours, name=f"{work.name}, {rows:,} rows"))
        verdicts += of_traffic(ours)
        peak_mb = ours.peak_mb or 0.0
        verdicts.append(
            at_most("P4", f"peak memory, {work.name}", peak_mb, _PEAK_MB[work.name], " MB")
        )
        done = {
            "requests": ours.requests or 0,
            "rows_written": report["totals"]["d1_rows_written"],
            "size_bytes": size,
        }
        verdicts += [
            at_most(
                "E", f"plan's {name} off by, {work.name}", _off(said[name], done[name]), 10, " %"
            )
            for name in done
        ]
    return Measured("Tables of other shapes, and what plan says of them", (*lines,), (*verdicts,))


def _off(said: float, done: float) -> float:
    return 100.0 * abs(said - done) / max(done, 1)


def _plan(ends: Ends, folder: Path) -> dict[str, float]:
    """The estimate of `streamer plan`."""
    answer = subprocess.run(
        streamer(["plan", "--json", "-q", "--table", ends.work.name]),
        cwd=folder,
        env=environment(ends, folder),
        check=True,
        capture_output=True,
    )
    return json.loads(answer.stdout)["estimate"]
