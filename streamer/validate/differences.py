"""What differs, table by table: kept on disk, so that memory stays flat however much it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Self

import orjson

from streamer.frozen import frozen
from streamer.model import Key


class Kind(StrEnum):
    """How a row differs: the target lacks it, holds it though the source doesn't, holds another."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"


@frozen
class Difference:
    """One row of `table` (source name) that differs, in `columns` (source names) if it is there.

    `key` names it to the user; of a table without a key it is the row number in D1. `read_by` is
    the key that PostgreSQL knows it by, () for an extra row. `cells` is a missing row of a table
    without a key, which nothing finds again, as the text of a JSON array. `line` is its line, where
    the target is a file.
    """

    table: str
    kind: Kind
    key: Key
    columns: tuple[str, ...] = ()
    read_by: Key = ()
    cells: str = ""
    line: int = 0


_SCHEMA = """\
CREATE TABLE difference (
    place INTEGER PRIMARY KEY, tab TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
    columns TEXT NOT NULL, read_by TEXT NOT NULL, cells TEXT NOT NULL, line INTEGER NOT NULL,
    UNIQUE (tab, kind, key, cells, line)
)"""


class Differences:
    """All differences found; each counts once. A file that nobody else sees, gone at the end."""

    def __init__(self) -> None:
        # With an empty name SQLite keeps what doesn't fit in its cache in a file that it removes.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, found: Difference) -> None:
        """Take note of one."""
        self._database.execute(
            "INSERT OR IGNORE INTO difference (tab, kind, key, columns, read_by, cells, line)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                found.table,
                found.kind.value,
                _text(found.key),
                _text(found.columns),
                _text(found.read_by),
                found.cells,
                found.line,
            ),
        )

    def forget(self, table: str) -> None:
        """A table is looked at anew."""
        self._database.execute("DELETE FROM difference WHERE tab = ?", (table,))

    def is_there_after_all(self, table: str, key: Key) -> bool:
        """Whether a row that was missing is there, with other values; then it counts as different."""
        changed = self._database.execute(
            "UPDATE difference SET kind = ? WHERE tab = ? AND kind = ? AND key = ? AND columns <> '[]'",
            (Kind.DIFFERENT.value, table, Kind.MISSING.value, _text(key)),
        )
        return changed.rowcount > 0

    def count(self, table: str, kind: Kind) -> int:
        """How many of a table differ in that way."""
        sql = "SELECT count(*) FROM difference WHERE tab = ? AND kind = ?"
        (number,) = self._database.execute(sql, (table, kind.value)).fetchone()
        return int(number)

    def columns(self, table: str) -> set[str]:
        """The columns (source names) in which rows of a table differ that are there."""
        sql = "SELECT DISTINCT columns FROM difference WHERE tab = ? AND kind = ?"
        found = self._database.execute(sql, (table, Kind.DIFFERENT.value))
        return {name for (columns,) in found for name in _texts(columns)}

    def of(
        self, table: str, kinds: Sequence[Kind] = tuple(Kind), most: int = -1
    ) -> Iterator[Difference]:
        """Those of a table, in the order in which they were found; at most so many."""
        marks = ", ".join("?" * len(kinds))
        rows = self._database.execute(
            "SELECT tab, kind, key, columns, read_by, cells, line FROM difference"
            f" WHERE tab = ? AND kind IN ({marks}) ORDER BY place LIMIT ?",
            (table, *(kind.value for kind in kinds), most),
        )
        for tab, kind, key, columns, read_by, cells, line in rows:
            yield Difference(
                tab,
                Kind(kind),
                _texts(key),
                _texts(columns),
                _texts(read_by),
                str(cells),
                int(line),
            )


def _text(parts: Sequence[str]) -> str:
    return orjson.dumps(parts).decode()


def _texts(text: str) -> tuple[str, ...]:
    return tuple(orjson.loads(text))
