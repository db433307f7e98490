"""One table for people, one JSON file for later."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Figures

RESULTS = Path(__file__).parent / "results"

_HEADS = ("", "rows/s", "wall s", "own CPU s", "D1 CPU s", "PG CPU s", "peak MB", "requests", "MB")


def table(lines: Sequence[Figures]) -> str:
    """The figures side by side; what isn't known is left empty."""
    cells = [_HEADS, *(_cells(line) for line in lines)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(_HEADS))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )


def write(content: Mapping[str, object]) -> Path:
    """Keep the results under the time they were made at."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(content, indent=2, default=asdict) + "\n")
    return path


def _cells(line: Figures) -> tuple[str, ...]:
    return (
        line.name,
        f"{line.rows_per_s:,.0f}",
        f"{line.wall_s:.2f}",
        _number(line.own_cpu_s, 2),
        _number(line.engine_cpu_s, 2),
        _number(line.source_cpu_s, 2),
        _number(line.peak_mb, 0),
        _number(line.requests, 0),
        _number(None if line.sent_bytes is None else line.sent_bytes / 1e6, 1),
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
