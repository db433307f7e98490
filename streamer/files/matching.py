"""Pairs the rows of a file with those that it should hold, by key, wherever they stand.

Where both come in the same order, as they do unless somebody changed something, nothing is kept.
What has no counterpart yet waits for it on disk, so that memory stays flat.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

import orjson

from streamer.files.reading import Row
from streamer.frozen import frozen

Values = Mapping[str, object]
"""A row, as a file has it."""


class Unlike(StrEnum):
    """How a file's row differs from what should be there."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"


@frozen
class Wanted:
    """A row that a file should hold; `place` names it where its table has no key."""

    values: Values
    place: str


@frozen
class Mismatch:
    """A row that differs, in `columns` if it is there; `line` is the file's, 0 where it is missing."""

    kind: Unlike
    key: tuple[str, ...]
    columns: tuple[str, ...] = ()
    line: int = 0


_SCHEMA = """\
CREATE TABLE waiting (
    place INTEGER PRIMARY KEY, wanted INTEGER NOT NULL, key BLOB NOT NULL, name TEXT NOT NULL,
    line INTEGER NOT NULL, cells BLOB NOT NULL
)"""
_INDEX = "CREATE INDEX waiting_key ON waiting (key, wanted)"


class Matching:
    """One table's rows; `key` are the columns that tell them apart, none: all of them do."""

    def __init__(self, key: Sequence[str]) -> None:
        self._key = tuple(key)
        # With an empty name SQLite keeps what doesn't fit in its cache in a file that it removes.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute(_SCHEMA)
        self._database.execute(_INDEX)
        self._waiting = 0

    def close(self) -> None:
        """Forget what waits."""
        self._database.close()

    def pair(self, wanted: Wanted | None, found: Row | None) -> list[Mismatch]:
        """Take the next row of each side, None where it has no more; what is known to differ now."""
        if wanted is not None and found is not None and wanted.values == found.values:
            return []
        told: list[Mismatch] = []
        if wanted is not None:
            told += self._take(wanted.values, wanted.place, 0, wanted=True)
        if found is not None:
            told += self._take(found.values, str(found.line), found.line, wanted=False)
        return told

    def left(self) -> Iterator[Mismatch]:
        """Once both sides have ended: the rows without a counterpart."""
        rows = self._database.execute("SELECT wanted, name, line FROM waiting ORDER BY place")
        for wanted, name, line in rows:
            key = tuple(orjson.loads(name))
            kind = Unlike.MISSING if wanted else Unlike.EXTRA
            yield Mismatch(kind, key, line=line)

    def _take(self, values: Values, place: str, line: int, *, wanted: bool) -> list[Mismatch]:
        """Pair a row with one that waits, or let it wait."""
        parts = [values.get(name) for name in self._key] if self._key else dict(values)
        key = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
        name = [shown(values.get(n)) for n in self._key] if self._key else [place]
        if self._waiting and (other := self._counterpart(key, wanted=not wanted)) is not None:
            other_line, cells = other
            columns = _differing(values, orjson.loads(cells))
            if not columns:
                return []
            return [Mismatch(Unlike.DIFFERENT, tuple(name), columns, line or other_line)]
        self._database.execute(
            "INSERT INTO waiting (wanted, key, name, line, cells) VALUES (?, ?, ?, ?, ?)",
            (int(wanted), key, orjson.dumps(name).decode(), line, orjson.dumps(dict(values))),
        )
        self._waiting += 1
        return []

    def _counterpart(self, key: bytes, *, wanted: bool) -> tuple[int, bytes] | None:
        """Take away a row of the side that waits for this key: its line and cells; None for none."""
        found = self._database.execute(
            "SELECT place, line, cells FROM waiting WHERE key = ? AND wanted = ? LIMIT 1",
            (key, int(wanted)),
        ).fetchone()
        if found is None:
            return None
        place, line, cells = found
        self._database.execute("DELETE FROM waiting WHERE place = ?", (place,))
        self._waiting -= 1
        return int(line), cells


def shown(part: object) -> str:
    """A part of a key as people know it."""
    return part if isinstance(part, str) else orjson.dumps(part).decode()


def _differing(one: Values, other: Values) -> tuple[str, ...]:
    """The columns in which two rows differ; those that only one of them has, too."""
    nothing = object()
    return tuple(
        name for name in {**one, **other} if (one.get(name, nothing) != other.get(name, nothing))
    )
