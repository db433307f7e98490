"""How big the rows of a transformed file are in D1: every cell's length, and of some what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add

import orjson

from streamer.files.manifest import TransformedColumn
from streamer.model import Measure, Storage, Wire

_FIRST_ROWS = 100
_EVERY = 32
_NUMBER_BYTES = 8
_HELD_ROWS = 256
_HELD_CHARACTERS = 1_000_000


class Sizes:
    """Adds up the rows of a table.

    Characters of all rows are counted. What they come to in bytes, as stored and as sent, is looked
    at in the first rows and then in every 32nd: a file of gigabytes isn't printed a second time.
    """

    def __init__(self, columns: Sequence[TransformedColumn]) -> None:
        self._columns = columns
        self._held: list[Sequence[str | None]] = []  # counted together, a column at a time
        self._held_characters = 0
        self._rows = 0
        self._characters = [0] * len(columns)
        self._sampled = 0
        self._sampled_characters = [0] * len(columns)
        self._stored = [0] * len(columns)
        self._body = 0

    def add(self, cells: Sequence[str | None]) -> int:
        """Take note of a row in the columns' order; how many characters it has."""
        characters = _characters(cells)
        self._rows += 1
        if self._rows <= _FIRST_ROWS or self._rows % _EVERY == 0:
            self._sample(cells)
        self._held.append(cells)
        self._held_characters += characters
        if len(self._held) == _HELD_ROWS or self._held_characters > _HELD_CHARACTERS:
            self._count()
        return characters

    def measure(self) -> Measure:
        """What a row is on average."""
        self._count()
        sampled, rows = max(self._sampled, 1), max(self._rows, 1)
        stored = tuple(
            1 + (size / sampled if _is_number(column) else _scaled(size, seen, every, rows))
            for column, size, seen, every in zip(
                self._columns,
                self._stored,
                self._sampled_characters,
                self._characters,
                strict=True,
            )
        )
        seen, every = sum(self._sampled_characters), sum(self._characters)
        frame = (
            5 * len(self._columns) + 2
        )  # quotes, escaped, around each cell or null; commas; brackets
        body = frame + _scaled(self._body - sampled * frame, seen, every, rows)
        return Measure(self._rows, body, stored)

    def _count(self) -> None:
        counts = map(_characters, zip(*self._held, strict=True))
        if self._held:
            self._characters = list(map(add, self._characters, counts))
        self._held, self._held_characters = [], 0

    def _sample(self, cells: Sequence[str | None]) -> None:
        stored = [
            0 if cell is None else _stored_bytes(column, cell)
            for column, cell in zip(self._columns, cells, strict=True)
        ]
        lengths = [len(cell or "") for cell in cells]
        self._sampled += 1
        self._stored = list(map(add, self._stored, stored))
        self._sampled_characters = list(map(add, self._sampled_characters, lengths))
        # As it is sent: a JSON array within a JSON string, its quotation marks left away, a comma put.
        self._body += len(orjson.dumps(orjson.dumps(cells).decode())) - 1


def _characters(cells: Sequence[str | None]) -> int:
    return sum(map(len, filter(None, cells)))


def _scaled(size: int, seen: int, every: int, rows: int) -> float:
    """The bytes of a row on average, where `seen` characters of `every` take `size`."""
    return size / seen * every / rows if seen else 0.0


def _is_number(column: TransformedColumn) -> bool:
    return column.storage in {Storage.INTEGER, Storage.REAL}


def _stored_bytes(column: TransformedColumn, cell: str) -> int:
    """A cell's bytes in a SQLite record, without its type's; of numbers at most."""
    if column.storage is Storage.INTEGER:  # 1, 2, 3, 4, 6 or 8 bytes, by the digits
        return min(_NUMBER_BYTES, (len(cell) * 42 + 50) // 100)
    if column.storage is Storage.REAL:  # whole numbers are stored as integers
        return min(_NUMBER_BYTES, len(cell))
    return len(cell) // 2 if column.wire is Wire.HEX else len(cell.encode())
