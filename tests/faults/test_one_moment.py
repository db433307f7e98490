"""What a copy is of: one moment of the source, or of each row some moment; also far from it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.engines.pgbouncer import transaction_pooled
from tests.engines.postgres import Database, Postgres
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories import busy
from tests.stories.command import Outcome, Streamer, ended
from tests.stories.compare import differences, our_leftovers

OPTIONS = ("--progress", "none", "--batch-bytes", "6000", "--concurrency", "2")
ROLLING = ("--consistency", "rolling")
CLOCKS = 6
# Tables in a chain of references, so that they are read one after the other; each has a clock.
CHAIN = "".join(
    f"CREATE TABLE c{n} (id int PRIMARY KEY, up int{f' REFERENCES c{n - 1}' if n else ''},"
    " tick int NOT NULL, balance int NOT NULL);"
    f"INSERT INTO c{n} SELECT n, n, 0, 100 FROM generate_series(1, 400) AS n;"
    for n in range(CLOCKS)
)
KEYLESS = "CREATE TABLE bare (tick int NOT NULL); INSERT INTO bare VALUES (0), (0);"

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, between: Between, tmp_path: Path
) -> AsyncIterator[Streamer]:
    uuid = workerd_d1.create(database.name)
    streamer = Streamer(tmp_path, database, workerd_d1, uuid, program=("tests.stories.hasty",))
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
    yield streamer
    workerd_d1.delete(uuid)


async def finished(streamer: Streamer, *options: str) -> Outcome:
    return await asyncio.to_thread(ended, streamer.start("run", *OPTIONS, *options))


def held(streamer: Streamer, sql: str) -> list[list[object]]:
    return streamer.target.rows(streamer.uuid, sql)


def transfers(streamer: Streamer, between: Between) -> list[int]:
    """From now on each request meets one transaction that changes every table; their ticks."""
    ticks: list[int] = []
    one = asyncio.Lock()

    async def deal(request: Request, forward: Forward) -> web.Response:
        async with one:
            if b"INSERT INTO" in request.body:
                ticks.append(len(ticks) + 1)
                await streamer.source.execute(
                    "BEGIN;"
                    + "".join(f"UPDATE c{n} SET tick = tick + 1;" for n in range(CLOCKS))
                    + f"UPDATE c0 SET balance = balance - 3 WHERE id = {len(ticks) % 400};"
                    f"UPDATE c5 SET balance = balance + 3 WHERE id = {len(ticks) * 7 % 400};"
                    "UPDATE bare SET tick = tick + 1; COMMIT"
                )
        return await forward()

    between.deal = deal
    return ticks


async def test_a_snapshot_is_one_moment_of_all_tables_under_concurrent_transfers(
    streamer: Streamer, between: Between
) -> None:
    await streamer.source.execute(CHAIN + KEYLESS)
    ticks = transfers(streamer, between)

    done = await finished(streamer)

    assert done.code == 0, done.said
    assert len(ticks) > CLOCKS
    seen = [held(streamer, f"SELECT DISTINCT tick FROM c{n}") for n in range(CLOCKS)]
    seen.append(held(streamer, "SELECT DISTINCT tick FROM bare"))
    assert seen == [seen[0]] * (CLOCKS + 1), "one tick everywhere"
    both = "SELECT (SELECT sum(balance) FROM c0) + (SELECT sum(balance) FROM c5)"
    assert held(streamer, both) == [[2 * 400 * 100]]
    consistency = streamer.report["consistency"]
    assert len(consistency["snapshots"]) == 1
    assert consistency["tables_in_several_snapshots"] == []


async def test_the_same_transfers_show_where_each_window_has_its_own_moment(
    streamer: Streamer, between: Between
) -> None:
    """The test above can fail: what it looks for does happen in rolling mode, which says so."""
    await streamer.source.execute(CHAIN + KEYLESS)
    ticks = transfers(streamer, between)

    done = await finished(streamer, *ROLLING)

    assert done.code == 0, done.said
    seen = {held(streamer, f"SELECT max(tick) FROM c{n}")[0][0] for n in range(CLOCKS)}
    assert len(seen) > 1
    assert max(map(int, map(str, seen))) <= len(ticks)
    assert len(held(streamer, "SELECT DISTINCT tick FROM bare")) == 1, "one moment of its own"
    consistency = streamer.report["consistency"]
    assert consistency["mode"] == "rolling"
    assert "public.bare" not in consistency["tables_in_several_snapshots"]


async def test_rolling_keeps_its_promise_under_writes_and_names_tables_of_several_snapshots(
    streamer: Streamer, between: Between
) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print("seed", seed)
    await streamer.source.execute(
        busy.SQL + "INSERT INTO account SELECT n, 'x', 1000, 0 FROM generate_series(401, 6000) AS n"
    )

    async with busy.written_to(streamer.source, random.Random(seed)) as writer:

        async def deal(_: Request, forward: Forward) -> web.Response:
            before = writer.transactions
            while writer.transactions == before:  # as slow as the writer is
                await streamer.source.fetch("SELECT pg_sleep(0.01)")
            return await forward()

        between.deal = deal
        done = await finished(streamer, *ROLLING)

    assert done.code == 0, done.said
    broken = await busy.broken_promises(streamer.source, streamer.target, streamer.uuid, writer)
    assert broken == []
    assert our_leftovers(streamer.target, streamer.uuid) == []
    several = streamer.report["consistency"]["tables_in_several_snapshots"]
    assert "public.account" in several


async def test_fault_37_behind_a_transaction_pooler_a_snapshot_is_refused_and_rolling_works(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(busy.SQL)

    with transaction_pooled(streamer.source) as dsn:
        streamer.overrides["POSTGRES_DSN"] = dsn
        refused = await finished(streamer)
        made = held(
            streamer, "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'"
        )
        assert not streamer.checkpoint.exists()
        done = await finished(streamer, *ROLLING, "--exclude", "log", "--exclude", "heap")

    assert refused.code == 2, refused.said
    assert "pooler in transaction mode" in refused.stderr
    assert "--consistency rolling" in refused.stderr
    assert made == []
    assert done.code == 0, done.said
    await streamer.source.execute("DROP TABLE log, heap")
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


@pytest.fixture(scope="module")
def primary(postgres: Postgres) -> Iterator[Postgres]:
    server = Postgres(postgres.engine, {"max_standby_streaming_delay": "0"})
    server.start()
    yield server
    server.remove()


async def test_fault_37_a_standby_without_feedback_is_read_rolling_and_with_it_in_one_snapshot(
    streamer: Streamer, primary: Postgres
) -> None:
    source = await primary.create_database(streamer.source.name)
    await source.execute(busy.SQL)
    standby = await asyncio.to_thread(primary.standby)
    copy = Database(standby, source.name)
    streamer.overrides["POSTGRES_DSN"] = copy.dsn
    try:
        refused = await finished(streamer)
        made = held(
            streamer, "SELECT name FROM sqlite_master WHERE name LIKE '\\_streamer%' ESCAPE '\\'"
        )
        rolled = await finished(streamer, *ROLLING)
        assert await differences(source, streamer.target, streamer.uuid) == []
        standby.settings["hot_standby_feedback"] = "on"
        await asyncio.to_thread(standby.restart)
        whole = await finished(streamer, "--if-exists", "replace")
        assert await differences(source, streamer.target, streamer.uuid) == []
    finally:
        await asyncio.to_thread(standby.remove)
        await primary.drop_database(source.name)

    assert refused.code == 2, refused.said
    assert "hot_standby_feedback" in refused.stderr
    assert "--consistency rolling" in refused.stderr
    assert made == []
    assert (rolled.code, whole.code) == (0, 0), rolled.said + whole.said


async def test_fault_16_a_read_cancelled_by_replication_is_done_again(
    streamer: Streamer, between: Between, primary: Postgres
) -> None:
    """Between two FETCHes the session is ended, within one the statement is cancelled: see below."""
    source = await primary.create_database(streamer.source.name)
    await source.execute(
        "CREATE TABLE first (id int PRIMARY KEY, v text);"
        "INSERT INTO first SELECT n, repeat('x', 500) FROM generate_series(1, 20000) AS n;"
        "CREATE TABLE waste (id int PRIMARY KEY); INSERT INTO waste SELECT generate_series(1, 5000)"
    )
    standby = await asyncio.to_thread(primary.standby)
    copy = Database(standby, source.name)
    streamer.overrides["POSTGRES_DSN"] = copy.dsn
    conflicts = "SELECT confl_snapshot FROM pg_stat_database_conflicts WHERE datname = $1"

    async def deal(request: Request, forward: Forward) -> web.Response:
        if request.number == 8:
            await source.execute("DELETE FROM waste")
            await source.execute("VACUUM waste")
            while (await copy.fetch(conflicts, source.name))[0][0] == 0:
                await copy.fetch("SELECT pg_sleep(0.01), pg_stat_clear_snapshot()")
        return await forward()

    between.deal = deal
    try:
        done = await finished(streamer, *ROLLING, "--table", "first", "--batch-bytes", "400000")
        assert done.code == 0, done.said
        held_rows = held(streamer, "SELECT count(*), sum(length(v)) FROM first")
        assert held_rows == [[20_000, 10_000_000]]
    finally:
        await asyncio.to_thread(standby.remove)
        await primary.drop_database(source.name)


async def test_fault_16_a_statement_cancelled_by_replication_is_done_again(
    streamer: Streamer, primary: Postgres
) -> None:
    source = await primary.create_database(streamer.source.name)
    await source.execute(
        # Slow until a statement was cancelled, so that one is, however long that takes.
        "CREATE FUNCTION slow(int) RETURNS text LANGUAGE sql VOLATILE AS $slow$"
        " SELECT CASE WHEN sum(confl_snapshot) = 0 THEN pg_sleep(0.1)::text ELSE '' END || $1"
        " FROM pg_stat_database_conflicts WHERE datname = current_database() $slow$;"
        "CREATE TABLE slowly (id int PRIMARY KEY, v text);"
        "INSERT INTO slowly SELECT n, '' FROM generate_series(1, 400) AS n;"
        "CREATE TABLE waste (id int PRIMARY KEY); INSERT INTO waste SELECT generate_series(1, 5000)"
    )
    standby = await asyncio.to_thread(primary.standby)
    copy = Database(standby, source.name)
    streamer.overrides["POSTGRES_DSN"] = copy.dsn
    settings = '[tables."public.slowly".column.v]\nexpression = "public.slow(id)"\n'
    await asyncio.to_thread((streamer.folder / "streamer.toml").write_text, settings)
    fetching = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'streamer'"
        " AND state = 'active' AND query LIKE '%slow(%'"
    )

    async def get_in_its_way() -> None:
        while (await copy.fetch(fetching))[0][0] == 0:
            await copy.fetch("SELECT pg_sleep(0.01)")
        await source.execute("DELETE FROM waste")
        await source.execute("VACUUM waste")

    meddling = asyncio.create_task(get_in_its_way())
    try:
        done = await finished(streamer, *ROLLING, "--table", "slowly", "--config", "streamer.toml")
        await meddling
        log = await asyncio.to_thread(lambda: standby.log)
    finally:
        meddling.cancel()
        await asyncio.to_thread(standby.remove)
        await primary.drop_database(source.name)

    assert done.code == 0, done.said
    assert "canceling statement due to conflict with recovery" in log
    assert held(streamer, "SELECT count(*), sum(v) FROM slowly") == [[400, 80_200]]
