"""`python -m bench`: the floor and the product in turn, medians, and how far apart they are."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench import floor, machine, report, validate
from bench.figures import Figures, medians
from bench.run import Ends, copy_out, differences, move
from bench.work import BENCH, WORKS
from tests.engines.install import workerd_version
from tests.engines.postgres import Postgres
from tests.engines.workerd import Workerd


@dataclass(frozen=True, slots=True)
class Asked:
    """What to measure: `pairs` runs of floor and product each, moving `rows` of the table `work`."""

    work: str
    rows: int
    pairs: int
    connections: int
    floor_only: bool
    options: list[str]


@dataclass(frozen=True, slots=True)
class Pair:
    """One run of each kind, one after the other; None where that kind wasn't asked for."""

    bare: Figures | None
    ours: Figures | None
    compared: Figures | None
    differing_rows: int | None


def main() -> int:
    """Measure; 0, or 1 where the product's copy differs from the floor's."""
    asked = _asked()
    work = WORKS[asked.work]
    postgres = Postgres.embedded({"shared_buffers": "512MB"})
    try:
        _say(f"making {asked.rows:,} rows of {work.name} in PostgreSQL {postgres.engine.version}")
        for statement in work.script(asked.rows).split(";"):
            asyncio.run(postgres.execute("postgres", statement))
        copies = [copy_out(work, asked.rows, postgres) for _ in range(min(asked.pairs, 3))]
        made = asyncio.run(floor.bodies(work, postgres)) if work.columns else []
        pairs: list[Pair] = []
        for number in range(1, asked.pairs + 1):
            _say(f"run {number} of {asked.pairs}")
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                pairs.append(_pair(asked, Path(folder), postgres, made, compare=number == 1))
    finally:
        postgres.remove()
    _conclude(asked, copies, pairs)
    return 1 if any(pair.differing_rows for pair in pairs) else 0


def _asked() -> Asked:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--work", choices=WORKS, default=BENCH.name, help="the table that is moved")
    parser.add_argument("--rows", type=int, help="instead of the table's usual number")
    parser.add_argument("--pairs", type=int, default=5, help="runs of each kind (default 5)")
    parser.add_argument("--connections", type=int, default=3, help="of the floor (default 3)")
    parser.add_argument("--floor-only", action="store_true", help="without the product")
    parser.add_argument("options", nargs="*", help="options of `streamer run`, after --")
    given = parser.parse_args()
    if given.floor_only and not WORKS[given.work].columns:
        parser.error(f"{given.work} has no floor")
    return Asked(
        given.work,
        given.rows or WORKS[given.work].rows,
        given.pairs,
        given.connections,
        given.floor_only,
        given.options,
    )


def _pair(
    asked: Asked, folder: Path, postgres: Postgres, made: Sequence[bytes], *, compare: bool
) -> Pair:
    work = WORKS[asked.work]
    bare = ours = compared = differing_rows = None
    files: list[Path] = []
    if made:
        with Workerd(folder / "floor") as workerd:
            uuid, bare = floor.send(work, asked.rows, made, workerd, asked.connections)
            files.append(workerd.database_file(uuid))
    if not asked.floor_only:
        with Workerd(folder / "product") as workerd:
            ends = Ends(work, asked.rows, postgres, workerd, workerd.create("product"))
            ours = move(ends, asked.options)
            compared = validate.compare(ends)
            files.append(workerd.database_file(ends.uuid))
    if compare and len(files) == 2:
        differing_rows = differences(work, *files)
    return Pair(bare, ours, compared, differing_rows)


def _conclude(asked: Asked, copies: Sequence[Figures], pairs: Sequence[Pair]) -> None:
    bares = [pair.bare for pair in pairs if pair.bare]
    products = [pair.ours for pair in pairs if pair.ours]
    compared = [pair.compared for pair in pairs if pair.compared]
    lines = [medians(kind) for kind in (copies, bares, products, compared) if kind]
    verdicts = _verdicts(copies, pairs)
    print(f"\n{report.table(lines)}\n")
    for name, text in verdicts.items():
        print(f"{name:5} {text}")
    path = report.write(
        {
            "format_version": 1,
            "machine": machine.description(),
            "versions": {**machine.versions(), "workerd": workerd_version()},
            "asked": asdict(asked),
            "verdicts": verdicts,
            "medians": lines,
            "runs": [*copies, *bares, *products, *compared],
        }
    )
    _say(f"written to {path}")


def _verdicts(copies: Sequence[Figures], pairs: Sequence[Pair]) -> dict[str, str]:
    """What the figures say about each bar that they have something to say about."""
    products = [pair.ours for pair in pairs if pair.ours]
    if not products:
        return {}
    ours, copy = medians(products), medians(copies)
    own_s, requests, peak_mb = ours.own_cpu_s or 0, ours.requests or 0, ours.peak_mb or 0
    allowed = (ours.sent_bytes or 0) / 2_500_000 + 10
    found = {
        "P2": f"{requests:.0f} requests (bar: {allowed:.0f})",
        "P3": f"{own_s * 1e6 / ours.rows:.2f} s of own CPU a million rows (bar, for bench: 3), "
        f"{own_s / copy.wall_s:.2f} of the time of psql's COPY (bar: 2)",
        "P4": f"{peak_mb:.0f} MB at the peak (bar: 150; for fat 250)",
    }
    if compared := [pair.compared for pair in pairs if pair.compared]:
        found["P7"] = validate.verdict(compared, products)
    ratios = [
        pair.ours.rows_per_s / pair.bare.rows_per_s for pair in pairs if pair.ours and pair.bare
    ]
    if ratios:
        found = {"P1": f"{median(ratios):.2f} of the floor (bar: 0.85)", **found}
        wrong = sum(pair.differing_rows or 0 for pair in pairs)
        found["copy"] = f"{wrong:,} rows differ from the floor's"
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
