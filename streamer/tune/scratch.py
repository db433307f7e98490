"""The scratch table and its rows: like those of a planned table in all that takes time, made up (pure).

The same columns and key, and the indexes that are there while rows come; its rows are a sample's again
and again, each time under new keys. No value is the user's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from streamer import limits
from streamer.frozen import frozen
from streamer.model import (
    Answer,
    Chunk,
    KeyKind,
    Loading,
    Pack,
    Page,
    Statement,
    StepId,
    StepKind,
    Storage,
    TablePlan,
)
from streamer.model.printed import PrintedRows
from streamer.model.sql import quote_identifier
from streamer.pack import Engine, Layout, pack_page
from streamer.postgres.copied import ESCAPE, NULL, QUOTE, printed_rows
from streamer.tune.sample import Row, Sample

PREFIX = "_streamer_tune_"
_RANDOM_HEX = 12
_OURS = re.compile(rf"{PREFIX}[0-9a-f]{{{_RANDOM_HEX}}}")
_COUNTED = 12  # digits of the number that a key of text begins with
_COUNTED_HEX = 16
_MOST_DIGITS = 18  # of a key that is a number: 64 bits hold what comes behind it, too
_MOST_STATEMENTS = 99
_PAGE_BYTES = 0.97 * limits.CHUNK_BYTES  # a run's pages are statements, nearly full ones


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
    """A scratch table: what makes it, how rows get in, and the `sample` that these are made of.

    `written_per_row` are the rows that D1 bills for one: itself and its entries in indexes.
    `first_number` is what keys of numbers count up from. So many as `page_rows` are packed at a time.
    """

    name: str
    create: tuple[Statement, ...]
    layout: Layout
    sample: Sample
    key_cells: tuple[int, ...]
    written_per_row: int
    first_number: int
    page_rows: int

    @classmethod
    def like(
        cls, table: TablePlan, sample: Sample, name: str, pack: Pack, *, engine: Engine
    ) -> Scratch:
        """A scratch table `name` for rows like those of `table`, of which there is a `sample`.

        Raises:
            RefusedError: a statement for it would be too long, as it would be in a run.
        """
        plan = _alone(table, name)
        layout = Layout.of(plan, StepKind.ROWS, pack, into_stage=False, engine=engine)
        indexes = _indexes(table, name)
        create = f"CREATE TABLE IF NOT EXISTS {quote_identifier(name)}({_body(plan)})"
        own_index = plan.key.kind is not KeyKind.PHYSICAL and layout.rowid_cell is None
        keys = tuple(n for n, column in enumerate(layout.columns) if column.target in layout.key)
        draft = cls(
            name=name,
            create=(
                Statement.of(create + " WITHOUT ROWID" * plan.without_rowid),
                *map(Statement.of, indexes),
            ),
            layout=layout,
            sample=sample,
            key_cells=keys,
            written_per_row=1 + len(indexes) + (own_index and not plan.without_rowid),
            first_number=_first_number([row[keys[0]] for row in sample.rows]),
            page_rows=max(1, int(_PAGE_BYTES / sample.row_bytes)),
        )
        tried = draft.body(1, draft.page_rows)
        return replace(draft, page_rows=max(1, int(_PAGE_BYTES * tried.rows / tried.bytes)))

    def body(self, first: int, rows: int) -> Body:
        """The rows numbered from `first` on, packed as a run packs them, as far as one request takes."""
        end = first + rows
        chunks = [
            chunk
            for start in range(first, end, self.page_rows)
            for chunk in self._packed(range(start, min(start + self.page_rows, end)))
        ]
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

    def look_up(self, times: int) -> Statement:
        """What looks each row up by its key, so many times."""
        name = quote_identifier(self.name)
        keys = " AND ".join(
            f"b.{quote_identifier(key)}=a.{quote_identifier(key)}" for key in self.layout.key
        )
        numbers = f"SELECT 1 AS i UNION ALL SELECT i+1 FROM n WHERE i<{times}"
        return Statement.of(
            f"SELECT count(*) FROM (WITH RECURSIVE n AS ({numbers}) SELECT i FROM n) CROSS JOIN {name} AS a"
            f" WHERE NOT EXISTS (SELECT 1 FROM {name} AS b WHERE {keys})"
        )

    def _packed(self, numbers: Sequence[int]) -> list[Chunk]:
        page = Page(
            self._records([self._row(number) for number in numbers]),
            len(self.layout.columns),
            self.key_cells,
            json_rows=self._is_copied,
        )
        return pack_page(self.layout, page, step=StepId(0), number=0, after=None)

    @property
    def _is_copied(self) -> bool:
        """Whether a run has such rows printed by COPY, whose texts are in single quotes."""
        json = self.layout.form is Pack.JSON and not self.layout.real_cells
        return json and self.sample.bare is not None

    def _records(self, rows: Sequence[Row]) -> Sequence[Row] | PrintedRows:
        if not self._is_copied or self.sample.bare is None:
            return rows
        bare = self.sample.bare
        lines = (",".join(map(_printed, row, bare)) for row in rows)
        return printed_rows("".join(f"{line}\n" for line in lines).encode(), len(rows))

    def _row(self, number: int) -> Row:
        """The first key column counts up, as keys do that are read in their order."""
        rows, counted = self.sample.rows, self.key_cells[0]
        row = rows[number % len(rows)]
        return (*row[:counted], self._key(row[counted] or "", number), *row[counted + 1 :])

    def _key(self, cell: str, number: int) -> str:
        match self.layout.columns[self.key_cells[0]].storage:
            case Storage.INTEGER:
                return str(self.first_number + number)
            case Storage.REAL:
                return f"{self.first_number + number}.5"
            case Storage.BLOB:
                return f"{number:0{_COUNTED_HEX}x}{cell[_COUNTED_HEX:]}"
            case Storage.TEXT:
                return f"{number:0{_COUNTED}}{cell[_COUNTED:]}"


def _printed(cell: str | None, bare: bool) -> str:  # noqa: FBT001 (mapped over columns)
    """A cell as COPY prints it."""
    if cell is None:
        return NULL
    if bare:
        return cell
    return QUOTE + cell.replace(ESCAPE, ESCAPE * 2).replace(QUOTE, ESCAPE + QUOTE) + QUOTE


def _first_number(cells: Sequence[str | None]) -> int:
    """The first of the numbers that are as long as most of `cells` are."""
    lengths = sorted(len((cell or "").lstrip("-").partition(".")[0]) for cell in cells)
    return 10 ** (max(1, min(lengths[len(lengths) // 2], _MOST_DIGITS)) - 1)


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
