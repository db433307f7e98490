"""Where late rows of tables without a key go in the target: to numbers that no position is (pure).

Such a table is read in one snapshot, and its rows' numbers are made of their positions, which are
positive. A row that others refer to has other columns that it is known by. It gets a negative number,
made of what it has there: so it stands once, however often it is sent, and is in no row's place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import orjson

from streamer.model import ForeignKeyPlan, KeyKind, Page, TablePlan

_NUMBER_BYTES = 8


def known_by(table: TablePlan, tables: Mapping[str, TablePlan]) -> list[tuple[str, ...]]:
    """The columns that rows of `table` are referred to by in `tables`, which are all of the run."""
    keys: list[ForeignKeyPlan] = [key for one in tables.values() for key in one.foreign_keys]
    return sorted({key.parent_columns for key in keys if key.parent == table.target})


def with_places(table: TablePlan, page: Page, columns: Sequence[tuple[str, ...]]) -> Page:
    """Rows that were found by some of `columns`, as their table's layout has them.

    Rows of a table without a key get their number in front.
    """
    if table.key.kind is not KeyKind.PHYSICAL:
        return page
    at = {column.target: n for n, column in enumerate(table.columns)}
    places = [tuple(at[name] for name in some) for some in columns if at.keys() >= set(some)]
    records = [
        (str(_number(row[: page.width], places)), *row[: page.width]) for row in page.records
    ]
    return Page(records, 1 + page.width, (0,), snapshot=page.snapshot)


def _number(row: Sequence[str | None], places: Sequence[tuple[int, ...]]) -> int:
    """A negative 64-bit number, of the first of `places` where the row has all cells."""
    for some in places:
        cells = [row[n] for n in some]
        if None not in cells:
            digest = hashlib.blake2b(
                orjson.dumps([some, cells]), digest_size=_NUMBER_BYTES
            ).digest()
            return -1 - (int.from_bytes(digest, "big") >> 1)
    raise AssertionError("a row was found by columns of which one is NULL")
