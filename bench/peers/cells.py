"""A copy's cells beside PostgreSQL's: the same value in whatever form the tool chose, or not."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from uuid import UUID

from bench.work import Work
from tests.engines.postgres import Postgres

_PAGE = 10_000
Cell = str | int | float | bytes | None


@dataclass(slots=True)
class Compared:
    """How a copy compares; `wrong` counts cells by column and what is wrong with them."""

    rows: int = 0
    missing_rows: int = 0
    extra_rows: int = 0
    wrong: Counter[str] = field(default_factory=Counter[str])

    @property
    def wrong_cells(self) -> int:
        """All cells, and rows, that aren't as they should be."""
        return self.wrong.total() + self.missing_rows + self.extra_rows

    def __str__(self) -> str:
        parts = [f"{count:,} {what}" for what, count in self.wrong.most_common()]
        parts += [f"{self.missing_rows:,} rows missing"] if self.missing_rows else []
        parts += [f"{self.extra_rows:,} rows too many"] if self.extra_rows else []
        return "; ".join(parts) or f"all cells of {self.rows:,} rows are right"


async def compare(postgres: Postgres, work: Work, file: Path) -> Compared:
    """Compare a table of a SQLite file, by key, with the one in PostgreSQL."""
    found = Compared()
    names = [name for name, _ in work.columns]
    connection = await postgres.connect()
    try:
        with closing(sqlite3.connect(file)) as copy:
            listed = ", ".join(f'"{name}"' for name in names)
            rows = copy.execute(f'SELECT {listed} FROM "{work.name}" ORDER BY CAST(id AS INTEGER)')
            theirs = rows.fetchone()
            async with connection.transaction():
                async for record in connection.cursor(work.cells_sql, prefetch=_PAGE):
                    found.rows += 1
                    while theirs is not None and int(theirs[0]) < int(record[0]):
                        found.extra_rows += 1
                        theirs = rows.fetchone()
                    if theirs is None or int(theirs[0]) != int(record[0]):
                        found.missing_rows += 1
                        continue
                    _compare(names, record, theirs, found.wrong)
                    theirs = rows.fetchone()
            found.extra_rows += (theirs is not None) + len(rows.fetchall())
    finally:
        await connection.close()
    return found


def _compare(
    names: list[str], ours: tuple[str | None, ...], theirs: tuple[Cell, ...], wrong: Counter[str]
) -> None:
    for name, right, cell in zip(names, ours, theirs, strict=True):
        if right == cell:
            continue
        if right is None or cell is None:
            wrong[f"NULLs in {name} are values" if right is None else f"{name} are NULL"] += 1
        elif not same(name, right, cell):
            wrong[f"{name} are other values"] += 1


def same(name: str, right: str, cell: Cell) -> bool:
    """Whether a cell holds the value that PostgreSQL printed as `right`, whatever its form."""
    try:
        return _FORMS.get(name, _as_text)(right, cell)
    except (ValueError, TypeError, InvalidOperation):
        return False


def _as_text(right: str, cell: Cell) -> bool:
    return right == cell


def _as_number(right: str, cell: Cell) -> bool:
    if isinstance(cell, float):
        return float(right) == cell
    return Decimal(right) == Decimal(str(cell))


def _as_boolean(right: str, cell: Cell) -> bool:
    return right == {"true": "1", "t": "1", "false": "0", "f": "0"}.get(
        str(cell).lower(), str(cell)
    )


def _as_moment(right: str, cell: Cell) -> bool:
    moment = datetime.fromisoformat(str(cell).removesuffix(" UTC"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment == datetime.fromisoformat(right).replace(tzinfo=UTC)


def _as_day(right: str, cell: Cell) -> bool:
    return datetime.fromisoformat(str(cell)[:19]).date().isoformat() == right


def _as_json(right: str, cell: Cell) -> bool:
    return json.loads(str(cell)) == json.loads(right)


def _as_uuid(right: str, cell: Cell) -> bool:
    return (UUID(bytes=cell) if isinstance(cell, bytes) else UUID(str(cell))) == UUID(right)


_FORMS: dict[str, Callable[[str, Cell], bool]] = {
    "id": _as_number,
    "quantity": _as_number,
    "price": _as_number,
    "active": _as_boolean,
    "created_at": _as_moment,
    "day": _as_day,
    "attributes": _as_json,
    "token": _as_uuid,
}
