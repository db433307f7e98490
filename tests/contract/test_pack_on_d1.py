"""The packed statements on the real engine: what they store, and what D1 bills for a replay."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Sequence

import orjson
import pytest

from streamer.model import Batch, Chunk, Pack, Result, Statement, StepKind, Storage
from streamer.pack import (
    Engine,
    LedgerStep,
    create_ledger,
    drop_unused,
    engine_probes,
    owners_of,
    probed,
    read_owners,
    record_batch,
    release,
    take_over,
)
from streamer.pack.doubles import HARD_DOUBLES
from tests.engines.d1server import D1RequestError, D1Server
from tests.engines.limited_sqlite import (
    ENGINES,
    STEP,
    column,
    json_page_of,
    layout_of,
    packed,
    page_of,
    table_plan,
)

pytestmark = pytest.mark.workerd
FORMS = [Pack.JSON, Pack.VALUES, Pack.ROWS]


class Database:
    """One database of a local D1."""

    def __init__(self, server: D1Server) -> None:
        self._server = server
        self._uuid = server.create(uuid.uuid4().hex)

    def send(self, *statements: Statement) -> list[Result]:
        """One request; the results of its statements."""
        queries = [orjson.loads(b"".join(statement.pieces)) for statement in statements]
        answers = self._server.batch(self._uuid, [(q["sql"], q["params"]) for q in queries])
        return [
            Result(
                columns=tuple(a["results"]["columns"]),
                rows=tuple(map(tuple, a["results"]["rows"])),
                rows_written=a["meta"]["rows_written"],
            )
            for a in answers
        ]

    def write(self, chunks: Sequence[Chunk]) -> int:
        """Send each chunk as a request; the rows that D1 bills."""
        return sum(r.rows_written for chunk in chunks for r in self.send(*chunk.statements))

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return list(self.send(Statement(sql))[0].rows)

    def delete(self) -> None:
        self._server.delete(self._uuid)


@pytest.fixture
def database(workerd_d1: D1Server) -> Iterator[Database]:
    database = Database(workerd_d1)
    yield database
    database.delete()


ALL_TYPES = [
    column("k", Storage.INTEGER),
    column("n", Storage.INTEGER),
    column("r", Storage.REAL),
    column("t"),
    column("b", Storage.BLOB),
    column("c", nocase=True),
]
ROWS = [
    ("1", "9007199254740993", "0.1", "007", "00ff", 'é😀"\\\n\x01'),
    ("2", None, None, None, None, None),
    ("3", "-9223372036854775808", "NaN", "", "", "12.0"),
]
STORED = [
    ("1", "9007199254740993", "0.1", "'007'", "X'00FF'", 'é😀"\\\n\x01', "real"),
    ("2", "NULL", "NULL", "NULL", "NULL", None, "null"),
    ("3", "-9223372036854775808", "'NaN'", "''", "X''", "12.0", "text"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("without_rowid", [False, True])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_replay_writes_no_row_and_every_form_stores_the_same(
    *, database: Database, form: Pack, without_rowid: bool, engine: Engine
) -> None:
    plan = table_plan(ALL_TYPES, without_rowid=without_rowid)
    database.send(Statement(plan.create_sql))
    layout = layout_of(plan, form, engine=engine)
    chunks = packed(layout, page_of(ROWS))

    assert (database.write(chunks), database.write(chunks)) == (3, 0)
    assert database.write(packed(layout, json_page_of(ROWS))) == 0
    assert (
        database.rows("SELECT quote(k),quote(n),quote(r),quote(t),quote(b),c,typeof(r) FROM t")
        == STORED
    )


@pytest.mark.parametrize("form", FORMS)
def test_doubles_of_the_full_range_arrive_exactly_whatever_the_engine_reads(
    database: Database, form: Pack
) -> None:
    plan = table_plan([column("k", Storage.INTEGER), column("r", Storage.REAL)])
    database.send(Statement(plan.create_sql))
    probes = database.send(*engine_probes())
    doubles = [*map(float, HARD_DOUBLES), 5e-324, math.ulp(1) / 3, 1.7976931348623157e308, -1e-20]
    rows = [(str(n), repr(double)) for n, double in enumerate(doubles)]
    layout = layout_of(plan, form, engine=probed(probes))

    assert database.write(packed(layout, page_of(rows))) == len(rows)
    assert (
        database.write(
            packed(layout_of(plan, form, engine=Engine(exact_floats=False)), page_of(rows))
        )
        == 0
    )
    assert database.rows("SELECT r FROM t ORDER BY k") == [(double,) for double in doubles]


@pytest.mark.parametrize("form", FORMS)
def test_a_hundred_columns_with_the_longest_names_fit(database: Database, form: Pack) -> None:
    columns = [column("k", Storage.INTEGER)]
    columns += [column('"' * 60 + f"{n:03}", Storage.REAL) for n in range(99)]
    plan = table_plan(columns, name='"' * 63)
    database.send(Statement(plan.create_sql))
    layout = layout_of(plan, form, engine=Engine(exact_floats=False))
    chunks = packed(layout, page_of([(str(k), *["1.5e-200"] * 99) for k in range(3)]))

    assert (database.write(chunks), database.write(chunks)) == (3, 0)


@pytest.mark.parametrize("form", FORMS)
def test_rows_without_a_key_are_written_once(database: Database, form: Pack) -> None:
    plan = table_plan([column("rowid"), column("a")], ())
    database.send(Statement(plan.create_sql))
    chunks = packed(layout_of(plan, form), page_of([("65537", "x", "y"), ("65538", "x", "y")]))

    assert (database.write(chunks), database.write(chunks)) == (2, 0)
    assert database.rows("SELECT oid FROM t") == [(65537,), (65538,)]


@pytest.mark.parametrize("form", FORMS)
def test_edges_are_set_once_and_read_only_their_rows(database: Database, form: Pack) -> None:
    plan = table_plan(
        [column("k", Storage.BLOB), column("boss", Storage.BLOB), column("n", Storage.INTEGER)],
        deferred=["boss", "n"],
        constraints=["FOREIGN KEY(boss) REFERENCES t(k)"],
        without_rowid=True,
    )
    database.send(Statement(plan.create_sql))
    rows = [(f"{n:04x}", f"{n + 1:04x}", str(n)) for n in range(200)]
    rows += [("00c8", None, "200")]
    first = packed(layout_of(plan, form), page_of(rows))
    second = packed(layout_of(plan, form, kind=StepKind.EDGES), page_of(rows))

    assert (database.write(first), database.write(second)) == (201, 201)
    assert (database.write(first), database.write(second)) == (0, 0)
    assert database.rows("SELECT count(*) FROM t WHERE hex(boss) = printf('%04X', n + 1)") == [
        (200,)
    ]


def test_a_fat_row_arrives_whole_and_costs_nothing_again(database: Database) -> None:
    plan = table_plan(
        [column("k", Storage.INTEGER), column("t"), column("b", Storage.BLOB), column("e")]
    )
    database.send(Statement(plan.create_sql))
    blob = bytes(range(256)) * 4_300
    row = ("1", '\x01"' * 150_000, blob.hex(), "é" * 100_000)
    chunks = packed(layout_of(plan), page_of([row]))

    assert (database.write(chunks), database.write(chunks)) == (1, 0)
    assert database.rows(
        "SELECT length(t), length(b), length(e), hex(substr(b, -3)), unicode(t) FROM t"
    ) == [(300_000, len(blob), 100_000, "FDFEFF", 1)]


def test_fault_34_the_ledger_fences_and_its_message_names_it(database: Database) -> None:
    plan = table_plan([column("k")])
    (chunk,) = packed(layout_of(plan), page_of([("1",)]))
    steps = {STEP: LedgerStep("t", StepKind.ROWS)}
    database.send(Statement(plan.create_sql), *create_ledger())
    database.send(take_over(["t"], (), run="run", epoch=1, holder="one"))
    batch = Batch((chunk,))
    good = database.send(record_batch(batch, steps, run="run", epoch=1), *chunk.statements)
    again = database.send(record_batch(batch, steps, run="run", epoch=1), *chunk.statements)
    seen = owners_of(database.send(read_owners())[0])
    take = take_over(["t"], seen, run="run", epoch=2, holder="two")
    database.send(take)
    database.send(take)

    assert good[0].rows_written > 0
    assert [r.rows_written for r in again] == [0, 0]
    database.send(Statement("DELETE FROM t"))
    with pytest.raises(D1RequestError, match="_streamer_ledger"):
        database.send(*chunk.statements, record_batch(batch, steps, run="run", epoch=1))
    assert database.rows("SELECT * FROM t") == []
    with pytest.raises(D1RequestError, match="_streamer_owner"):
        database.send(take_over(["t"], seen, run="run", epoch=2, holder="three"))
    with pytest.raises(D1RequestError, match="_streamer_owner"):
        database.send(*drop_unused())

    for _ in range(2):
        database.send(*release(["t"], run="run", epoch=2))
        database.send(*drop_unused())

    assert database.rows("SELECT name FROM sqlite_master WHERE name LIKE '%streamer%'") == []
