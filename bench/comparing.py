"""P7: every value of every row of both sides compared, as a user starts it, after the rows were moved."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bench.bars import Verdict, at_least, at_most
from bench.figures import Figures
from bench.run import Ends, measured


def compare(ends: Ends) -> Figures:
    """What `streamer validate --full` takes, once the rows were moved.

    Raises:
        RuntimeError: it found a difference, or failed.

    """
    return measured(ends, ["validate", "--full"])


def verdicts(runs: Sequence[Figures]) -> list[Verdict]:
    """What comparisons say about the bar; per million rows where fewer were compared."""
    rows_per_s = median(run.rows_per_s for run in runs)
    requests = median(run.requests or 0 for run in runs)
    return [
        at_least("P7", "rows compared by validate --full", rows_per_s, 60_000, " rows/s"),
        at_most("P7", "requests of validate --full", requests, 150),
    ]
