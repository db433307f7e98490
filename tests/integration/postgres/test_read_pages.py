"""Pages as long as they may be, and questions asked while pages are read."""

from dataclasses import replace

import pytest

from streamer.model import Consistency, PageSize, Pushdown, StepKind
from streamer.postgres.connect import Session
from streamer.postgres.copied import PRINTED_ALIKE
from streamer.postgres.reader_sql import lookup_query
from tests.engines.postgres import Database
from tests.integration.postgres.reading import KEYED, NUMBERS, opened, plan_for, read_all, rows_of

pytestmark = pytest.mark.postgres


async def test_a_page_is_never_longer_than_asked_and_follows_changes_of_the_wish(
    database: Database,
):
    await database.execute(NUMBERS)
    wish = PageSize(5)

    lengths: list[int] = []
    async with opened(database) as source:
        async for page in source.read(await plan_for(source, "a"), StepKind.ROWS, None, wish):
            lengths.append(len(page.records))
            wish.rows = 20 if len(lengths) % 2 else 5

    assert sum(lengths) == 100
    assert lengths[:4] == [5, 20, 5, 20]


async def test_no_type_that_copy_prints_uncast_has_another_text(database: Database):
    session = await database.connect()
    try:
        known = await session.fetch(
            "SELECT typname FROM pg_type WHERE oid::regtype = ANY ($1::text[]::regtype[])",
            sorted(PRINTED_ALIKE),
        )
        functions = await session.fetch(
            "SELECT t.typname FROM pg_cast AS c JOIN pg_type AS t ON t.oid = c.castsource"
            " WHERE c.casttarget = 'text'::regtype AND c.castmethod = 'f' AND t.typname = ANY ($1)",
            sorted(PRINTED_ALIKE),
        )
    finally:
        await session.close()

    assert {name for (name,) in known} == PRINTED_ALIKE
    assert functions == []


@pytest.mark.parametrize("whole_rows", [False, True])
async def test_pages_of_suddenly_fat_rows_stay_small(database: Database, *, whole_rows: bool):
    await database.execute("""
        CREATE TABLE a (id int PRIMARY KEY, v text, j jsonb);
        ALTER TABLE a ALTER v SET STORAGE EXTERNAL;
        INSERT INTO a SELECT g, 'thin' FROM generate_series(1, 300) AS g;
        INSERT INTO a SELECT g, repeat('x', 1000000) FROM generate_series(301, 320) AS g;
        INSERT INTO a VALUES (321, repeat('y', 6000000)), (322, 'thin')""")

    async with opened(database, pushdown=Pushdown.AUTO) as source:
        plan = await plan_for(source, "a")
        # As if most of it were thin rows: a table of fat ones isn't copied.
        plan = replace(plan, table=replace(plan.table, bytes=plan.table.bytes * 2))
        sizes: list[int] = []
        rows = 0
        async for page in source.read(plan, StepKind.ROWS, None, PageSize(5000, whole_rows)):
            sizes.append(sum(len(row.cells[1] or "") for row in rows_of(page)))
            rows += len(page.records)
            assert page.json_rows == whole_rows

    assert rows == 322
    assert max(sizes) == 6_000_000
    assert sorted(sizes)[-2] <= 4 * 1024 * 1024


@pytest.mark.parametrize(
    ("consistency", "seen"), [(Consistency.SNAPSHOT, "odd"), (Consistency.ROLLING, "now")]
)
async def test_rows_are_looked_up_by_key_as_the_run_sees_them_and_missing_ones_left_out(
    any_database: Database, consistency: Consistency, seen: str
):
    await any_database.execute(KEYED["a composite key"])

    async with opened(any_database, consistency) as source:
        plan = await plan_for(source, "a")
        whole = await read_all(source, plan)
        odd = [row.key for row in whole if row.cells[0] == "odd"]
        await any_database.execute("UPDATE a SET v = 'now' WHERE v = 'odd'")
        pages = await source.lookup(plan, [*odd, ("99", "none", "2024-01-01 00:00:00+00")])

    found = [row for page in pages for row in rows_of(page)]
    assert len(odd) == 3
    assert {row.key for row in found} == set(odd)
    assert {row.cells[0] for row in found} == {seen}


async def test_questions_are_answered_while_every_reader_is_paused(database: Database):
    await database.execute(NUMBERS)

    async with opened(database) as source:
        plan = await plan_for(source, "a")
        readers = [source.read(plan, StepKind.ROWS, None, PageSize(5)) for _ in range(4)]
        for reader in readers:
            await anext(reader)
        pages = await source.lookup(plan, [("7",)])
        count = await source.count(plan.table)
        for reader in readers:
            await reader.aclose()

    assert [row.key for page in pages for row in rows_of(page)] == [("7",)]
    assert count == 100


async def test_many_rows_are_looked_up_without_comparing_each_row_with_each_key(
    database: Database,
):
    await database.execute(
        "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT n, 'v' || n"
        " FROM generate_series(1, 20000) AS n; ANALYZE a"
    )

    async with opened(database) as source:
        sql = lookup_query(await plan_for(source, "a")).sql
        keys = [str(n) for n in range(1, 20_000, 20)]

        async def explain(session: Session) -> list[str]:
            return [row[0] for row in await session.fetch(f"EXPLAIN {sql}", keys)]

        planned = "\n".join(await source.run("explaining", explain))

    assert "Hash" in planned
    assert "Nested Loop" not in planned
