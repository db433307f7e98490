"""D1 says no in the middle of a run: the token is revoked, the database is gone, or full."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories import busy
from tests.stories.command import Outcome, Streamer, ended
from tests.stories.compare import differences, our_leftovers

OPTIONS = ("--progress", "none", "--batch-bytes", "6000", "--concurrency", "3")
MIDDLE = 15

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, between: Between, tmp_path: Path
) -> AsyncIterator[Streamer]:
    await database.execute(busy.SQL)
    uuid = workerd_d1.create(database.name)
    streamer = Streamer(tmp_path, database, workerd_d1, uuid)
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
    yield streamer
    workerd_d1.delete(uuid)


async def finished(streamer: Streamer, *options: str) -> Outcome:
    return await asyncio.to_thread(ended, streamer.start("run", *OPTIONS, *options))


def refusal(status: int, code: int, message: str) -> web.Response:
    errors = [{"code": code, "message": message}]
    document = {"result": None, "success": False, "errors": errors, "messages": []}
    return web.Response(status=status, text=json.dumps(document), content_type="application/json")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ((401, 10000, "Authentication error"), "the API refuses the token"),
        ((403, 7403, "The given account is not valid or is not authorized"), "refuses the token"),
        ((404, 7404, "The database test could not be found"), "there is no such database"),
        ((400, 7500, "Exceeded maximum DB size"), "is full"),
        ((400, 7500, "maximum account storage reached"), "is full"),
    ],
    ids=["fault_13_revoked", "fault_13_forbidden", "fault_13_deleted", "fault_31", "fault_31_all"],
)
async def test_fault_13_and_31_a_run_that_d1_refuses_stops_at_once_and_is_resumed_once_mended(
    streamer: Streamer, between: Between, error: tuple[int, int, str], says: str
) -> None:
    async def deal(request: Request, forward: Forward) -> web.Response:
        return await forward() if request.number < MIDDLE else refusal(*error)

    between.deal = deal
    stopped = await finished(streamer)
    sent = between.requests

    assert stopped.code == 1, stopped.said
    assert says in stopped.stderr
    assert "what to do:" in stopped.stderr
    assert sent <= MIDDLE + 3, "no storm of retries"
    assert streamer.report["status"] == "failed"

    between.requests, between.deal = 0, lambda _, forward: forward()
    resumed = await finished(streamer, "--resume")
    assert resumed.code == 0, resumed.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []
