"""P1, P2, P3, P4 and P7: a million rows of ten columns into the real D1, beside the floor.

The floor is what a run sent, sent again by a loop that does nothing else. A second one sends rows alone, which were
printed without the product: no claim, no ledger, no checks. The product's rows are compared with those.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import comparing, rows_alone
from bench.bars import Measured, Verdict, at_least, at_most
from bench.figures import Figures, medians
from bench.lab import Lab, say
from bench.recorded import Recorded, record, send
from bench.run import copy_out, differences, move
from bench.work import BENCH
from tests.engines.workerd import Workerd

BARS = ("P1", "P2", "P3", "P4", "P7")


@dataclass(frozen=True, slots=True)
class Pair:
    """One run of each kind, one after the other; rows that differ where that was looked at."""

    copied: Figures
    bare: Figures
    alone: Figures
    ours: Figures
    compared: Figures
    differing_rows: int | None


def measure(lab: Lab) -> Measured:
    """Floor and product in turn.

    Raises:
        RuntimeError: the product's copy differs from the rows that were printed without it.

    """
    rows = lab.rows_of(BENCH)
    lab.fill(BENCH, rows)
    made = asyncio.run(rows_alone.bodies(BENCH, lab.postgres))
    alone = rows_alone.recorded(BENCH, rows, made)
    say(f"recording a run of {rows:,} rows")
    with lab.target(BENCH, rows) as ends:
        sent = record(ends, lab.options)
    pairs: list[Pair] = []
    for number in range(1, lab.pairs + 1):
        say(f"run {number} of {lab.pairs}: {BENCH.name} into D1")
        pairs.append(_pair(lab, sent, alone, compare=number == 1))
    if wrong := sum(pair.differing_rows or 0 for pair in pairs):
        raise RuntimeError(f"{wrong:,} rows differ from those printed without the product")
    return concluded(pairs)


def concluded(pairs: Sequence[Pair]) -> Measured:
    """What the runs amount to."""
    copy, bare, alone, ours, compared = (
        medians([pair.copied for pair in pairs]),
        medians([pair.bare for pair in pairs]),
        medians([pair.alone for pair in pairs]),
        medians([pair.ours for pair in pairs]),
        medians([pair.compared for pair in pairs]),
    )
    ratio = median(pair.ours.rows_per_s / pair.bare.rows_per_s for pair in pairs)
    return Measured(
        "A million rows of ten columns into D1",
        (copy, bare, alone, ours, compared),
        (
            at_least("P1", "speed, in floors", ratio, 0.85),
            *of_traffic(ours),
            *_of_cpu(ours, copy),
            at_most("P4", "peak memory, bench", ours.peak_mb or 0.0, 150, " MB"),
            *comparing.verdicts([pair.compared for pair in pairs]),
        ),
        (*_notes(ours, bare), _of_rows_alone(pairs)),
    )


def of_traffic(ours: Figures) -> list[Verdict]:
    """P2 of any table."""
    allowed = (ours.sent_bytes or 0) / 2_500_000 + 10
    return [at_most("P2", f"requests, {ours.table}", ours.requests or 0, allowed)]


def _of_cpu(ours: Figures, copy: Figures) -> list[Verdict]:
    own_s = ours.own_cpu_s or 0.0
    a_million = own_s * 1e6 / ours.rows
    return [
        at_most("P3", "own CPU a million rows", a_million, 3, " s"),
        at_most("P3", "own CPU, in those of a psql COPY", own_s / copy.wall_s, 2),
    ]


def _notes(ours: Figures, bare: Figures) -> tuple[str, ...]:
    parts = (
        ("Streamer", ours.own_cpu_s),
        ("D1", ours.engine_cpu_s),
        ("PostgreSQL", ours.source_cpu_s),
    )
    spent = ", ".join(f"{name} {(seconds or 0) * 1e6 / ours.rows:.2f}" for name, seconds in parts)
    floor_s = (bare.engine_cpu_s or 0) * 1e6 / bare.rows
    return (
        f"CPU seconds a million rows: {spent}; under the floor D1 takes {floor_s:.2f}.",
        "0 rows differ from those that were printed without the product, type by type.",
    )


def _of_rows_alone(pairs: Sequence[Pair]) -> str:
    slower = median(pair.bare.wall_s / pair.alone.wall_s for pair in pairs)
    ratio = median(pair.ours.rows_per_s / pair.alone.rows_per_s for pair in pairs)
    return (
        f"Rows alone, without claim, guards, ledger and checks: the floor takes {slower:.2f} of their time, "
        f"and the product has {ratio:.2f} of their speed."
    )


def _pair(lab: Lab, sent: Recorded, printed: Recorded, *, compare: bool) -> Pair:
    rows = sent.rows
    copied = copy_out(BENCH, rows, lab.postgres)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with Workerd(Path(folder) / "alone") as workerd:
            uuid, alone = send(printed, workerd, lab.connections, name="rows alone")
        with Workerd(Path(folder) / "floor") as again:
            _, bare = send(sent, again, lab.connections)
        with lab.target(BENCH, rows) as ends:
            ours = move(ends, lab.options)
            compared = comparing.compare(ends)
            ends.d1.stop()
            assert isinstance(ends.d1, Workerd)
            files = workerd.database_file(uuid), ends.d1.database_file(ends.uuid)
            differing = differences(BENCH, *files) if compare else None
    return Pair(copied, bare, alone, ours, compared, differing)
