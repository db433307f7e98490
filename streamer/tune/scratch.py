"""The scratch table and its rows: like those of a planned table in all that takes time, made up (pure).

The same columns, key and lengths, and the indexes that are there while rows come. No value is the
user's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from string import ascii_letters, digits, hexdigits

from streamer.frozen import frozen
from streamer.model import (
    Answer,
    ColumnPlan,
    KeyKind,
    Loading,
    Measure,
    Pack,
    Page,
    Statement,
    StepId,
    StepKind,
    Storage,
    TablePlan,
)
from streamer.model.sql import quote_identifier
from streamer.pack import Engine, Layout, pack_page

PREFIX = "_streamer_tune_"
_RANDOM_HEX = 12
_OURS = re.compile(rf"{PREFIX}[0-9a-f]{{{_RANDOM_HEX}}}")
_BYTES_OF = {Storage.INTEGER: 4, Storage.REAL: 8, Storage.TEXT: 24, Storage.BLOB: 64}
_POOL = 8_192  # characters that values are cut from, beside the longest one's own


def new_name(random: Random) -> str:
    """A name that no other probe has, and that `leftovers` knows again."""
    return f"{PREFIX}{random.getrandbits(4 * _RANDOM_HEX):0{_RANDOM_HEX}x}"


def find_leftovers() -> Statement:
    """What asks for tables that are called like ours."""
    like = PREFIX.replace("_", "?_")
    return Statement.of(
        f"SELECT name FROM sqlite_master WHERE type='table' AND name LIKE '{like}%' ESCAPE '?'"
    )


def leftovers(answer: Answer, statement: int) -> list[str]:
    """Tables of probes that were killed: what is called a bit otherwise is somebody's own."""
    names = (str(row[0]) for row in answer.results[statement].rows)
    return [name for name in names if _OURS.fullmatch(name)]


def drop(name: str) -> Statement:
    """Take a scratch table away, its indexes with it; one that isn't there is no mistake."""
    return Statement.of(f"DROP TABLE IF EXISTS {quote_identifier(name)}")


@frozen
class Body:
    """A request's statements, their size in its body, and how many rows they carry."""

    statements: tuple[Statement, ...]
    bytes: int
    rows: int


@frozen
class Scratch:
    """A scratch table: what makes it, how rows get in, and how many bytes each column's cells have.

    `written_per_row` are the rows that D1 bills for one: itself and its entries in indexes.
    """

    name: str
    create: tuple[Statement, ...]
    layout: Layout
    widths: tuple[int, ...]
    key_cells: tuple[int, ...]
    written_per_row: int

    @classmethod
    def like(
        cls, table: TablePlan, measure: Measure, name: str, pack: Pack, *, engine: Engine
    ) -> Scratch:
        """A scratch table `name` for rows like those of `table`.

        Raises:
            RefusedError: a statement for it would be too long, as it would be in a run.
        """
        plan = _alone(table, name)
        layout = Layout.of(plan, StepKind.ROWS, pack, into_stage=False, engine=engine)
        widths = _widths(plan.columns, measure)
        if plan.key.kind is KeyKind.PHYSICAL:
            widths = (_BYTES_OF[Storage.INTEGER], *widths)
        indexes = _indexes(table, name)
        create = f"CREATE TABLE IF NOT EXISTS {quote_identifier(name)}({_body(plan)})"
        own_index = plan.key.kind is not KeyKind.PHYSICAL and layout.rowid_cell is None
        return cls(
            name=name,
            create=(
                Statement.of(create + " WITHOUT ROWID" * plan.without_rowid),
                *map(Statement.of, indexes),
            ),
            layout=layout,
            widths=widths,
            key_cells=tuple(
                n for n, column in enumerate(layout.columns) if column.target in layout.key
            ),
            written_per_row=1 + len(indexes) + (own_index and not plan.without_rowid),
        )

    def body(self, first: int, rows: int, random: Random) -> Body:
        """The rows numbered from `first` on, packed as a run packs them, as far as one request takes."""
        pool = _Pool(random, max(self.widths))
        records = [
            [self._cell(cell, number, pool) for cell in range(len(self.layout.columns))]
            for number in range(first, first + rows)
        ]
        page = Page(records, len(self.layout.columns), self.key_cells)
        chunks = pack_page(self.layout, page, step=StepId(0), number=0, after=None)
        taken = chunks[:1]
        for chunk in chunks[1:]:
            if sum(len(one.statements) for one in (*taken, chunk)) > _MOST_STATEMENTS:
                break
            taken.append(chunk)
        return Body(
            tuple(statement for chunk in taken for statement in chunk.statements),
            sum(chunk.bytes for chunk in taken),
            sum(chunk.rows for chunk in taken),
        )

    def row_bytes(self) -> float:
        """Bytes of a request's body that a row takes, about."""
        return sum(
            width * (2 if column.storage is Storage.BLOB else 1) + 3
            for width, column in zip(self.widths, self.layout.columns, strict=True)
        )

    def _cell(self, cell: int, number: int, pool: _Pool) -> str:
        """The first key column counts up, as keys do that are read in their order."""
        column, width = self.layout.columns[cell], self.widths[cell]
        counted = bool(self.key_cells) and cell == self.key_cells[0]
        match column.storage:
            case Storage.INTEGER:
                return str(number) if counted else pool.number(width)
            case Storage.REAL:
                return f"{number}.5" if counted else pool.real()
            case Storage.BLOB:
                return (f"{number:016x}" if counted else "") + pool.hexed(width - 8 * counted)
            case Storage.TEXT:
                return (f"{number:012}" if counted else "") + pool.text(width - 12 * counted)


_MOST_STATEMENTS = 99


class _Pool:
    """Values of wanted lengths, cut from a piece of random text."""

    def __init__(self, random: Random, longest: int) -> None:
        self._random = random
        self._text = "".join(random.choices(ascii_letters + digits + " ", k=longest + _POOL))
        self._hexed = "".join(random.choices(hexdigits[:16], k=2 * longest + _POOL))

    def text(self, length: int) -> str:
        return self._cut(self._text, length)

    def hexed(self, count: int) -> str:
        return self._cut(self._hexed, 2 * count)

    def number(self, count: int) -> str:
        """A whole number that SQLite stores in `count` bytes, or in fewer."""
        return str(self._random.getrandbits(max(1, 8 * min(count, 8) - 1)))

    def real(self) -> str:
        return repr(self._random.random() * 1e6)

    def _cut(self, pool: str, length: int) -> str:
        if length <= 0:
            return ""
        start = self._random.randrange(len(pool) - length)
        return pool[start : start + length]


def _alone(table: TablePlan, name: str) -> TablePlan:
    """The plan of `table` for a table that nothing else has to do with."""
    return replace(
        table,
        target=name,
        columns=tuple(replace(column, nocase=False) for column in table.columns),
        loading=Loading.DIRECT,
        deferred=(),
        stage="",
        without_rowid=table.without_rowid and table.key.kind is KeyKind.PRIMARY,
    )


def _body(plan: TablePlan) -> str:
    columns = [f"{quote_identifier(c.target)} {c.storage.value}" for c in plan.columns]
    key = ",".join(map(quote_identifier, plan.key.targets))
    match plan.key.kind:
        case KeyKind.PRIMARY:
            columns.append(f"PRIMARY KEY({key})")
        case KeyKind.UNIQUE:
            columns.append(f"UNIQUE({key})")
        case KeyKind.PHYSICAL:
            pass
    return ",".join(columns)


def _indexes(table: TablePlan, name: str) -> list[str]:
    """Indexes on columns that would be there while rows come, but the key's; none that is unique."""
    known = {quote_identifier(column.target) for column in table.columns}
    key = tuple(map(quote_identifier, table.key.targets))
    wanted = [
        index.keys
        for index in table.indexes
        if index.early and index.keys and known.issuperset(index.keys) and tuple(index.keys) != key
    ]
    return [
        f"CREATE INDEX IF NOT EXISTS {quote_identifier(f'{name}_{number}')}"
        f" ON {quote_identifier(name)}({','.join(keys)})"
        for number, keys in enumerate(wanted)
    ]


def _widths(columns: Sequence[ColumnPlan], measure: Measure) -> tuple[int, ...]:
    """Bytes of each column's cells, without the byte that says their type."""
    if measure.rows and len(measure.stored_bytes) == len(columns):
        return tuple(max(0, round(stored - 1)) for stored in measure.stored_bytes)
    return tuple(_BYTES_OF[column.storage] for column in columns)
