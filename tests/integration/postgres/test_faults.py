"""Servers that restart, are swapped, run out of time, or only follow another one."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from streamer.config import SourceSettings
from streamer.errors import SourceChangedError, SourceLostError, UsageError
from streamer.model import Consistency, PageSize, Secret, StepKind
from streamer.postgres import Patience, PostgresSource, connect
from streamer.postgres.address import resolve
from streamer.postgres.connect import Connector
from streamer.postgres.sessions import Sessions
from tests.engines.postgres import Database, Postgres
from tests.engines.table_plans import plan_table, table_of

pytestmark = pytest.mark.postgres

NUMBERS = """
    CREATE TABLE a (id int PRIMARY KEY);
    INSERT INTO a SELECT g FROM generate_series(1, 100) AS g"""


async def _at_once(_: float) -> None:
    await asyncio.sleep(0)


HASTY = Patience(give_up_after_s=60.0, sleep=_at_once)
IMPATIENT = Patience(give_up_after_s=0.0)


def settings_of(database: Database) -> SourceSettings:
    return SourceSettings(dsn=Secret(database.dsn))


@pytest.fixture
def own_server(postgres: Postgres) -> Iterator[Postgres]:
    """A server that a test may restart without disturbing others."""
    server = Postgres(postgres.engine)
    server.start()
    yield server
    server.remove()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_rolling_read_goes_on_after_a_restart(own_server: Postgres, mode: str):
    database = await own_server.create_database()
    await database.execute(NUMBERS)

    async with PostgresSource.open(
        settings_of(database), Consistency.ROLLING, patience=HASTY
    ) as source:
        plan = plan_table(table_of(await source.catalog(), "a"))
        seen: list[str | None] = []
        async for page in source.read(plan, StepKind.ROWS, None, PageSize(40)):
            seen += [record[0] for record in page.records]
            own_server.restart(mode)

    assert seen == [str(number) for number in range(1, 101)]


async def test_a_server_that_stays_away_ends_the_read_when_patience_does(own_server: Postgres):
    database = await own_server.create_database()
    await database.execute(NUMBERS)

    async with PostgresSource.open(
        settings_of(database), Consistency.ROLLING, patience=IMPATIENT
    ) as source:
        plan = plan_table(table_of(await source.catalog(), "a"))
        pages = source.read(plan, StepKind.ROWS, None, PageSize(40))
        await anext(pages)
        own_server.stop()
        with pytest.raises(SourceLostError, match="--resume"):
            await anext(pages)


async def test_another_server_behind_the_same_address_is_refused(own_server: Postgres):
    database = await own_server.create_database("shop")
    await database.execute(NUMBERS)
    impostor = Postgres(own_server.engine)
    impostor.start()
    await (await impostor.create_database("shop")).execute(NUMBERS)
    impostor.stop()

    async with PostgresSource.open(
        settings_of(database), Consistency.ROLLING, patience=HASTY
    ) as source:
        plan = plan_table(table_of(await source.catalog(), "a"))
        pages = source.read(plan, StepKind.ROWS, None, PageSize(40))
        await anext(pages)
        own_server.stop()
        impostor.port = own_server.port
        impostor.start()
        with pytest.raises(SourceChangedError, match="isn't the server any more"):
            await anext(pages)
    impostor.remove()


async def test_a_statement_timeout_is_met_with_smaller_pages(any_database: Database):
    await any_database.execute(NUMBERS)
    await any_database.execute(
        """
        CREATE FUNCTION slow(int) RETURNS text LANGUAGE sql STABLE
            AS 'SELECT pg_sleep(0.004)::text || $1';
        """
        f'ALTER DATABASE "{any_database.name}" SET statement_timeout = 250'
    )

    async with PostgresSource.open(settings_of(any_database), patience=HASTY) as source:
        await source.begin()
        plan = plan_table(table_of(await source.catalog(), "a"))
        slow = replace(
            plan, columns=(replace(plan.columns[0], read_sql="public.slow(t.id)", exact_sql=False),)
        )
        lengths = [
            len(p.records) async for p in source.read(slow, StepKind.ROWS, None, PageSize(100))
        ]

    assert sum(lengths) == 100
    assert max(lengths) <= 50


async def test_a_snapshot_lets_go_at_its_maximum_age(database: Database):
    await database.execute(NUMBERS)
    await database.execute(
        f'ALTER DATABASE "{database.name}" SET idle_in_transaction_session_timeout = 2000'
    )

    async with PostgresSource.open(settings_of(database), patience=HASTY) as source:
        plan = plan_table(table_of(await source.catalog(), "a"))
        source.holders.max_age_s = 0.0
        await source.begin()
        await _until_nothing_is_held(database)
        with pytest.raises(SourceLostError, match="maximum age"):
            await anext(source.read(plan, StepKind.ROWS, None, PageSize()))


async def test_a_snapshot_that_the_server_has_no_more_can_be_resumed(any_database: Database):
    settings = resolve(settings_of(any_database))
    sessions = Sessions(Connector(settings, lambda _: None))
    session = await sessions.take()

    with pytest.raises(SourceLostError, match=r"The snapshot of PostgreSQL at .* is gone"):
        await sessions.begin(session, "00000003-0000001B-1")

    sessions.give(session)
    await sessions.close()


async def _until_nothing_is_held(database: Database) -> None:
    await database.execute("""
        DO $$ BEGIN
            WHILE EXISTS (SELECT FROM pg_stat_activity
                          WHERE application_name = 'streamer' AND state LIKE 'idle in%')
            LOOP
                PERFORM pg_sleep(0.02); PERFORM pg_stat_clear_snapshot();
            END LOOP;
        END $$""")


async def test_a_standby_keeps_a_snapshot_only_with_feedback(any_postgres: Postgres):
    database = await any_postgres.create_database()
    await database.execute(NUMBERS + "; CREATE TABLE h (x int); INSERT INTO h VALUES (7)")
    standby = await asyncio.to_thread(any_postgres.standby)
    copy = settings_of(Database(standby, database.name))

    async with PostgresSource.open(copy) as source:
        assert source.identity.is_standby
        with pytest.raises(UsageError, match=r"hot_standby_feedback.*--consistency rolling"):
            await source.begin()
    rolled = await _rows(copy, Consistency.ROLLING)
    standby.settings["hot_standby_feedback"] = "on"
    await asyncio.to_thread(standby.restart)
    held = await _rows(copy, Consistency.SNAPSHOT)
    await asyncio.to_thread(standby.remove)
    await any_postgres.drop_database(database.name)

    assert rolled == held == [*(str(number) for number in range(1, 101)), "7"]


async def _rows(settings: SourceSettings, consistency: Consistency) -> list[str | None]:
    """The first column of `a`, and the last one of `h`, which has no key."""
    seen: list[str | None] = []
    async with PostgresSource.open(settings, consistency, patience=HASTY) as source:
        await source.begin()
        catalog = await source.catalog()
        for name in "ah":
            plan = plan_table(table_of(catalog, name))
            async for page in source.read(plan, StepKind.ROWS, None, PageSize(30)):
                seen += [record[page.width - 1] for record in page.records]
        assert all(snapshot.lsn for snapshot in source.snapshots)
    return seen


async def test_counting_a_whole_table_may_take_longer_than_other_statements(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
):
    # The server's own sleep: a statement that outlasts the timeout below, which is what is tried.
    await any_database.execute(
        "CREATE VIEW slow AS SELECT n FROM generate_series(1, 3) AS n, pg_sleep(0.6)"
    )
    monkeypatch.setattr(connect, "COMMAND_TIMEOUT_S", 0.5)

    async with PostgresSource.open(settings_of(any_database), patience=HASTY) as source:
        rows = await source.count(table_of(await source.catalog(), "slow"))

    assert rows == 3
