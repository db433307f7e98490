"""P9: into a SQLite file, beside DuckDB, which is installed for it (`make bench-peers` has more)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from bench.bars import Measured, Verdict, at_least
from bench.figures import Figures, medians
from bench.lab import Lab, say
from bench.machine import peak_mb
from bench.peers import PEERS, copy
from bench.run import launch, own_environment, streamer
from bench.work import BENCH

BARS = ("P9",)


def measure(lab: Lab) -> Measured:
    """Product and DuckDB in turn; where that can't be installed, the product alone."""
    rows = lab.rows_of(BENCH)
    lab.fill(BENCH, rows)
    duckdb = next(peer for peer in PEERS if peer.name == "DuckDB")
    why_not = duckdb.install()
    ours: list[Figures] = []
    theirs: list[Figures] = []
    for number in range(1, lab.pairs + 1):
        say(f"run {number} of {lab.pairs}: {BENCH.name} into a SQLite file")
        ours.append(into_file(lab, rows))
        if not why_not:
            with tempfile.TemporaryDirectory(prefix="bench-") as name:
                theirs.append(copy(duckdb, lab.postgres, BENCH, rows, Path(name)))
    lines = [medians(ours), *([medians(theirs)] if theirs else [])]
    verdicts: list[Verdict] = []
    if theirs:
        ratios = [a.rows_per_s / b.rows_per_s for a, b in zip(ours, theirs, strict=True)]
        verdicts.append(at_least("P9", "speed into SQLite, in DuckDBs", median(ratios), 0.5))
    missing = [f"DuckDB can't be installed here: {why_not}"] if why_not else []
    return Measured("A million rows into a SQLite file", (*lines,), (*verdicts,), (*missing,))


def into_file(lab: Lab, rows: int, keep: Path | None = None) -> Figures:
    """What `streamer run --target sqlite:FILE` takes; the file is kept where that is said."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        variables = {**own_environment(folder), "POSTGRES_DSN": lab.postgres.dsn()}
        target = keep or folder / "bench.db"
        arguments = ["run", f"--target=sqlite:{target}", "--table", BENCH.name]
        used = launch(streamer(arguments), folder, variables)
    return Figures(
        "streamer run --target sqlite:",
        rows,
        used.wall_s,
        used.cpu_s,
        peak_mb=peak_mb(used.maxrss),
        table=BENCH.name,
    )
