"""What a sink promises, on local D1s and in a file: durable when it says so, and once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamer.errors import BadRowsError
from streamer.model import Batch, Pack
from streamer.pipeline import Sink
from tests.contract.owned import Target, numbered

CANARY = "canary-value"
FORMS = [Pack.JSON, Pack.VALUES]


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


async def test_a_single_row_that_is_nearly_as_big_as_what_was_refused_is_sent(
    remote: Target,
) -> None:
    many = [(str(n), "y" * 30_000) for n in range(6)]
    remote.server.set_faults({"match": "/raw", "times": 1, **TOO_LARGE})
    await remote.sink().write(Batch((remote.a(many),)))

    await remote.sink().write(Batch((remote.a([("7", "z" * 175_000)]),)))

    assert remote.rows("SELECT count(*), max(length(v)) FROM a") == [[7, 175_000]]


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
