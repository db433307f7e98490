"""Tables without a key when a run is resumed: what is moved again, and what must not stay."""

from __future__ import annotations

import asyncio
import signal

import pytest
from aiohttp import web

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
# `held` stands in the request that never arrives, `late` in one that arrives behind it.
LINES = """
CREATE TABLE log (line text, place int);
INSERT INTO log SELECT CASE n WHEN {held} THEN 'held' WHEN 2500 THEN 'late' ELSE 'l' || n END, n
FROM generate_series(1, 4000) AS n;
"""
NOTES = 3  # requests that carry rows of `note`, before the run is killed


async def killed_after(streamer: Streamer, between: Between, enough: asyncio.Event) -> None:
    """Run through `between`, and kill the run once `enough` came to pass."""
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
    process = streamer.start("run", *OPTIONS)
    await enough.wait()
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(ended, process)
    del streamer.overrides["CLOUDFLARE_API_BASE_URL"]


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
    await killed_after(streamer, between, enough)
    never.set()
    await streamer.source.execute("UPDATE node SET name = 'other' WHERE id < 50")

    done = await asyncio.to_thread(streamer, "run", "--resume", *OPTIONS)

    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


@pytest.mark.parametrize("held", [1, 1200], ids=["before anything is written down", "after some"])
async def test_rows_without_a_key_that_nobody_wrote_down_dont_outlive_those_of_the_source(
    streamer: Streamer, between: Between, held: int
) -> None:
    await streamer.source.execute(LINES.format(held=held))
    enough = between.hold_up(b"held", b"late")
    await killed_after(streamer, between, enough)
    await streamer.source.execute("DELETE FROM log WHERE line = 'late'")

    done = await asyncio.to_thread(streamer, "run", "--resume", *OPTIONS)

    assert done.code == 0, done.said
    assert "moved again" not in done.stderr
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []
