"""Emptying what a run wrote, on SQLite with its foreign keys on."""

from typing import cast

import pytest

from streamer.d1 import D1Database
from streamer.pack import create_ledger
from streamer.rollback.decide import Decision
from streamer.rollback.look import look
from streamer.rollback.undo import Undo
from streamer.run.schema import create
from streamer.sinks import Ownership
from tests.engines.graphs import Reference, fill, planned
from tests.engines.sqlite_database import SqliteDatabase, steps_in


async def steps_to_empty(edges: list[Reference], rows: int) -> int:
    """Thousands of SQLite's own steps that emptying t0 and t1 together takes, without an index."""
    plan = planned(edges)
    database = SqliteDatabase()
    await create(database, plan.tables)
    database.drop_indexes()
    fill(database, plan, rows)
    tables = ["t0", "t1"]
    await database.execute(create_ledger())
    ownership = Ownership(database, run="undo", epoch=1, holder="undo")
    await ownership.take(tables)
    d1 = cast("D1Database", database)
    undo = Undo(d1, ownership, await look(d1, tables, "undo"), lambda: None)

    with steps_in(database) as taken:
        await undo.carry_out(Decision((), (), (("t0", "t1"),)), lambda _: None)

    assert database.rows("SELECT count(*) FROM t0, t1") == [(0,)]
    return taken()


@pytest.mark.parametrize(
    "edges",
    [[(0, 0, False), (1, 0, False)], [(0, 1, False), (1, 0, True)], [(0, 1, True), (1, 0, True)]],
)
async def test_emptying_does_not_look_at_all_rows_for_each_row_that_goes(
    edges: list[Reference],
) -> None:
    once, twice = [await steps_to_empty(edges, rows) for rows in (1_000, 2_000)]

    assert twice < 2.5 * once
