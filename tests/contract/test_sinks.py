"""What a sink promises, on local D1s and in a file: durable when it says so, once, for its owner."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from streamer.config import PacingSettings, TargetSettings
from streamer.d1 import D1Database, SilentObserver, open_database
from streamer.errors import BadRowsError, FencedError
from streamer.model import Batch, Chunk, Pack, Secret, Statement, StepId, StepKind, Storage
from streamer.pack import LedgerStep
from streamer.pipeline import Sink
from streamer.sinks import D1Sink, Ownership
from tests.engines.d1server import D1Server
from tests.engines.limited_sqlite import column, layout_of, packed, page_of, table_plan
from tests.engines.sqlite_file import FileD1

CANARY = "canary-value"
A = table_plan([column("k", Storage.INTEGER), column("v")], name="a")
B = table_plan([column("k"), column("j"), column("v")], ("k", "j"), name="b")
STEPS = {StepId(1): LedgerStep("a", StepKind.ROWS), StepId(2): LedgerStep("b", StepKind.ROWS)}
FORMS = [Pack.JSON, Pack.VALUES]


@dataclass
class Target:
    """A database on a local D1 with the tables `a` and `b`, and sinks into it."""

    server: D1Server
    uuid: str
    database: D1Database
    form: Pack = Pack.JSON

    def sink(self, *, run: str = "run", epoch: int = 1) -> D1Sink:
        layouts = {StepId(1): layout_of(A, self.form), StepId(2): layout_of(B, self.form)}
        return D1Sink(self.database, self.owner(run, epoch), layouts=layouts, steps=STEPS)

    def owner(self, run: str = "run", epoch: int = 1) -> Ownership:
        return Ownership(self.database, run=run, epoch=epoch, holder=f"{run}{epoch}")

    def a(self, rows: Sequence[tuple[str, str | None]], *, after: str | None = None) -> Chunk:
        """Rows of `a` as one chunk."""
        (chunk,) = packed(layout_of(A, self.form), page_of(rows))
        return replace(chunk, step=StepId(1), after=(after,) if after else None)

    def b(self, rows: Sequence[tuple[str, str, str]]) -> Chunk:
        """Rows of `b` as one chunk."""
        (chunk,) = packed(layout_of(B, self.form), page_of(rows, key=(0, 1)))
        return replace(chunk, step=StepId(2))

    def rows(self, sql: str) -> list[list[object]]:
        return self.server.rows(self.uuid, sql)

    def ledger(self) -> list[list[object]]:
        columns = '"table", run, epoch, first, next, behind, last, rows'
        return self.rows(f"SELECT {columns} FROM _streamer_ledger ORDER BY 1, 4, 6")

    def tables(self) -> set[object]:
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '_cf_%'"
        return {name for (name,) in self.rows(sql)}


@asynccontextmanager
async def opened(server: D1Server) -> AsyncIterator[Target]:
    found = server.create(uuid.uuid4().hex)
    for plan in (A, B):
        server.run(found, plan.create_sql)
    transport = server.transport(found) if isinstance(server, FileD1) else None
    settings = TargetSettings(
        server.account_id,
        transport.database if transport else found,
        Secret(server.token),
        api_base_url=server.base_url,
    )
    database = await open_database(
        settings,
        PacingSettings(rate=None),
        SilentObserver(),
        random=lambda: 0.0,
        transport=transport,
    )
    target = Target(server, found, database)
    await target.owner().take(["a", "b"])
    server.stats(reset=True)
    yield target
    server.set_faults()
    if transport is None:  # else it is the server's, too
        await database.aclose()
    server.delete(found)


@pytest.fixture
async def remote(any_d1: D1Server) -> AsyncIterator[Target]:
    """A database on each local D1 in turn, with a network in between that may fail."""
    async with opened(any_d1) as target:
        yield target


@pytest.fixture(params=["workerd_d1", "local_d1", "sqlite_file"])
async def target(request: pytest.FixtureRequest) -> AsyncIterator[Target]:
    """A database on each local D1 in turn, and a plain file."""
    async with opened(request.getfixturevalue(request.param)) as target:
        yield target


def numbered(count: int, text: str = "x") -> list[tuple[str, str | None]]:
    return [(str(n), text) for n in range(1, count + 1)]


async def test_a_batch_is_durable_with_its_ledger_entry_when_it_is_written(target: Target) -> None:
    sink: Sink = target.sink()

    answer = await sink.write(Batch((target.a(numbered(3)), target.b([("x", "y", "z")]))))

    target.server.restart()
    assert target.rows("SELECT k, v FROM a") == [[1, "x"], [2, "x"], [3, "x"]]
    assert target.rows("SELECT k, j, v FROM b") == [["x", "y", "z"]]
    assert target.ledger() == [
        ["a", "run", 1, 0, 1, "", '["3"]', 3],
        ["b", "run", 1, 0, 1, "", '["x","y"]', 1],
    ]
    assert answer.attempts == 1
    assert sink.batch_bytes > 0
    assert sink.concurrency > 0


async def test_writing_a_batch_twice_leaves_what_writing_it_once_leaves(target: Target) -> None:
    batch = Batch((target.a(numbered(3)), target.b([("x", "y", "z")])))
    sink = target.sink()
    first = await sink.write(batch)
    before = target.rows("SELECT * FROM a"), target.rows("SELECT * FROM b"), target.ledger()

    second = await sink.write(batch)

    assert (target.rows("SELECT * FROM a"), target.rows("SELECT * FROM b"), target.ledger()) == (
        before
    )
    assert first.rows_written > 0
    assert second.rows_written == 0


@pytest.mark.parametrize("fault", [{"status": 500}, {"abort": True}], ids=str)
async def test_an_answer_that_was_lost_after_the_commit_costs_a_request_and_nothing_else(
    remote: Target, fault: dict[str, object]
) -> None:
    remote.server.set_faults({"match": "/raw", "after": True, "times": 2, **fault})

    answer = await remote.sink().write(Batch((remote.a(numbered(3)),)))

    assert answer.attempts == 3
    assert answer.rows_written == 0
    assert len(remote.rows("SELECT * FROM a")) == 3
    assert len(remote.ledger()) == 1


async def test_batches_of_an_earlier_start_write_nothing_any_more(target: Target) -> None:
    await target.owner(epoch=2).take(["a", "b"], resumed=["a", "b"])

    with pytest.raises(FencedError):
        await target.sink(epoch=1).write(Batch((target.a(numbered(3)),)))
    await target.sink(epoch=2).write(Batch((target.a(numbered(1)),)))

    assert target.rows("SELECT k FROM a") == [[1]]
    assert [row[2] for row in target.ledger()] == [2]


async def test_batches_of_another_run_write_nothing(target: Target) -> None:
    with pytest.raises(FencedError):
        await target.sink(run="other").write(Batch((target.a(numbered(3)),)))

    assert target.rows("SELECT * FROM a") == []
    assert target.ledger() == []


async def test_fault_34_a_batch_is_fenced_when_one_of_its_tables_is_another_s(
    target: Target,
) -> None:
    await target.owner("other").take(["b"])

    with pytest.raises(FencedError):
        await target.sink().write(Batch((target.a(numbered(3)), target.b([("x", "y", "z")]))))
    await target.sink().write(Batch((target.a(numbered(1)),)))

    assert target.rows("SELECT k FROM a") == [[1]]
    assert target.rows("SELECT * FROM b") == []


async def test_a_resume_does_not_take_what_another_run_has_taken_since(target: Target) -> None:
    await target.owner("other").take(["b"])

    with pytest.raises(FencedError, match="b: another run") as caught:
        await target.owner(epoch=2).take(["a", "b"], resumed=["a", "b"])

    assert "other" in caught.value.what
    await target.sink().write(Batch((target.a(numbered(1)),)))


async def test_an_older_start_does_not_take_its_tables_back(target: Target) -> None:
    await target.owner(epoch=3).take(["a", "b"], resumed=["a", "b"])

    with pytest.raises(FencedError, match="start 3"):
        await target.owner(epoch=2).take(["a", "b"], resumed=["a", "b"])


async def test_a_resume_that_finds_no_mark_of_its_own_stops(target: Target) -> None:
    target.server.run(target.uuid, "DROP TABLE _streamer_owner")

    with pytest.raises(FencedError, match="the mark of this run is gone"):
        await target.owner(epoch=2).take(["a", "b"], resumed=["a", "b"])


@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_a_claim_whose_answer_was_lost_is_made_once(remote: Target, lost: int) -> None:
    remote.server.set_faults({"match": "/raw", "abort": True, "after": True, "times": lost})

    await remote.owner(epoch=2).take(["a", "b"], resumed=["a", "b"])

    owners = remote.rows('SELECT "table", run, epoch FROM _streamer_owner ORDER BY 1')
    assert owners == [["a", "run", 2], ["b", "run", 2]]


EMPTY_A = [Statement("DELETE FROM a"), Statement("SELECT count(*) FROM a")]


async def test_tables_are_prepared_by_their_owner_before_the_first_rows(target: Target) -> None:
    target.server.run(target.uuid, "INSERT INTO a VALUES (1, 'old')")

    answer = await target.owner().preparing(["a", "b"]).execute(EMPTY_A)

    assert [result.rows for result in answer.results] == [(), ((0,),)]


async def test_a_preparation_that_comes_after_the_first_rows_takes_none_away(
    target: Target,
) -> None:
    preparing = target.owner().preparing(["a", "b"])
    await target.sink().write(Batch((target.a(numbered(3)),)))

    with pytest.raises(FencedError):
        await preparing.execute(EMPTY_A)

    assert len(target.rows("SELECT * FROM a")) == 3


async def test_a_later_start_prepares_again_and_an_earlier_one_does_not(target: Target) -> None:
    await target.sink().write(Batch((target.a(numbered(3)),)))
    await target.owner(epoch=2).take(["a", "b"], resumed=["a", "b"])

    with pytest.raises(FencedError):
        await target.owner(epoch=1).preparing(["b"]).execute(EMPTY_A)
    assert len(target.rows("SELECT * FROM a")) == 3

    await target.owner(epoch=2).preparing(["a", "b"]).execute(EMPTY_A)
    assert target.rows("SELECT * FROM a") == []


async def test_tables_of_another_run_are_not_prepared(target: Target) -> None:
    await target.owner("other").take(["b"])
    target.server.run(target.uuid, "INSERT INTO a VALUES (1, 'old')")

    with pytest.raises(FencedError):
        await target.owner().preparing(["a", "b"]).execute(EMPTY_A)

    assert len(target.rows("SELECT * FROM a")) == 1


TOO_LARGE = {"status": 413, "message": "payload too large"}
NO_MEMORY = {
    "status": 400,
    "message": "D1 DB's isolate exceeded its memory limit and was reset.",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", [TOO_LARGE, NO_MEMORY], ids=["413", "memory"])
async def test_what_is_too_large_is_cut_to_rows_if_it_must_be_and_all_of_it_arrives(
    remote: Target, fault: dict[str, object], form: Pack
) -> None:
    remote.form = form
    rows = numbered(8, "y" * 20_000)
    batch = Batch((remote.a(rows), remote.b([("x", "y", "z")])))
    remote.server.set_faults({"match": "/raw", "contains": "y" * 20_000, "times": 3, **fault})

    answer = await remote.sink().write(batch)

    assert remote.rows("SELECT k, length(v) FROM a") == [[n, 20_000] for n in range(1, 9)]
    assert remote.rows("SELECT count(*) FROM b") == [[1]]
    assert [row[5:] for row in remote.ledger() if row[0] == "a" and row[6]] == [
        ["", '["8"]', sum(row[7] for row in remote.ledger() if row[0] == "a" and row[6])]
    ]
    assert answer.attempts >= 3
    assert answer.rows_written > 0


async def test_as_much_as_was_too_large_before_is_not_sent_whole_again(remote: Target) -> None:
    sink = remote.sink()
    remote.server.set_faults({"match": "/raw", "times": 1, **TOO_LARGE})
    await sink.write(Batch((remote.a(numbered(8, "y" * 20_000)),)))
    remote.server.stats(reset=True)

    again = await sink.write(Batch((remote.a(numbered(8, "z" * 20_000)),)))

    assert remote.server.stats()["requests"] == again.attempts == 2
    assert remote.rows("SELECT DISTINCT substr(v, 1, 1) FROM a") == [["z"]]


async def test_keys_are_claimed_only_with_the_last_part_of_what_was_cut(remote: Target) -> None:
    remote.server.set_faults(
        {"match": "/raw", "times": 1, **TOO_LARGE},
        {"match": "/raw", "skip": 1, "times": 1, "status": 401},
    )

    with pytest.raises(Exception, match="token"):
        await remote.sink().write(Batch((remote.a(numbered(4)),)))

    assert remote.rows("SELECT k FROM a") == [[1], [2]]
    assert [row[6] for row in remote.ledger()] == [""]


@pytest.mark.parametrize("form", FORMS)
async def test_a_row_that_d1_refuses_ends_the_write_naming_table_and_keys_and_no_value(
    target: Target, form: Pack
) -> None:
    target.form = form
    target.server.run(target.uuid, "CREATE UNIQUE INDEX u ON a(v)")
    chunk = target.a([("5", "x"), ("6", CANARY), ("7", CANARY)], after="4")

    with pytest.raises(BadRowsError) as caught:
        await target.sink().write(Batch((target.b([("x", "y", "z")]), chunk)))

    said = str(caught.value)
    assert "public.a (3 rows behind key (4) up to key (7))" in said
    assert "public.b (1 row up to key (x, y))" in said
    assert "UNIQUE constraint failed" in said
    assert "--resume" in said
    assert CANARY not in said
    assert target.rows("SELECT * FROM a") == []
    assert target.rows("SELECT * FROM b") == []


@pytest.mark.parametrize("form", FORMS)
async def test_a_row_that_is_too_large_by_itself_is_found_among_others_that_arrive(
    remote: Target, form: Pack
) -> None:
    remote.form = form
    rows = numbered(6)
    rows[4] = ("5", CANARY)
    remote.server.set_faults(
        {
            "match": "/raw",
            "contains": CANARY,
            "times": 99,
            "status": 400,
            "message": "string or blob too big: SQLITE_TOOBIG",
        }
    )

    with pytest.raises(BadRowsError) as caught:
        await remote.sink().write(Batch((remote.a(rows),)))

    assert "public.a (1 row" in str(caught.value)
    assert "too big" in str(caught.value)
    assert CANARY not in str(caught.value)
    assert remote.rows("SELECT k FROM a") == [[1], [2], [3], [4]]


async def test_many_tables_of_a_refused_batch_are_counted_not_listed(remote: Target) -> None:
    remote.server.set_faults({"match": "/raw", "status": 400, "message": "CHECK constraint failed"})
    chunks = [replace(remote.a([(str(n), "x")]), number=n) for n in range(5)]

    with pytest.raises(BadRowsError, match="; and 2 more"):
        await remote.sink().write(Batch(tuple(chunks)))


async def test_the_end_of_a_run_takes_everything_of_ours_away(target: Target) -> None:
    await target.sink().write(Batch((target.a(numbered(1)),)))

    await target.owner().leave(["a", "b"])
    await target.owner().leave(["a", "b"])

    assert target.tables() == {"a", "b"}
    assert target.rows("SELECT k FROM a") == [[1]]


async def test_the_end_of_a_run_leaves_what_another_run_needs(target: Target) -> None:
    await target.owner("other").take(["b"])
    await target.sink().write(Batch((target.a(numbered(1)),)))
    await target.sink(run="other").write(Batch((target.b([("x", "y", "z")]),)))

    await target.owner().leave(["a", "b"])

    assert target.rows('SELECT "table", run FROM _streamer_owner') == [["b", "other"]]
    assert [row[:2] for row in target.ledger()] == [["b", "other"]]
    await target.sink(run="other").write(Batch((target.b([("x", "z", "z")]),)))
