"""Rows as INSERT statements that D1 takes (pure).

As many rows as fit share a statement. A row too long for one is put together by D1: its longest
values are built up, piece by piece, in the table LONG first, so that no constraint ever sees half a
value. All statements may run again: they are the upserts that a run sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from streamer import limits
from streamer.errors import RefusedError
from streamer.files.sql.literals import NULL, blob, literal_of, text
from streamer.frozen import frozen
from streamer.model import Pack, StepKind, TablePlan, Wire
from streamer.pack import Layout
from streamer.pack.layout import step_columns

LONG = '"_streamer_long"'
BEGIN_LONG = f"DROP TABLE IF EXISTS {LONG};\nCREATE TABLE {LONG} (v BLOB);\n".encode()
END_LONG = f"DROP TABLE {LONG};\n".encode()

_CELLS = 20_000  # of one VALUES list; older engines take rows * (columns + 1) < 21,490 [local]
_END = ";\n"
_COMMENT_BYTES = 300  # which table it is, before its first statement: D1 counts that too
_PIECE_BYTES = limits.STATEMENT_BYTES - 200  # of a literal, with the UPDATE around it
_LINK = f"(SELECT v FROM {LONG} WHERE rowid=%d)"


@frozen
class Chunk:
    """Statements that must stand in one file; `long`: they use the table LONG, and leave it empty."""

    sql: bytes
    long: bool = False


class StatementMaker:
    """Makes the statements of one step of one table.

    A row's cells are those of `step_columns`.

    Raises:
        RefusedError: a statement for this table would be too long.

    """

    def __init__(self, plan: TablePlan, kind: StepKind) -> None:
        columns = step_columns(plan, kind)
        # A literal is the stored value already, so nothing is left to be done to it.
        as_they_are = tuple(replace(column, wire=Wire.TEXT) for column in plan.columns)
        layout = Layout.of(
            replace(plan, columns=as_they_are),
            kind,
            Pack.JSON,
            into_stage=bool(plan.stage) and kind is StepKind.ROWS,
        )
        before, behind = layout.values_frame()
        self._before, self._behind = before.encode(), f"{behind}{_END}".encode()
        frame = len(self._before) + len(self._behind) + _COMMENT_BYTES
        self._room = limits.STATEMENT_BYTES - frame
        if self._room < len(columns) * (len(_LINK) + 3) + 2:
            raise RefusedError(
                f"{plan.name}: SQL that writes a row is longer than D1's"
                f" {limits.STATEMENT_BYTES:,} bytes.",
                hint="Shorten the column names with --rename, or use `streamer import`.",
            )
        sent = frozenset(layout.sent)
        self._literals: list[Callable[[str], str] | None] = [
            literal_of(column) if n in sent else None for n, column in enumerate(columns)
        ]
        self._hex = [column.wire is Wire.HEX for column in columns]
        self._most_rows = max(1, _CELLS // (len(columns) + 1))
        self._rows: list[bytes] = []
        self._bytes = 0

    def add(self, cells: Sequence[str | None]) -> Iterator[Chunk]:
        """Take a row; what is complete by that."""
        literals = [
            NULL if cell is None or make is None else make(cell)
            for cell, make in zip(cells, self._literals, strict=True)
        ]
        row = f"({','.join(literals)})".encode()
        if len(row) > self._room:
            yield from self.rest()
            yield self._long_row(cells, literals)
            return
        if self._bytes + len(row) > self._room or len(self._rows) == self._most_rows:
            yield from self.rest()
        self._rows.append(row)
        self._bytes += len(row) + 1

    def rest(self) -> Iterator[Chunk]:
        """What was taken and isn't complete yet."""
        if self._rows:
            yield Chunk(self._before + b",".join(self._rows) + self._behind)
            self._rows, self._bytes = [], 0

    def _long_row(self, cells: Sequence[str | None], literals: list[str]) -> Chunk:
        sizes = [len(literal.encode()) for literal in literals]
        left = sum(sizes) + len(sizes) + 1
        built: list[str] = []
        for n in sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True):
            if left <= self._room:
                break
            number = len(built) + 1
            literals[n] = _LINK % number
            left += len(literals[n]) - sizes[n]
            built.append(_built(number, cells[n] or "", is_hex=self._hex[n]))
        row = f"({','.join(literals)})".encode()
        parts = [*(sql.encode() for sql in built), self._before + row + self._behind]
        return Chunk(b"".join([*parts, f"DELETE FROM {LONG};\n".encode()]), long=True)


def _built(number: int, cell: str, *, is_hex: bool) -> str:
    """The statements that build a value up in LONG."""
    first, *more = _hex_pieces(cell) if is_hex else _text_pieces(cell)
    append = "CAST(v||%s AS BLOB)" if is_hex else "v||%s"
    return "".join(
        [
            f"INSERT INTO {LONG}(rowid,v) VALUES({number},{first});\n",
            *(f"UPDATE {LONG} SET v={append % piece} WHERE rowid={number};\n" for piece in more),
        ]
    )


def _hex_pieces(digits: str) -> Iterator[str]:
    step = (_PIECE_BYTES - len("x''")) // 2 * 2
    for at in range(0, max(1, len(digits)), step):
        yield blob(digits[at : at + step])


def _text_pieces(cell: str) -> Iterator[str]:
    """A text as literals, each as long as a statement has room for."""
    at = 0
    while True:
        length = _PIECE_BYTES
        piece = text(cell[at : at + length])
        while (size := len(piece.encode())) > _PIECE_BYTES:
            length = min(length, len(cell) - at) * _PIECE_BYTES // size
            piece = text(cell[at : at + length])
        yield piece
        at += length
        if at >= len(cell):
            return
