"""Tables without a key that start over when a run is resumed, while others refer to their rows."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories.command import Streamer, ended
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

OPTIONS = ("--batch-bytes", "8000", "--concurrency", "4", "--progress", "none")
# One row of `node` has a second pass: as long as that is held up, the table isn't done, but all that
# wait for its rows go on.
SAMPLE = """
CREATE TABLE node (id int UNIQUE, up int REFERENCES node (id), name text);
INSERT INTO node SELECT n, CASE n WHEN 7 THEN 1 END, 'n' || n FROM generate_series(1, 300) AS n;
CREATE TABLE child (id int PRIMARY KEY, node int NOT NULL REFERENCES node (id));
INSERT INTO child SELECT n, 1 + n % 300 FROM generate_series(1, 400) AS n;
CREATE TABLE note (id int PRIMARY KEY, child int REFERENCES child);
INSERT INTO note SELECT n, 1 + n % 400 FROM generate_series(1, 4000) AS n;
"""
NOTES = 3  # requests that carry rows of `note`, before the run is killed


@pytest.fixture
def streamer(database: Database, workerd_d1: Workerd, tmp_path: Path) -> Iterator[Streamer]:
    uuid = workerd_d1.create(database.name)
    yield Streamer(tmp_path, database, workerd_d1, uuid)
    workerd_d1.delete(uuid)


async def test_what_refers_to_a_table_without_a_key_starts_over_with_it(
    streamer: Streamer, between: Between
) -> None:
    await streamer.source.execute(SAMPLE)
    enough, never = asyncio.Event(), asyncio.Event()
    forwarded = 0

    async def deal(request: Request, forward: Forward) -> web.Response:
        nonlocal forwarded
        if b'UPDATE \\"node\\"' in request.body:
            await never.wait()
        answer = await forward()
        forwarded += b'INTO \\"note\\"' in request.body
        if forwarded == NOTES:
            enough.set()
        return answer

    between.deal = deal
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
    process = streamer.start("run", *OPTIONS)
    await enough.wait()
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(ended, process)
    never.set()
    del streamer.overrides["CLOUDFLARE_API_BASE_URL"]
    await streamer.source.execute("UPDATE node SET name = 'other' WHERE id < 50")

    done = await asyncio.to_thread(streamer, "run", "--resume", *OPTIONS)

    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []
