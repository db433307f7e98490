"""Snapshots and windows: what a reader sees, whatever is closed, ended or lost meanwhile."""

import asyncio

import pytest

from streamer.errors import SourceLostError
from streamer.model import Consistency, PageSize, StepKind
from streamer.postgres.window import WindowLimits
from tests.engines.postgres import Database
from tests.integration.postgres.reading import NUMBERS, Row, opened, plan_for, read_all, rows_of

pytestmark = pytest.mark.postgres


async def test_what_is_written_after_the_snapshot_is_not_read(any_database: Database):
    await any_database.execute(NUMBERS)

    async with opened(any_database) as source:
        plan = await plan_for(source, "a")
        seen: list[Row] = []
        async for page in source.read(plan, StepKind.ROWS, None, PageSize(30)):
            seen += rows_of(page)
            await any_database.execute(
                "INSERT INTO a SELECT max(id) + 1, 'new' FROM a; UPDATE a SET v = 'changed';"
                "DELETE FROM a WHERE id = 100"
            )
        again = await read_all(source, plan)
        count = await source.count(plan.table)

    assert seen == again == [Row((str(n),), (str(n), "v")) for n in range(1, 101)]
    assert count == 100


async def test_rolling_windows_see_new_rows_and_number_their_snapshots(database: Database):
    await database.execute(NUMBERS)

    async with opened(database, Consistency.ROLLING) as source:
        source.limits = WindowLimits(age_s=0.0, pause_s=None)
        plan = await plan_for(source, "a")
        numbers: list[int] = []
        seen: list[Row] = []
        async for page in source.read(plan, StepKind.ROWS, None, PageSize(40)):
            numbers.append(page.snapshot)
            seen += rows_of(page)
            if len(numbers) == 1:
                await database.execute("INSERT INTO a VALUES (101, 'new')")
        snapshots = source.snapshots

    assert [row.key[0] for row in seen] == [str(n) for n in range(1, 102)]
    assert numbers == [0, 1, 2]
    assert len({snapshot.visible for snapshot in snapshots}) == 2


@pytest.mark.parametrize("consistency", Consistency)
async def test_windows_closed_between_pages_lose_nothing(
    any_database: Database, consistency: Consistency
):
    await any_database.execute(NUMBERS)

    async with opened(any_database, consistency) as source:
        source.limits = WindowLimits(age_s=None, pause_s=0.0)
        seen: list[Row] = []
        async for page in source.read(
            await plan_for(source, "a"), StepKind.ROWS, None, PageSize(7)
        ):
            seen += rows_of(page)
            for _ in range(3):
                await asyncio.sleep(0)  # the pause is over at once

    assert [row.key[0] for row in seen] == [str(n) for n in range(1, 101)]


async def _end_our_readers(database: Database) -> int:
    """Terminate every session of ours that has a cursor open; the holder stays."""
    ended = await database.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'streamer' AND query NOT LIKE '%pg_current_wal_lsn%'"
        " AND query NOT LIKE '%pg_settings%' AND query <> 'SELECT' AND state LIKE 'idle in%'"
    )
    return len(ended)


@pytest.mark.parametrize("consistency", Consistency)
async def test_a_terminated_reader_goes_on_behind_its_last_key(
    any_database: Database, consistency: Consistency
):
    await any_database.execute(NUMBERS)
    ended = 0

    async with opened(any_database, consistency) as source:
        plan = await plan_for(source, "a")
        seen: list[Row] = []
        async for page in source.read(plan, StepKind.ROWS, None, PageSize(9)):
            seen += rows_of(page)
            ended += await _end_our_readers(any_database)

    assert [row.key[0] for row in seen] == [str(n) for n in range(1, 101)]
    assert ended >= 10


async def test_a_lost_snapshot_ends_the_run_and_says_that_a_resume_takes_a_newer_one(
    database: Database,
):
    await database.execute(NUMBERS)

    async with opened(database) as source:
        plan = await plan_for(source, "a")
        pages = source.read(plan, StepKind.ROWS, None, PageSize(9))
        await anext(pages)
        await database.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'streamer'"
        )
        with pytest.raises(SourceLostError, match="newer snapshot"):
            await read_all(source, plan)
        await pages.aclose()


async def test_an_idle_timeout_of_the_server_is_outlived(any_database: Database):
    await any_database.execute(NUMBERS)
    await any_database.execute(
        f'ALTER DATABASE "{any_database.name}" SET idle_in_transaction_session_timeout = 2000'
    )

    async with opened(any_database) as source:
        plan = await plan_for(source, "a")
        seen: list[Row] = []
        async for page in source.read(plan, StepKind.ROWS, None, PageSize(50)):
            seen += rows_of(page)
            if len(seen) == 50:
                await _until_no_reader_is_left(any_database)
                # Whoever holds the snapshot outlives the timeout too.
                await any_database.execute("SELECT pg_sleep(2.2)")
        assert source.facts.idle_s == 2.0

    assert [row.key[0] for row in seen] == [str(n) for n in range(1, 101)]


async def _until_no_reader_is_left(database: Database) -> None:
    """Wait in the server until only the holder of the snapshot is left in a transaction."""
    await database.execute("""
        DO $$ BEGIN
            WHILE (SELECT count(*) FROM pg_stat_activity
                   WHERE application_name = 'streamer' AND state LIKE 'idle in%') > 1
            LOOP
                PERFORM pg_sleep(0.02); PERFORM pg_stat_clear_snapshot();
            END LOOP;
        END $$""")
