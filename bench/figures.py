"""What is measured of one run, and what a number of runs amount to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from statistics import median


@dataclass(frozen=True, slots=True)
class Figures:
    """One run, or the medians of several. What a system doesn't tell is None.

    `own_cpu_s` is the sender's CPU, `engine_cpu_s` workerd's, `source_cpu_s` PostgreSQL's;
    `peak_mb` the sender's largest resident set, in 10^6 bytes; `sent_bytes` of request bodies; `table` is which was moved.
    """

    name: str
    rows: int
    wall_s: float
    own_cpu_s: float | None = None
    engine_cpu_s: float | None = None
    source_cpu_s: float | None = None
    peak_mb: float | None = None
    requests: int | None = None
    sent_bytes: int | None = None
    table: str = ""

    @property
    def rows_per_s(self) -> float:
        """The speed, all of the wall time counted."""
        return self.rows / self.wall_s


def medians(runs: Sequence[Figures]) -> Figures:
    """Field by field the median of runs of the same kind."""
    found: dict[str, float | None] = {}
    for field in fields(Figures):
        if field.name in ("name", "rows", "table"):
            continue
        values = [getattr(run, field.name) for run in runs]
        found[field.name] = None if None in values else median(values)
    return replace(runs[0], **found)
