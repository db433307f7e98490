"""Timeouts that somebody has set in PostgreSQL, and locks that somebody holds there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories import busy
from tests.stories.command import Outcome, Streamer, ended
from tests.stories.compare import differences

OPTIONS = ("--progress", "none", "--batch-bytes", "6000", "--concurrency", "2")
MODES = ["snapshot", "rolling"]
MIDDLE = 14

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, between: Between, tmp_path: Path
) -> AsyncIterator[Streamer]:
    await database.execute(busy.SQL)
    uuid = workerd_d1.create(database.name)
    streamer = Streamer(tmp_path, database, workerd_d1, uuid, program=("tests.stories.hasty",))
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
    yield streamer
    workerd_d1.delete(uuid)


async def finished(streamer: Streamer, *options: str) -> Outcome:
    return await asyncio.to_thread(ended, streamer.start("run", *OPTIONS, *options))


async def assert_moved_whole(streamer: Streamer, done: Outcome) -> None:
    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


@pytest.mark.parametrize("mode", MODES)
async def test_fault_16_sessions_that_may_not_idle_in_a_transaction_outlive_a_slow_target(
    streamer: Streamer, between: Between, mode: str
) -> None:
    name = streamer.source.name
    allowed_ms = 400
    await streamer.source.execute(
        f'ALTER DATABASE "{name}" SET idle_in_transaction_session_timeout = {allowed_ms}'
    )

    async def deal(request: Request, forward: Forward) -> web.Response:
        if request.number % MIDDLE == 0:
            await streamer.source.fetch("SELECT pg_sleep($1)", 2 * allowed_ms / 1000)
        return await forward()

    between.deal = deal

    await assert_moved_whole(streamer, await finished(streamer, "--consistency", mode))


@pytest.mark.parametrize("mode", MODES)
async def test_fault_16_a_table_that_is_locked_is_waited_for(
    streamer: Streamer, between: Between, mode: str
) -> None:
    source = streamer.source
    unlocking: list[asyncio.Task[None]] = []
    timed_out = "canceling statement due to lock timeout"
    before = source.server.log.count(timed_out)

    async def hold_the_lock() -> None:
        connection = await source.connect()
        async with connection.transaction():
            await connection.execute("LOCK grandchild IN ACCESS EXCLUSIVE MODE")
            locked.set()
            while source.server.log.count(timed_out) < before + 2:
                await connection.execute("SELECT pg_sleep(0.05)")
        await connection.close()

    async def deal(request: Request, forward: Forward) -> web.Response:
        if request.number == 1:
            unlocking.append(asyncio.create_task(hold_the_lock()))
            await locked.wait()
        return await forward()

    locked = asyncio.Event()
    between.deal = deal
    done = await finished(streamer, "--consistency", mode)

    await unlocking[0]
    await assert_moved_whole(streamer, done)
    assert "Somebody else holds a lock" in done.stderr


async def test_fault_16_a_short_statement_timeout_is_met_with_smaller_pages(
    streamer: Streamer,
) -> None:
    source = streamer.source
    cancelled = "canceling statement due to statement timeout"
    before = source.server.log.count(cancelled)
    # Computed while they are fetched: 500 rows in one FETCH take 1 s.
    await source.execute(
        "CREATE FUNCTION slow(int) RETURNS text LANGUAGE sql VOLATILE"
        " AS 'SELECT pg_sleep(0.002)::text || $1';"
        "CREATE TABLE plain (id int PRIMARY KEY, v text);"
        "INSERT INTO plain SELECT n, '' FROM generate_series(1, 1000) AS n;"
        f'ALTER DATABASE "{source.name}" SET statement_timeout = 700'
    )
    settings = '[tables."public.plain".column.v]\nexpression = "public.slow(id)"\n'
    config = streamer.folder / "streamer.toml"
    await asyncio.to_thread(config.write_text, settings)

    big_pages = ("--batch-bytes", "1000000")
    done = await finished(streamer, "--table", "plain", "--config", "streamer.toml", *big_pages)

    assert done.code == 0, done.said
    assert source.server.log.count(cancelled) > before, "there was something to meet"
    held = streamer.target.rows(streamer.uuid, "SELECT count(*), sum(v) FROM plain")
    assert held == [[1000, 500_500]], "the function's values"
