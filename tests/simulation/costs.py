"""Rows of four shapes, as PostgreSQL prints them, and what D1's engine was measured to take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

from streamer import limits
from streamer.model import Page, Storage, TablePlan
from streamer.model.printed import PrintedRows
from tests.engines.limited_sqlite import column, table_plan


@dataclass(frozen=True, slots=True)
class Stored:
    """What workerd took to store a table: its CPU in seconds, the request bodies in 10^6 bytes."""

    rows: int
    megabytes: float
    cpu_s: float


# bench/results/shapes.json, 2026-11-29, workerd 1.20261117.1
_BENCH = Stored(1_000_000, 190.7, 4.99)
_NARROW = Stored(10_000_000, 287.2, 8.10)
_WIDE = Stored(100_000, 112.1, 4.06)
_FAT = Stored(1_000, 699.4, 5.25)

S_A_MB = _FAT.cpu_s / _FAT.megabytes
"""Seconds for a megabyte, whatever is in it: of so few rows, only the bytes count."""

_FRAME_BYTES = len("],[")  # what parts a row from the next, as they travel


@dataclass(frozen=True, slots=True)
class Shape:
    """Rows of `columns` cells that take `row_bytes` in a request, in turn; D1 takes `row_s` for one.

    That is beside `S_A_MB` for its bytes.
    """

    name: str
    columns: int
    row_bytes: tuple[int, ...]
    row_s: float

    @classmethod
    def of(cls, name: str, columns: int, stored: Stored) -> Shape:
        """Rows of one length, on which D1 spends what its bytes don't explain."""
        row_s = (stored.cpu_s - S_A_MB * stored.megabytes) / stored.rows
        return cls(name, columns, (round(stored.megabytes * 1e6 / stored.rows),), row_s)

    def plan(self) -> TablePlan:
        """The table, whose key is the first column."""
        others = [column(f"c{n}") for n in range(1, self.columns)]
        return table_plan([column("k", Storage.INTEGER), *others], name=self.name)

    def rows(self, megabytes: float) -> int:
        """How many rows fill so many megabytes of request bodies."""
        return round(megabytes * 1e6 * len(self.row_bytes) / sum(self.row_bytes))

    def page(self, start: int, end: int) -> Page:
        """Rows [start, end), or as many of them as one reading brings."""
        count = self._fitting(start, end - start)
        rows = _Rows(self, start, count)
        return Page(rows, self.columns, (0,), json_rows=True, upto=(str(start + count - 1),))

    def _fitting(self, start: int, rows: int) -> int:
        """How many of the next so many rows one reading brings."""
        if max(self.row_bytes) * rows <= limits.FETCH_BYTES:
            return rows
        sizes = (self.row_bytes[(start + n) % len(self.row_bytes)] for n in range(rows))
        fitting = sum(1 for total in accumulate(sizes) if total <= limits.FETCH_BYTES)
        return max(1, fitting)


class _Rows(PrintedRows):
    """Rows that come again and again, and are printed once; of a single one only its key is shown."""

    def __init__(self, shape: Shape, start: int, count: int) -> None:
        self._shape = shape
        self._start = start
        self._turn = start % len(shape.row_bytes)
        super().__init__((_json(shape, self._turn, count),), count, b"")

    def __getitem__(self, at: Any) -> Any:
        return (f'["{self._start + at % len(self)}"]',)

    def part(self, start: int, end: int) -> PrintedRows:
        return _Rows(self._shape, self._start + start, end - start)


@lru_cache(maxsize=128)
def _json(shape: Shape, turn: int, count: int) -> bytes:
    """Rows as COPY prints them: a short key, and texts that share the rest of a row's room."""
    others = shape.columns - 1
    lines: list[str] = []
    for n in range(turn, turn + count):
        row_bytes = shape.row_bytes[n % len(shape.row_bytes)]
        each, more = divmod(row_bytes - _FRAME_BYTES - len("1") - others * len(",''"), others)
        lines.append("1," + ",".join(f"'{'x' * (each + (n < more))}'" for n in range(others)))
    return PrintedRows.of_lines("\n".join((*lines, "")).encode()).as_json()


def rows_of(params: bytes | PrintedRows) -> int:
    """How many rows a statement carries, as they were printed or as a request's one parameter."""
    return len(params) if isinstance(params, PrintedRows) else params.count(b"],[") + 1


# Texts and, as hex digits, twice as long ones, of 50 to 900 KB.
_FAT_BYTES = tuple((50_000 + n * 7_919 * 21 % 850_000) * (1 + n % 2) for n in range(40))

SHAPES = (
    Shape.of("bench", 10, _BENCH),
    Shape.of("narrow", 3, _NARROW),
    Shape.of("wide", 100, _WIDE),
    Shape("fat", 3, _FAT_BYTES, 0.0),
)
