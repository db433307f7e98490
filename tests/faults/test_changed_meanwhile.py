"""A table's definition is changed while a run is under way."""

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
from tests.stories.compare import differences, our_leftovers

OPTIONS = ("--progress", "none", "--batch-bytes", "6000", "--concurrency", "2")
ROLLING = ("--consistency", "rolling")  # in a snapshot whoever changes tables waits for us
MIDDLE = 8  # request: not all parents are there, so that no child is read yet

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
    return await asyncio.to_thread(ended, streamer.start("run", *OPTIONS, *ROLLING, *options))


@pytest.mark.parametrize(
    ("change", "back", "says", "refused_with"),
    [
        (
            "ALTER TABLE grandchild RENAME COLUMN v TO w",
            "ALTER TABLE grandchild RENAME COLUMN w TO v",
            "A column is gone",
            1,
        ),
        (
            "ALTER TABLE grandchild RENAME TO greatgrandchild",
            "ALTER TABLE greatgrandchild RENAME TO grandchild",
            "A table is gone",
            2,
        ),
    ],
    ids=["column", "table"],
)
async def test_fault_22_a_change_under_way_stops_the_run_and_the_resume_until_it_is_undone(
    streamer: Streamer, between: Between, change: str, back: str, *, says: str, refused_with: int
) -> None:
    async def deal(request: Request, forward: Forward) -> web.Response:
        if request.number == MIDDLE:
            await streamer.source.execute(change)
        return await forward()

    between.deal = deal
    stopped = await finished(streamer)
    refused = await finished(streamer, "--resume")
    await streamer.source.execute(back)
    resumed = await finished(streamer, "--resume")

    assert stopped.code == 1, stopped.said
    assert says in stopped.stderr
    assert "--resume: it says what changed" in stopped.stderr
    assert refused.code == refused_with, refused.said
    assert "grandchild" in refused.stderr
    assert resumed.code == 0, resumed.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []
