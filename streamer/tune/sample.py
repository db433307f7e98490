"""Made-up rows that cost a target what a table's own do: each is a real one with other contents (pure).

What takes a database time is in a row's form: which cells are NULL, how long the others are, which of
their characters must be escaped, and how many digits a number has. All that stays; letters and digits
become others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits

from streamer import limits
from streamer.frozen import frozen
from streamer.model import ColumnPlan, Measure, Storage

Row = tuple[str | None, ...]

BYTES_OF = {Storage.INTEGER: 4, Storage.REAL: 8, Storage.TEXT: 24, Storage.BLOB: 64}
"""What a cell of a column takes that nobody measured."""

SAMPLED_ROWS = 1_000
SAMPLED_BYTES = limits.MEMORY_BYTES  # of rows, as a run holds them
_WITHOUT_SAMPLE = 64  # rows that are made up of lengths alone
_DISGUISED = 4_096  # characters of a long cell, which are repeated in place of the rest
_POOL = 8_192  # characters that values are cut from, beside the longest one's own
_SURE_DIGITS = 18  # of a whole number, which 64 bits hold whatever they are
_HEX = "0123456789abcdef"
_RUNS = re.compile("[a-z]+|[A-Z]+|[0-9]+|[^\x00-\x7f]+")
_DIGIT = re.compile("[1-9]")
_WIDE = {2: "é", 3: "漢", 4: "😀"}  # by the bytes that UTF-8 takes for them


@frozen
class Sample:
    """Rows of made-up cells, at least one, each with a cell a column.

    `bare` says of each column whether COPY prints its cells without quotes; None: COPY doesn't print
    this table's rows.
    """

    rows: tuple[Row, ...]
    bare: tuple[bool, ...] | None = None

    @property
    def row_bytes(self) -> float:
        """Bytes of a request's body that a row takes, about."""
        cells = sum(len(cell or "null") + 3 for row in self.rows for cell in row)
        return cells / len(self.rows)


def disguised(
    rows: Sequence[Sequence[str | None]], columns: Sequence[ColumnPlan], random: Random
) -> tuple[Row, ...]:
    """Rows with the form of `rows`, whose cells are those of `columns`: no value is the same but by chance."""
    pool = _Pool(random)
    ways = [_disguise(column, pool) for column in columns]
    return tuple(
        tuple(None if cell is None else way(cell) for cell, way in zip(row, ways, strict=True))
        for row in rows
    )


def of_lengths(columns: Sequence[ColumnPlan], measure: Measure, random: Random) -> Sample:
    """Rows of which nothing is known but how long their cells are stored, or not even that.

    `columns` may begin with a row number that wasn't measured.
    """
    stored = [max(0, round(size - 1)) for size in measure.stored_bytes]  # a byte says their type
    if not measure.rows or len(stored) not in {len(columns), len(columns) - 1}:
        stored = [BYTES_OF[column.storage] for column in columns]
    widths = [BYTES_OF[Storage.INTEGER]] * (len(columns) - len(stored)) + stored
    pool = _Pool(random)
    return Sample(
        tuple(
            tuple(
                _made_up(c.storage, width, pool) for c, width in zip(columns, widths, strict=True)
            )
            for _ in range(_WITHOUT_SAMPLE)
        )
    )


def _made_up(storage: Storage, width: int, pool: _Pool) -> str:
    match storage:
        case Storage.INTEGER:
            return pool.number(width)
        case Storage.REAL:
            return pool.real()
        case Storage.BLOB:
            return pool.cut(_HEX, 2 * width)
        case Storage.TEXT:
            return pool.cut(ascii_letters + digits + " ", width)


def _disguise(column: ColumnPlan, pool: _Pool) -> Callable[[str], str]:
    match column.storage:
        case Storage.INTEGER | Storage.REAL:
            return pool.other_number
        case Storage.BLOB:
            return pool.other_hex
        case Storage.TEXT:
            return pool.other_text


class _Pool:
    """Values of wanted lengths and kinds, cut from pieces of random text."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._pieces: dict[str, str] = {}

    def cut(self, characters: str, length: int) -> str:
        """So many of `characters`."""
        piece = self._pieces.get(characters, "")
        if len(piece) < length + _POOL:
            piece = "".join(self._random.choices(characters, k=length + _POOL))
            self._pieces[characters] = piece
        start = self._random.randrange(len(piece) - length)
        return piece[start : start + length]

    def number(self, size: int) -> str:
        """A whole number that SQLite stores in `size` bytes, or in fewer."""
        return str(self._random.getrandbits(max(1, 8 * min(size, 8) - 1)))

    def real(self) -> str:
        return repr(self._random.random() * 1e6)

    def other_number(self, cell: str) -> str:
        """One of as many digits, of the same sign; what is 0 in it stays, but for a lone one."""
        if len(cell) == 1:
            return self.cut(digits, 1)
        number, mark, power = cell.partition("e")  # of what a REAL may hold, as the other was
        if len(number.lstrip("-")) > _SURE_DIGITS and number.lstrip("-").isdigit():
            return ("-" * number.startswith("-")) + self.number(8)
        return _DIGIT.sub(lambda _: self.cut("123456789", 1), number) + mark + power

    def other_hex(self, cell: str) -> str:
        return self.cut(_HEX, len(cell))

    def other_text(self, cell: str) -> str:
        """One with letters, digits and marks in the same places."""
        if len(cell) <= _DISGUISED or not cell.isascii():
            return _RUNS.sub(lambda found: self._other_run(found[0]), cell)
        piece = self.other_text(cell[:_DISGUISED])
        return (piece * (len(cell) // len(piece) + 1))[: len(cell)]

    def _other_run(self, run: str) -> str:
        first = run[0]
        if first.isascii():
            kind = next(k for k in (ascii_lowercase, ascii_uppercase, digits) if first in k)
            return self.cut(kind, len(run))
        return "".join(_WIDE[len(character.encode())] for character in run)
