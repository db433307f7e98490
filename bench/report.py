"""Tables for people, and a JSON file an experiment for later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from bench import machine
from bench.bars import Measured, verdict_rows
from bench.figures import Figures
from tests.engines.install import workerd_version

RESULTS = Path(__file__).parent / "results"
FORMAT_VERSION = 2
HEADS = ("", "rows/s", "wall s", "own CPU s", "D1 CPU s", "PG CPU s", "peak MB", "requests", "MB")


def table(lines: Sequence[Figures]) -> str:
    """The figures side by side; what isn't known is left empty."""
    return _aligned([HEADS, *map(cells, lines)])


def verdicts(measured: Measured) -> str:
    """The verdicts below each other, then the notes."""
    heads = ("bar", "", "figure", "must be", "ratio", "")
    rows = [heads, *verdict_rows(measured.verdicts)]
    return "\n".join([_aligned(rows, left=2), *measured.notes])


def write(name: str, measured: Measured, *, quick: bool, pairs: int) -> Path:
    """Keep the results of the experiment `name`, in place of those before; quick ones apart."""
    folder = RESULTS / "tmp" if quick else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    content = {
        "format_version": FORMAT_VERSION,
        "experiment": name,
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "quick": quick,
        "pairs": pairs,
        "machine": machine.description(),
        "versions": {**machine.versions(), "workerd": workerd_version()},
        **asdict(measured),
    }
    path.write_text(json.dumps(content, indent=2, default=_plain) + "\n")
    return path


def cells(line: Figures) -> tuple[str, ...]:
    """A line of the table, as `HEADS` name its columns."""
    return (
        line.name,
        f"{line.rows_per_s:,.0f}" if line.rows else "",
        f"{line.wall_s:.2f}",
        _number(line.own_cpu_s, 2),
        _number(line.engine_cpu_s, 2),
        _number(line.source_cpu_s, 2),
        _number(line.peak_mb, 0),
        _number(line.requests, 0),
        _number(None if line.sent_bytes is None else line.sent_bytes / 1e6, 1),
    )


def _aligned(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at >= left else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no place in a result")
