"""The snapshot and the first rows that are read before a run asks for them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from itertools import count

import pytest

from streamer.config import SourceSettings
from streamer.model import Consistency, Key, PageSize, Pushdown, Secret, StepKind, TablePlan
from streamer.postgres import PostgresSource, reader
from tests.engines.postgres import Database
from tests.integration.postgres.reading import HASTY, KEYED, plan_for

pytestmark = pytest.mark.postgres

MANY = """
    CREATE TABLE a (id int PRIMARY KEY, v text);
    INSERT INTO a SELECT g, repeat(g::text, 20) FROM generate_series(1, 15000) AS g"""
SOME = "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'x'), (2, 'y')"
_OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'streamer'"

Pages = list[tuple[Key, str]]


async def connections(database: Database) -> int:
    return (await database.fetch(_OURS))[0][0]


async def until_connections(database: Database, most: int) -> None:
    await database.execute(f"""
        DO $$ BEGIN
            WHILE ({_OURS}) > {most} LOOP PERFORM pg_sleep(0.02); PERFORM pg_stat_clear_snapshot(); END LOOP;
        END $$""")


def source_of(
    database: Database, consistency: Consistency = Consistency.SNAPSHOT
) -> AbstractAsyncContextManager[PostgresSource]:
    settings = SourceSettings(dsn=Secret(database.dsn))
    return PostgresSource.open(settings, consistency, pushdown=Pushdown.AUTO, patience=HASTY)


async def read_pages(source: PostgresSource, plan: TablePlan) -> list[Pages]:
    """What pages of 700, 1,400, 2,100... rows hold: they are asked for as a run does, one by one."""
    size, lengths = PageSize(whole_rows=True), count(700, 700)
    size.rows = next(lengths)
    found: list[Pages] = []
    async for page in source.read(plan, StepKind.ROWS, None, size):
        rows = [(page.key_of(at), str(record[0])) for at, record in enumerate(page.records)]
        found.append(rows)
        size.rows = next(lengths)
    return found


async def until_it_has_read(source: PostgresSource, plan: TablePlan) -> None:
    source.read_ahead([plan])
    while tasks := [task for task in asyncio.all_tasks() if "ahead" in task.get_name()]:
        await asyncio.wait(tasks)


@pytest.mark.parametrize("tables", [MANY, SOME, *KEYED.values()])
async def test_pages_are_what_they_are_where_nothing_was_read_ahead(
    any_database: Database, tables: str
):
    await any_database.execute(tables)
    async with source_of(any_database) as source:
        plan = await plan_for(source, "a")
        await source.begin()
        as_ever = await read_pages(source, plan)

    async with source_of(any_database) as source:
        await until_it_has_read(source, plan)
        await source.begin()
        waited = await read_pages(source, plan)
    async with source_of(any_database) as source:
        source.read_ahead([plan])
        await source.begin()
        at_once = await read_pages(source, plan)

    assert waited == as_ever
    assert at_once == as_ever


async def test_the_rows_are_those_of_the_snapshot_that_the_run_begins_with(database: Database):
    await database.execute(SOME)
    async with source_of(database) as source:
        plan = await plan_for(source, "a")
        await until_it_has_read(source, plan)
        await database.execute("INSERT INTO a VALUES (3, 'later'); UPDATE a SET v = 'new'")

        begun = await source.begin()
        again = [await read_pages(source, plan) for _ in range(2)]

        assert source.snapshots == (begun,)
    assert again[0] == again[1] == [[(("1",), '["1","x"]'), (("2",), '["2","y"]')]]


async def test_it_takes_no_more_connections_than_reading_does(database: Database):
    await database.execute(MANY)
    async with source_of(database) as source:
        plan = await plan_for(source, "a")

        await until_it_has_read(source, plan)
        ahead = await connections(database)
        await source.begin()
        pages = source.read(plan, StepKind.ROWS, None, PageSize(whole_rows=True))
        await anext(pages)

        assert ahead == await connections(database) == 2
        await pages.aclose()


async def _killed(database: Database, whose: str) -> None:
    await database.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        f" WHERE application_name = 'streamer' AND {whose}"
    )


async def _reader_killed(database: Database) -> None:
    await _killed(database, "query LIKE 'COPY%'")


async def _holder_killed(database: Database) -> None:
    await _killed(database, "state LIKE 'idle in%' AND query NOT LIKE 'COPY%'")


async def _all_killed(database: Database) -> None:
    await _killed(database, "true")


@pytest.mark.parametrize("harm", [_reader_killed, _holder_killed, _all_killed])
async def test_what_is_lost_before_anybody_asks_is_read_anew(
    database: Database, harm: Callable[[Database], Awaitable[None]]
):
    await database.execute(MANY)
    async with source_of(database) as source:
        plan = await plan_for(source, "a")
        await until_it_has_read(source, plan)

        await harm(database)
        await source.begin()
        rows = [row for page in await read_pages(source, plan) for row in page]

    assert [key for key, _ in rows] == [(str(n),) for n in range(1, 15_001)]


async def test_a_connection_lost_behind_the_rows_that_waited_costs_none(database: Database):
    await database.execute(MANY)
    async with source_of(database) as source:
        plan = await plan_for(source, "a")
        await until_it_has_read(source, plan)
        await source.begin()
        keys: list[Key] = []
        async for page in source.read(plan, StepKind.ROWS, None, PageSize(900, whole_rows=True)):
            keys += [page.key_of(at) for at in range(len(page.records))]
            if len(keys) % 3_600 == 0:
                await _reader_killed(database)

    assert keys == [(str(n),) for n in range(1, 15_001)]


async def test_what_nobody_asks_for_is_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    await database.execute(MANY)
    monkeypatch.setattr(reader, "AHEAD_PAUSE_S", 0.2)
    async with source_of(database) as source:
        plan = await plan_for(source, "a")
        await until_it_has_read(source, plan)

        await until_connections(database, 1)  # the holder's
        await source.begin()
        rows = [row for page in await read_pages(source, plan) for row in page]

    assert [key for key, _ in rows] == [(str(n),) for n in range(1, 15_001)]


@pytest.mark.parametrize("waits", [True, False])
async def test_a_source_that_is_closed_leaves_nothing_behind(database: Database, *, waits: bool):
    await database.execute(MANY)
    async with source_of(database) as source:
        plan = await plan_for(source, "a")
        if waits:
            await until_it_has_read(source, plan)
        else:
            source.read_ahead([plan])

    assert asyncio.all_tasks() == {asyncio.current_task()}
    await until_connections(database, 0)


async def test_of_other_tables_only_the_snapshot_is_there(database: Database):
    await database.execute("CREATE TABLE a (v text); INSERT INTO a VALUES ('x')")
    async with source_of(database) as source:
        plan = await plan_for(source, "a")
        await until_it_has_read(source, plan)
        await database.execute("INSERT INTO a VALUES ('later')")

        await source.begin()
        pages = [p async for p in source.read(plan, StepKind.ROWS, None, PageSize(3))]

    assert sum(len(page.records) for page in pages) == 1


async def test_a_rolling_source_reads_nothing_ahead(database: Database):
    await database.execute(SOME)
    async with source_of(database, Consistency.ROLLING) as source:
        plan = await plan_for(source, "a")
        await until_it_has_read(source, plan)

        assert source.snapshots == ()
        assert len(await read_pages(source, plan)) == 1
