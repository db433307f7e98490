"""Keys that PostgreSQL, a file and D1 spell in ways of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from streamer.model import ColumnPlan, Key, Storage, Wire

_DOUBLE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|NaN|-?Infinity", re.ASCII)


def in_one_spelling(columns: Sequence[ColumnPlan], key: Key) -> Key:
    """A key of these columns in one spelling, whoever spelled it."""
    return tuple(_spelled(column, part) for column, part in zip(columns, key, strict=True))


def _spelled(column: ColumnPlan, part: str) -> str:
    if column.wire is Wire.HEX:
        return part.lower()
    if column.storage is Storage.REAL:
        try:
            return repr(float(part) + 0.0)
        except ValueError:
            return part
    return part.lower() if column.nocase else part


def holds_doubles(columns: Sequence[ColumnPlan], key: Key) -> bool:
    """Whether the texts of REAL columns are ones that PostgreSQL takes for a double."""
    return all(
        _DOUBLE.fullmatch(part) is not None
        for column, part in zip(columns, key, strict=True)
        if column.storage is Storage.REAL
    )
