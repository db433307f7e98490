"""SQLite in memory with D1's limits, and plans for tables in it: what packing is tested on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import apsw
import orjson
from hypothesis import strategies as st

from streamer.model import (
    Chunk,
    ColumnPlan,
    KeyKind,
    KeyPlan,
    Loading,
    Pack,
    Page,
    QualifiedName,
    Statement,
    StepId,
    StepKind,
    Storage,
    Table,
    TableKind,
    TablePlan,
    Wire,
)
from streamer.model.sql import quote_identifier
from streamer.pack import CURRENT, Engine, Layout, pack_page
from streamer.postgres.copied import printed_rows
from streamer.translate.names import ROW_COLUMN, rowid_name
from tests.engines.copied import copied_lines

_LIMITS = {
    apsw.SQLITE_LIMIT_VARIABLE_NUMBER: 100,
    apsw.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    apsw.SQLITE_LIMIT_LENGTH: 2_000_000,
    apsw.SQLITE_LIMIT_COLUMN: 100,
    apsw.SQLITE_LIMIT_EXPR_DEPTH: 100,
    apsw.SQLITE_LIMIT_COMPOUND_SELECT: 5,
}
STEP = StepId(1)
ENGINES = [Engine(*can) for can in product((False, True), repeat=3)]


class LimitedSqlite:
    """A database that takes what D1 takes; a request is one transaction, foreign keys are on."""

    def __init__(self, *schema: str) -> None:
        self.connection = apsw.Connection(":memory:")
        for limit, value in _LIMITS.items():
            self.connection.limit(limit, value)
        self.connection.execute("PRAGMA foreign_keys=on")
        for sql in schema:
            self.connection.execute(sql)

    def request(self, statements: Sequence[Statement]) -> int:
        """Run statements as D1 gets them; how many rows they changed."""
        before = self.connection.total_changes()
        with self.connection:
            for statement in statements:
                body = orjson.loads(b"".join(statement.pieces))
                self.connection.execute(body["sql"], body["params"]).fetchall()
        return self.connection.total_changes() - before

    def write(self, chunks: Sequence[Chunk]) -> int:
        """Send each chunk as a request of its own; how many rows they changed."""
        return sum(self.request(chunk.statements) for chunk in chunks)

    def rows(self, sql: str, *params: str) -> list[tuple[object, ...]]:
        return self.connection.execute(sql, params).fetchall()

    def cells(self, plan: TablePlan, *, table: str = "") -> list[tuple[object, ...]]:
        """Every cell of the table with its type, text as bytes, ordered by all of them."""
        names = [f"quote({quote_identifier(c.target)})" for c in plan.columns]
        types = [f"typeof({quote_identifier(c.target)})" for c in plan.columns]
        rows = self.rows(f"SELECT {','.join(names)} FROM {quote_identifier(table or plan.target)}")
        kinds = self.rows(f"SELECT {','.join(types)} FROM {quote_identifier(table or plan.target)}")
        return sorted(zip(rows, kinds, strict=True), key=repr)

    def bind(self, plan: TablePlan, rows: Sequence[Sequence[str | None]], table: str) -> None:
        """Write rows the plain way, cell by cell, into `table`."""
        for row in rows:
            cells = ",".join("unhex(?)" if c.wire is Wire.HEX else "?" for c in plan.columns)
            self.connection.execute(f"INSERT INTO {quote_identifier(table)} VALUES({cells})", row)


def column(name: str, storage: Storage = Storage.TEXT, *, nocase: bool = False) -> ColumnPlan:
    return ColumnPlan(
        source=name,
        target=name,
        storage=storage,
        wire=Wire.HEX if storage is Storage.BLOB else Wire.TEXT,
        read_sql="",
        type_name=storage.value.lower(),
        not_null=False,
        nocase=nocase,
    )


def table_plan(
    columns: Sequence[ColumnPlan],
    key: Sequence[str] = ("k",),
    *,
    name: str = "t",
    deferred: Sequence[str] = (),
    constraints: Sequence[str] = (),
    without_rowid: bool = False,
    stage: str = "",
) -> TablePlan:
    """A plan for the table `name`; no `key` means the physical position."""
    names = ",".join(map(quote_identifier, key))
    declared = [
        f"{quote_identifier(c.target)} {c.storage.value}{' COLLATE NOCASE' if c.nocase else ''}"
        for c in columns
    ]
    primary = [f"PRIMARY KEY({names})"] if key else []
    body = ",".join([*declared, *primary, *constraints])
    tail = " WITHOUT ROWID" if without_rowid else ""
    qualified = QualifiedName("public", name)
    return TablePlan(
        table=Table(1, qualified, TableKind.TABLE, (), (), (), (), (), 0, 0),
        target=name,
        columns=tuple(columns),
        key=KeyPlan(
            KeyKind.PRIMARY if key else KeyKind.PHYSICAL,
            tuple(key),
            tuple(key),
            rowid=rowid_name(c.target for c in columns) or ROW_COLUMN,
        ),
        create_sql=f"CREATE TABLE {quote_identifier(name)}({body}){tail}",
        indexes=(),
        foreign_keys=(),
        parents=(),
        without_rowid=without_rowid,
        fingerprint="",
        loading=Loading.STAGED if stage else Loading.TWO_PASS if deferred else Loading.DIRECT,
        deferred=tuple(deferred),
        stage=stage,
    )


def page_of(rows: Sequence[Sequence[str | None]], *, key: Sequence[int] = (0,)) -> Page:
    """A page whose key texts stand behind the cells, as the reader delivers them."""
    width = len(rows[0])
    records = [(*row, *(row[n] for n in key)) for row in rows]
    return Page(records, width, tuple(range(width, width + len(key))))


def json_page_of(rows: Sequence[Sequence[str | None]]) -> Page:
    """The same page as the server prints whole rows; the key is the first cell."""
    records = [(orjson.dumps(row).decode(), row[0]) for row in rows]
    return Page(records, 1, (1,), json_rows=True)


def printed_page_of(rows: Sequence[Sequence[str | None]]) -> Page:
    """The same page as it is copied out of the server; the key is the first cell."""
    return Page(printed_rows(copied_lines(rows), len(rows)), len(rows[0]), (0,), json_rows=True)


Paged = Callable[[Sequence[Sequence[str | None]]], Page]
PAGES: tuple[Paged, ...] = (page_of, json_page_of, printed_page_of)


def packed(layout: Layout, page: Page, **options: int) -> list[Chunk]:
    return pack_page(layout, page, step=STEP, number=0, after=None, **options)


def chunk(number: int, size: int = 100, *, step: int = 1, statements: int = 1) -> Chunk:
    """A chunk of one row, of about `size` bytes, that stores nothing."""
    params = b'["' + b"x" * size + b'"]'
    made = tuple(Statement("SELECT ?1", params) for _ in range(statements))
    total = sum(len(b"".join(statement.pieces)) + 1 for statement in made)
    after = (str(number - 1),) if number else None
    return Chunk(StepId(step), number, 1, after, (str(number),), made, total)


@dataclass(frozen=True, slots=True)
class Sample:
    """A table and rows for it, keys in order."""

    plan: TablePlan
    rows: tuple[tuple[str | None, ...], ...]


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
_int64 = st.integers(-(2**63), 2**63 - 1)
_cells = {
    Storage.INTEGER: _int64.map(str) | st.sampled_from(["NaN", "9223372036854775808", "007"]),
    Storage.REAL: st.floats().map(repr) | st.sampled_from(["NaN", "Infinity", "-0", "1e400"]),
    Storage.TEXT: _texts | st.sampled_from(['"', "\\", "\x01\x7f\n\\u0041", "007", "é😀", "[1,2]"]),
    Storage.BLOB: st.binary(max_size=40).map(bytes.hex),
}


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Tables with an integer key, up to seven other columns, and up to 40 rows."""
    storages = draw(st.lists(st.sampled_from(list(Storage)), max_size=7))
    columns = [column("k", Storage.INTEGER)]
    columns += [column(f"c{n}", storage) for n, storage in enumerate(storages)]
    keys = sorted(draw(st.sets(_int64, min_size=1, max_size=40)))
    cells = st.tuples(*[st.none() | _cells[storage] for storage in storages])
    rows = tuple((str(key), *draw(cells)) for key in keys)
    return Sample(table_plan(columns, without_rowid=draw(st.booleans())), rows)


def layout_of(
    plan: TablePlan,
    pack: Pack = Pack.JSON,
    *,
    kind: StepKind = StepKind.ROWS,
    into_stage: bool = False,
    engine: Engine = CURRENT,
) -> Layout:
    return Layout.of(plan, kind, pack, into_stage=into_stage, engine=engine)
