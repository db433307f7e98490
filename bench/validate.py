"""P7: every value of every row of both sides compared, as a user starts it, after the rows were moved."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bench.figures import Figures
from bench.run import Ends, measured

ROWS_PER_S, REQUESTS = 60_000, 150  # the bar


def compare(ends: Ends) -> Figures:
    """What `streamer validate --full` takes, once the rows were moved.

    Raises:
        RuntimeError: it found a difference, or failed.

    """
    return measured(ends, ["validate", "--full"])


def verdict(runs: Sequence[Figures], moves: Sequence[Figures]) -> str:
    """What comparisons say about the bar, and beside `moves` of the same rows in the same minutes."""
    rows_per_s = median(run.rows_per_s for run in runs)
    requests = median(run.requests or 0 for run in runs)
    said = (
        f"{rows_per_s:,.0f} rows/s compared (bar, for bench: {ROWS_PER_S:,}),"
        f" {requests:.0f} requests (bar: {REQUESTS})"
    )
    if not moves:
        return said
    ratio = median(run.rows_per_s / move.rows_per_s for run, move in zip(runs, moves, strict=True))
    return f"{said}, {ratio:.2f} of the speed of moving them"
