"""P10: what ten times the rows cost: CPU a row, of all three processes, and memory."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from bench.bars import Measured, at_most
from bench.figures import Figures, medians
from bench.lab import Lab, say
from bench.run import move
from bench.work import BENCH

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
    less = medians(small)
    return Measured(
        "Ten times the rows",
        (replace(less, name=f"{few:,} rows"), replace(large, name=f"{many:,} rows")),
        (
            at_most("P10", "Streamer's CPU a row, in those of a tenth", _own(large, small), 1.05),
            at_most("P10", "all CPU a row, in those of a tenth", _all(large, small), 1.05),
            at_most("P4", "peak memory more than of a tenth", _more_mb(large, less), 10, " MB"),
        ),
    )


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
