"""Tables without a key: which rows there are, and how often, wherever they lie.

D1 is read back whole, each value with its type and to its last bit: texts and bytes as hex digits,
integers as text, doubles as JSON numbers, which name them exactly.
"""

from __future__ import annotations

import hashlib
import math
import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import aclosing, closing
from dataclasses import replace

import orjson

from streamer.model import (
    ColumnPlan,
    Page,
    PageSize,
    StepKind,
    Storage,
    TablePlan,
    Wire,
    whole_number,
)
from streamer.model.sql import quote_identifier
from streamer.pack.comparing import compared
from streamer.validate.differences import Difference, Differences, Kind
from streamer.validate.look import Looker
from streamer.validate.read_back import read_back, rows_to_begin_with
from streamer.validate.sides import Sides
from streamer.validate.target_rows import Walk

PAGE_ROWS = 1_000
FIRST_ROWS, MOST_ROWS = 500, 20_000
_INTEGER = re.compile(r"[+-]?\d+\Z", re.ASCII)
_INT64 = 1 << 63

Canonical = Sequence[str | float | None]
"""A row's cells: None, a double, or `i` with digits, `t` or `b` with hex digits, by type."""


def canonical_cell(column: ColumnPlan, cell: str | None) -> str | float | None:
    """What D1 must hold for a cell that PostgreSQL printed, by the rules of the column's affinity."""
    if cell is None:
        return None
    if column.wire is Wire.HEX:
        return f"b{cell.upper()}"
    number = _number(column.storage, cell)
    return f"t{cell.encode().hex().upper()}" if number is None else number


def _number(storage: Storage, cell: str) -> str | float | None:
    """The number that a column of numbers makes of a text; None where it stays one (NaN, Infinity)."""
    if storage is Storage.INTEGER and _INTEGER.match(cell) and -_INT64 <= int(cell) < _INT64:
        return f"i{int(cell)}"
    if storage in {Storage.INTEGER, Storage.REAL}:
        try:
            value = float(cell)
        except ValueError:
            return None
        return value + 0.0 if math.isfinite(value) else None  # no -0 in D1
    return None


def canonical_sql(column: ColumnPlan) -> str:
    """SQL of a target's cell in the form of `canonical_cell`."""
    name = f"o.{quote_identifier(column.target)}"
    return (
        f"CASE typeof({name}) WHEN 'null' THEN NULL WHEN 'integer' THEN 'i'||{name}"
        f" WHEN 'text' THEN 't'||hex({name}) WHEN 'blob' THEN 'b'||hex({name})"
        f" ELSE CASE abs({name}) WHEN 9e999 THEN 'r'||{name} ELSE {name} END END"
    )


def _digest(row: Canonical) -> bytes:
    whole = [float(cell) if isinstance(cell, int | float) else cell for cell in row]
    return hashlib.blake2b(orjson.dumps(whole), digest_size=16).digest()


class _Held:
    """The target's rows by digest and row number, on disk."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute(
            "CREATE TABLE held (digest BLOB, row INTEGER, PRIMARY KEY (digest, row)) WITHOUT ROWID"
        )

    def close(self) -> None:
        self._database.close()

    def put(self, rows: Sequence[tuple[bytes, int]]) -> None:
        self._database.executemany("INSERT OR IGNORE INTO held VALUES (?, ?)", rows)

    def take(self, digest: bytes, row: int) -> bool:
        """Take one row like this away, the one of that number if it is among them."""
        sql = "DELETE FROM held WHERE digest = ? AND row = ?"
        if self._database.execute(sql, (digest, row)).rowcount:
            return True
        found = self._database.execute(
            "SELECT row FROM held WHERE digest = ? LIMIT 1", (digest,)
        ).fetchone()
        return found is not None and bool(self._database.execute(sql, (digest, found[0])).rowcount)

    def left(self) -> list[int]:
        return [row for (row,) in self._database.execute("SELECT row FROM held ORDER BY row")]


async def compare_multisets(
    sides: Sides, plan: TablePlan, differences: Differences, heed_stop: Callable[[], None]
) -> int:
    """Add to `differences` what there is between the rows of a table without a key; how many the source has.

    A missing row and an extra one of the same row number are one row that is different.
    """
    plan = compared(plan, keys_only=False)
    with closing(_Held()) as held:
        await _read_target(sides, plan, held, heed_stop)
        looker = Looker(sides, plan, keys_only=False)
        rows = 0
        pages = sides.source.read(plan, StepKind.ROWS, None, PageSize(PAGE_ROWS))
        async with aclosing(pages):
            async for page in pages:
                heed_stop()
                rows += len(page.records)
                lacking = [
                    at for at in range(len(page.records)) if not _taken(held, plan, page, at)
                ]
                for found in await _missing(looker, page, lacking):
                    differences.add(found)
        for row in held.left():
            if not differences.is_there_after_all(str(plan.name), (str(row),)):
                differences.add(Difference(str(plan.name), Kind.EXTRA, (str(row),)))
    return rows


def _taken(held: _Held, plan: TablePlan, page: Page, at: int) -> bool:
    """Whether the target held a row like this one, which is taken away."""
    cells = page.records[at][1 : page.width]
    made = [canonical_cell(c, cell) for c, cell in zip(plan.columns, cells, strict=True)]
    return held.take(_digest(made), int(page.key_of(at)[0]))


async def _missing(looker: Looker, page: Page, places: Sequence[int]) -> list[Difference]:
    """The rows of a page that D1 lacks, with what is other in the row of the same number, if any."""
    if not places:
        return []
    some = replace(page, records=[page.records[at] for at in places], left_out=(), upto=None)
    columns = {row.at: looker.difference(row).columns for row in await looker.unequal(some)}
    return [
        Difference(
            looker.layout.name,
            Kind.MISSING,
            some.key_of(at),
            columns.get(at, ()),
            some.key_of(at),
            orjson.dumps(record[1 : some.width]).decode(),
        )
        for at, record in enumerate(some.records)
    ]


async def _read_target(
    sides: Sides, plan: TablePlan, held: _Held, heed_stop: Callable[[], None]
) -> None:
    pages = read_back(
        sides.database,
        Walk.through(plan),
        [canonical_sql(column) for column in plan.columns],
        first=rows_to_begin_with(plan, FIRST_ROWS),
        most=MOST_ROWS,
        heed_stop=heed_stop,
    )
    async with aclosing(pages):
        async for found in pages:
            held.put([(_digest(_cells(row[1:])), whole_number(row[0])) for row in found])


def _cells(row: Sequence[object]) -> Canonical:
    return [cell if cell is None or isinstance(cell, str) else float(str(cell)) for cell in row]
