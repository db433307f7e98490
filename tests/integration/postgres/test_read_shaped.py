"""What settings say about rows, told to a real server: which rows, hashed with a key, of what kind."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from streamer.config import SourceSettings
from streamer.model import Consistency, KeyKind, KeyPlan, PageSize, Secret, StepKind, TablePlan
from streamer.postgres import PostgresSource
from tests.engines.postgres import Database
from tests.integration.postgres.reading import HASTY, opened, plan_for, read_all

pytestmark = pytest.mark.postgres

SQL = """
CREATE TABLE a (id int PRIMARY KEY, v text);
INSERT INTO a SELECT g, 'v' || g FROM generate_series(1, 40) AS g;
CREATE TABLE heap (v int);
INSERT INTO heap SELECT g FROM generate_series(1, 50) AS g;
CREATE MATERIALIZED VIEW m AS SELECT id, v FROM a;
CREATE VIEW w AS SELECT id, v FROM a;
"""
HASHED = (
    "encode(sha256(current_setting('streamer.hash_outer')::bytea || sha256("
    "current_setting('streamer.hash_inner')::bytea || convert_to(t.id::text, 'UTF8'))), 'hex')"
)


@contextlib.asynccontextmanager
async def hashing(database: Database, key: str, how: Consistency) -> AsyncGenerator[PostgresSource]:
    settings = SourceSettings(dsn=Secret(database.dsn))
    async with PostgresSource.open(settings, how, patience=HASTY, hash_key=Secret(key)) as source:
        await source.begin()
        yield source


async def hashed_plan(source: PostgresSource) -> TablePlan:
    plan = await plan_for(source, "a")
    hidden = replace(plan.columns[0], read_sql=HASHED, exact_sql=False)
    return replace(plan, columns=(hidden, *plan.columns[1:]), hides_key=True)


@pytest.mark.parametrize("how", Consistency)
@pytest.mark.parametrize("key", ["sixteen letters!", "é" * 40, "x" * 64, "it's \\ $1 {0} \n%s" * 9])
async def test_values_are_hashed_with_a_key_that_no_sql_holds(
    any_database: Database, how: Consistency, key: str
) -> None:
    await any_database.execute(SQL)
    async with hashing(any_database, key, how) as source:
        plan = await hashed_plan(source)
        rows = await read_all(source, plan, rows=7)
        by_print = KeyPlan(KeyKind.UNIQUE, ("id",), ("id_d1",), ("",))
        (page,) = await source.lookup(replace(plan, key=by_print), [(rows[4].cells[0] or "",)])

    wanted = [
        hmac.new(key.encode(), str(n).encode(), hashlib.sha256).hexdigest() for n in range(1, 41)
    ]
    assert [row.cells[0] for row in rows] == wanted
    assert [row.key for row in rows] == [(str(n),) for n in range(1, 41)]
    assert [record[1] for record in page.records] == ["v5"]


async def test_a_transaction_after_ours_finds_no_key(any_database: Database) -> None:
    await any_database.execute(SQL)
    async with hashing(any_database, "sixteen letters!", Consistency.ROLLING) as source:
        await read_all(source, await hashed_plan(source))
        session = await source._sessions.take()
        left = await session.fetchval("SELECT current_setting('streamer.hash_inner', true)")

    assert not left


async def test_only_the_rows_that_were_chosen_are_read_counted_and_found(
    any_database: Database,
) -> None:
    await any_database.execute(SQL)
    async with opened(any_database) as source:
        plan = replace(await plan_for(source, "a"), where="id % 4 = 0 OR v = 'v7' -- all")
        rows = await read_all(source, plan)
        rest = await read_all(source, plan, after=("7",))
        found = await source.lookup(plan, [("7",), ("8",), ("9",)])
        count = await source.count(plan.table, plan.where)

    chosen = [n for n in range(1, 41) if n % 4 == 0 or n == 7]
    assert [int(row.key[0]) for row in rows] == chosen
    assert [int(row.key[0]) for row in rest] == [n for n in chosen if n > 7]
    assert [record[1] for page in found for record in page.records] == ["v7", "v8"]
    assert count == len(chosen)


async def test_rows_behind_a_position_are_those_that_were_chosen(any_database: Database) -> None:
    await any_database.execute(SQL)
    async with opened(any_database) as source:
        plan = replace(await plan_for(source, "heap"), where="v % 2 = 0 -- even")
        rows = await read_all(source, plan)
        recorded = source.snapshots[0].visible
    await any_database.execute("DELETE FROM heap WHERE v = 3; INSERT INTO heap VALUES (7)")

    async def unchanged() -> bool:
        async with opened(any_database) as source:
            behind = rows[9].key
            return await source.physical_unchanged(
                plan.table, behind, 10, recorded, where=plan.where
            )

    assert await unchanged()
    await any_database.execute("DELETE FROM heap WHERE v = 4")
    assert not await unchanged()


async def test_a_materialized_view_is_read_by_position(any_database: Database) -> None:
    await any_database.execute(SQL)
    async with opened(any_database) as source:
        plan = await plan_for(source, "m")
        rows = await read_all(source, plan)
        rest = await read_all(source, plan, after=rows[9].key)

    assert [row.cells[1:] for row in rows] == [(str(n), f"v{n}") for n in range(1, 41)]
    assert rest == rows[10:]


async def test_a_view_is_read_by_key_alone(any_database: Database) -> None:
    await any_database.execute(SQL)
    async with opened(any_database) as source:
        plan = await plan_for(source, "w")
        keyed = replace(
            plan,
            key=KeyPlan(KeyKind.UNIQUE, ("id",), ("id_d1",), ("integer",)),
        )
        rows = await read_all(source, keyed, after=("7",))
        with pytest.raises(ValueError, match="its rows have no position"):
            await anext(source.read(plan, StepKind.ROWS, None, PageSize(3)))

    assert [row.cells for row in rows] == [(str(n), f"v{n}") for n in range(8, 41)]
