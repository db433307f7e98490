"""Two machines move into one D1, each with a checkpoint of its own: one of them stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.faults.test_every_request import OPTIONS, SAMPLE
from tests.stories.command import Outcome, Streamer, ended
from tests.stories.compare import differences, our_leftovers

MIDDLE = b'INTO \\"feather\\"'  # in requests, after which all other tables are whole

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture
async def first(
    database: Database, workerd_d1: Workerd, between: Between, tmp_path: Path
) -> AsyncIterator[Streamer]:
    await database.execute(SAMPLE)
    uuid = workerd_d1.create(database.name)
    streamer = Streamer(tmp_path / "first", database, workerd_d1, uuid)
    streamer.folder.mkdir()
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
    yield streamer
    workerd_d1.delete(uuid)


@pytest.fixture
def second(first: Streamer, tmp_path: Path) -> Streamer:
    """The command on another machine, which goes straight to D1."""
    (tmp_path / "second").mkdir()
    return replace(first, folder=tmp_path / "second", overrides={})


async def run(streamer: Streamer, *options: str) -> Outcome:
    return await asyncio.to_thread(ended, streamer.start("run", *OPTIONS, *options))


async def while_first_runs(
    first: Streamer, between: Between, second: Streamer, *options: str
) -> tuple[Outcome, Outcome]:
    """How both end, where the second is run whole once a part of the first's last table is there."""
    there: list[int] = []
    begun: list[int] = []
    seconds: list[Outcome] = []

    async def deal(request: Request, forward: Forward) -> web.Response:
        if MIDDLE not in request.body:
            return await forward()
        if there and not begun:
            begun.append(request.number)
            seconds.append(await run(second, *options))
        answer = await forward()
        there.append(request.number)
        return answer

    between.deal = deal
    return await run(first), seconds[0]


async def assert_moved_whole(first: Streamer, between: Between) -> None:
    assert await differences(first.source, between.server, first.uuid) == []
    assert our_leftovers(between.server, first.uuid) == []


async def test_fault_34_a_second_run_leaves_the_tables_to_the_first_until_that_has_ended(
    first: Streamer, second: Streamer, between: Between
) -> None:
    done, refused = await while_first_runs(first, between, second, "--if-exists", "replace")

    assert refused.code == 1, refused.said
    assert "another run writes to it" in refused.stderr
    assert done.code == 0, done.said
    await assert_moved_whole(first, between)
    late = await run(second, "--resume", "--if-exists", "replace")
    assert late.code == 0, late.said
    await assert_moved_whole(first, between)


async def test_fault_34_of_two_runs_that_saw_an_empty_target_the_later_one_writes_nothing(
    first: Streamer, second: Streamer, between: Between
) -> None:
    seconds: list[Outcome] = []

    async def deal(request: Request, forward: Forward) -> web.Response:
        # It claims its tables now, and has seen all that it decides by.
        if b"INTO _streamer_owner" in request.body and not seconds:
            seconds.append(await run(second))
        return await forward()

    between.deal = deal
    fenced = await run(first)
    again = await run(first, "--resume")
    over = await run(first, "--restart")

    assert seconds[0].code == 0, seconds[0].said
    assert again.code == 1, again.said
    assert "another run has written rows" in again.stderr
    assert over.code == 2, over.said
    assert fenced.code == 1, fenced.said
    await assert_moved_whole(first, between)


async def test_fault_34_a_run_that_takes_over_fences_the_first_whose_batches_change_nothing(
    first: Streamer, second: Streamer, between: Between
) -> None:
    options = "--restart", "--if-exists", "replace"
    fenced, done = await while_first_runs(first, between, second, *options)

    assert done.code == 0, done.said
    assert fenced.code == 1, fenced.said
    await assert_moved_whole(first, between)


@pytest.mark.parametrize("comes", [False, True], ids=["nobody else", "another came and ended"])
async def test_fault_06_and_34_a_run_starts_over_while_the_end_of_the_abandoned_one_is_executed_late(
    first: Streamer, second: Streamer, between: Between, *, comes: bool
) -> None:
    ends: list[Request] = []
    late: list[web.Response] = []

    async def deal(request: Request, forward: Forward) -> web.Response:
        if b"DELETE FROM _streamer_owner" not in request.body:
            return await forward()
        ends.append(request)
        error = {"success": False, "errors": [{"code": 7500, "message": "not authorized"}]}
        return web.json_response(error, status=400)

    async def deal_again(request: Request, forward: Forward) -> web.Response:
        if b"INTO _streamer_owner" in request.body and not late:  # it claims its tables now
            late.append(await between.send(ends[0]))
            if comes:
                others = await run(second, "--table", "setting")
                assert others.code == 0, others.said
        return await forward()

    between.deal = deal
    stopped = await run(first, "--table", "country")
    between.deal = deal_again
    over = await run(first, "--restart", "--table", "country", "--table", "setting")

    assert stopped.code == 1, stopped.said
    assert [answer.status for answer in late] == [200]
    if comes:
        assert over.code == 1, over.said
        assert "setting: another run has written rows since" in over.stderr
    else:
        assert over.code == 0, over.said
        assert our_leftovers(between.server, first.uuid) == []
    for table, rows in (("country", 20), ("setting", 30)):
        counted = f"SELECT count(*) FROM {table}"
        assert between.server.rows(first.uuid, counted) == [[rows]]


async def test_fault_34_rejected_rows_are_not_sent_again_into_tables_that_another_run_has_now(
    first: Streamer, second: Streamer, between: Between
) -> None:
    checked = "CREATE TABLE country (code TEXT PRIMARY KEY CHECK (code <> 'c7'), name TEXT)"
    between.server.run(first.uuid, checked)
    country = ("--table", "country", "--no-schema")
    rejected = await run(first, *country, "--on-error", "reject")
    stopped = await run(second, *country, "--if-exists", "upsert")

    left = await run(first, *country, "--on-error", "reject", "--retry-rejects")

    assert (rejected.code, stopped.code, left.code) == (3, 1, 1), left.said
    assert "another run writes to it" in left.stderr
    owners = between.server.rows(first.uuid, "SELECT DISTINCT run FROM _streamer_owner")
    assert len(owners) == 1


async def test_fault_06_rejected_rows_are_sent_again_while_the_end_of_their_run_is_executed_once_more(
    first: Streamer, between: Between
) -> None:
    checked = "CREATE TABLE country (code TEXT PRIMARY KEY CHECK (code <> 'c7'), name TEXT)"
    between.server.run(first.uuid, checked)
    options = ("--table", "country", "--no-schema", "--on-error", "reject")
    ends: list[Request] = []
    late: list[web.Response] = []

    async def deal(request: Request, forward: Forward) -> web.Response:
        if b"DROP TABLE _streamer_owner" in request.body:
            ends.append(request)
        return await forward()

    async def deal_again(request: Request, forward: Forward) -> web.Response:
        answer = await forward()
        if b"FROM _streamer_owner" in request.body and not late:  # it claims its tables next
            late.append(await between.send(ends[0]))
        return answer

    between.deal = deal
    rejected = await run(first, *options)
    await first.source.execute("UPDATE country SET name = 'mended', code = 'c7' WHERE code = 'c7'")
    between.server.run(first.uuid, "DROP TABLE country")
    between.server.run(first.uuid, "CREATE TABLE country (code TEXT PRIMARY KEY, name TEXT)")
    between.deal = deal_again
    left = await run(first, *options, "--retry-rejects")

    assert rejected.code == 3, rejected.said
    assert [answer.status for answer in late] == [200]
    assert left.code == 0, left.said
    rows = between.server.rows(first.uuid, "SELECT name FROM country WHERE code = 'c7'")
    assert rows == [["mended"]]
    assert our_leftovers(between.server, first.uuid) == []
