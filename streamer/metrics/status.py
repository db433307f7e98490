"""What the status page shows, as a JSON document (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise

from streamer.progress import Events, TableView, View
from streamer.progress.history import Sample

FORMAT_VERSION = 1
SPEEDS = 120  # points of the chart


def document(events: Events) -> dict[str, object]:
    """The run behind `events` now: figures, tables, the speed over time, the latest lines."""
    view = events.view()
    traffic = events.tally.traffic
    return {
        "format_version": FORMAT_VERSION,
        "phase": view.phase,
        "seconds": round(view.seconds, 1),
        "rows": view.rows,
        "rows_expected": _expected(view),
        "rows_per_s": round(view.speed.rows, 1),
        "bytes_per_s": round(view.speed.bytes, 1),
        "eta_s": None if view.eta_s is None else round(view.eta_s),
        "requests": traffic.requests,
        "retries": traffic.retries,
        "rate_limited": traffic.rate_limited,
        "d1_rows_written": traffic.rows_written,
        "window": _window(view),
        "concurrency": view.concurrency,
        "waiting_s": round(view.waiting_s),
        "waiting_for": view.waiting_for,
        "tables": [_table(table) for table in view.tables],
        "speeds": speeds(events.history.samples[-SPEEDS:]),
        "latest": [{"at_s": round(at_s), "line": line} for at_s, line in events.latest],
        "warnings": len(events.warnings),
    }


def speeds(samples: Sequence[Sample]) -> list[dict[str, float]]:
    """Between each two samples: until when, rows and bytes a second, the window's use, retries."""
    return [
        {
            "at_s": after.at_s,
            "rows_per_s": round((after.rows - before.rows) / (after.at_s - before.at_s), 1),
            "bytes_per_s": round((after.bytes - before.bytes) / (after.at_s - before.at_s), 1),
            "window_used": after.window_used,
            "concurrency": after.concurrency,
            "retries": after.retries - before.retries,
        }
        for before, after in pairwise(samples)
    ]


def _expected(view: View) -> int | None:
    """Rows of all tables; None while a table that isn't done has no estimate."""
    return view.expected if view.tables and view.is_estimated else None


def _window(view: View) -> dict[str, float] | None:
    if view.rate is None:
        return None
    return {"used": view.window_used, **asdict(view.rate)}


def _table(table: TableView) -> dict[str, object]:
    return {
        "name": table.name,
        "state": table.state.value,
        "rows": table.rows,
        "rows_expected": table.expected if table.rows_estimate >= 0 else None,
    }
