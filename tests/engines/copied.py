"""What PostgreSQL's COPY prints when rows are read by it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def copied_lines(rows: Iterable[Sequence[str | int | None]]) -> bytes:
    """Lines of CSV: texts in single quotes, in which nothing is escaped but quotes and backslashes."""
    return "".join(f"{','.join(map(_printed, row))}\n" for row in rows).encode()


def _printed(cell: str | int | None) -> str:
    if not isinstance(cell, str):
        return "null" if cell is None else str(cell)
    escaped = cell.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
