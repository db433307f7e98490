"""Where late rows of tables without a key go in the target: to numbers that no position is (pure).

Such a table is read in one snapshot, and its rows' numbers are made of their positions, which are
positive. A row that others refer to has other columns that it is known by. It gets a negative number,
made of what it has there: so it stands once, however often it is sent, and is in no row's place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import orjson

from streamer.model import ForeignKeyPlan, Key, KeyKind, Page, TablePlan
from streamer.sinks.references import key_text

PlaceOf = Callable[[str, tuple[str, ...], Key], Key | None]
"""The key of the rejected row of a table (target name) that has a key in these columns; None: none is."""

Known = tuple[tuple[str, ...], Key]  # columns, and what a row has there

_NUMBER_BYTES = 8


def known_by(table: TablePlan, tables: Mapping[str, TablePlan]) -> list[tuple[str, ...]]:
    """The columns that rows of `table` are referred to by in `tables`, which are all of the run."""
    keys: list[ForeignKeyPlan] = [key for one in tables.values() for key in one.foreign_keys]
    return sorted({key.parent_columns for key in keys if key.parent == table.target})


def with_places(
    table: TablePlan,
    page: Page,
    columns: Sequence[tuple[str, ...]],
    searched: tuple[str, ...],
    rejected: PlaceOf,
) -> Page:
    """Rows that were `searched` for by one of `columns`, as their table's layout has them.

    Rows of a table without a key get their number in front; one that was `rejected`, the number that it
    has when it is sent again.
    """
    if table.key.kind is not KeyKind.PHYSICAL:
        return page
    records: list[tuple[str | None, ...]] = []
    for record in page.records:
        row = record[: page.width]
        keys = known_keys(table, row, columns)
        ours = sorted(keys, key=lambda key: key[0] != searched)
        known = next((place for key in ours if (place := rejected(table.target, *key))), None)
        records.append((known[0] if known else str(_number(keys[0])), *row))
    return Page(records, 1 + page.width, (0,), snapshot=page.snapshot)


def known_keys(
    table: TablePlan, row: Sequence[str | None], columns: Sequence[tuple[str, ...]]
) -> list[Known]:
    """What a row, a cell a column of its table, is known by: columns, and its key in them."""
    cells = dict(zip((column.target for column in table.columns), row, strict=True))
    by_target = {column.target: column for column in table.columns}
    found: list[Known] = []
    for some in columns:
        texts = [key_text(by_target[n], cell) for n in some if (cell := cells.get(n)) is not None]
        if len(texts) == len(some):
            found.append((some, tuple(texts)))
    return found


def _number(known: Known) -> int:
    """A negative 64-bit number."""
    digest = hashlib.blake2b(orjson.dumps(known), digest_size=_NUMBER_BYTES).digest()
    return -1 - (int.from_bytes(digest, "big") >> 1)
