"""P10: what ten times the rows cost: CPU a row, of all three processes, and memory.

And P1 once more: beside the floor of so many rows, what a run's start takes is little.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench.bars import Measured, at_least, at_most
from bench.figures import Figures, medians
from bench.lab import Lab, say
from bench.recorded import record, send
from bench.run import move
from bench.work import BENCH
from tests.engines.workerd import Workerd

BARS = ("P10",)
TIMES = 10


def measure(lab: Lab) -> Measured:
    """A tenth, so that the big one fits, and ten times that; in turn, the big one once."""
    few = lab.rows_of(BENCH)
    many = TIMES * few
    small: list[Figures] = []
    for number in range(3):
        with lab.target(BENCH, few) as ends:
            say(f"{few:,} rows, {number + 1} of 3")
            small.append(move(ends))
    with lab.target(BENCH, many) as ends:
        say(f"{many:,} rows")
        large = move(ends)
    bare = _floor(lab, many)
    less = medians(small)
    return Measured(
        "Ten times the rows",
        (replace(less, name=f"{few:,} rows"), replace(large, name=f"{many:,} rows"), bare),
        (
            at_least(
                "P1", f"speed, in floors, {many:,} rows", large.rows_per_s / bare.rows_per_s, 0.85
            ),
            at_most("P10", "Streamer's CPU a row, in those of a tenth", _own(large, small), 1.05),
            at_most("P10", "all CPU a row, in those of a tenth", _all(large, small), 1.05),
            at_most("P4", "peak memory more than of a tenth", _more_mb(large, less), 10, " MB"),
        ),
    )


def _floor(lab: Lab, rows: int) -> Figures:
    """What a run of so many rows sent, sent again by a bare loop, once."""
    say(f"recording a run of {rows:,} rows")
    with lab.target(BENCH, rows) as ends:
        sent = record(ends)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Workerd(Path(folder) / "floor") as workerd,
    ):
        _, bare = send(sent, workerd, lab.connections)
    return bare


def _own(large: Figures, small: list[Figures]) -> float:
    a_row = median((run.own_cpu_s or 0) / run.rows for run in small)
    return (large.own_cpu_s or 0) / large.rows / a_row


def _all(large: Figures, small: list[Figures]) -> float:
    def spent(run: Figures) -> float:
        parts = (run.own_cpu_s, run.engine_cpu_s, run.source_cpu_s)
        return sum(part or 0.0 for part in parts) / run.rows

    return spent(large) / median(map(spent, small))


def _more_mb(large: Figures, less: Figures) -> float:
    return (large.peak_mb or 0.0) - (less.peak_mb or 0.0)
