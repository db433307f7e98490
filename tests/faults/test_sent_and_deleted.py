"""Rows that a killed run had sent, but not written down, and that the source has no more at the resume."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.faults.between import Between
from tests.stories.command import Streamer, ended
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

OPTIONS = ("--batch-bytes", "8000", "--concurrency", "4", "--progress", "none")
# `held` stands in the request that never arrives, `late` in one that arrives behind it.
LINES = """
CREATE TABLE log (id int PRIMARY KEY, line text);
INSERT INTO log SELECT n, CASE n WHEN {held} THEN 'held' WHEN 2500 THEN 'late' ELSE 'l' || n END
FROM generate_series(1, 4000) AS n;
"""


async def killed_with_rows_ahead(streamer: Streamer, between: Between, *options: str) -> None:
    """Kill a run once a row came that isn't written down, and delete that row from the source."""
    enough = between.hold_up(b"held", b"late")
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
    process = streamer.start("run", *OPTIONS, *options)
    await enough.wait()
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(ended, process)
    del streamer.overrides["CLOUDFLARE_API_BASE_URL"]
    await streamer.source.execute("DELETE FROM log WHERE line = 'late'")


@pytest.mark.parametrize("held", [1, 1200], ids=["before anything is written down", "after some"])
async def test_fault_23_rows_sent_and_deleted_before_they_were_written_down_are_told_and_mended(
    streamer: Streamer, between: Between, held: int
) -> None:
    await streamer.source.execute(LINES.format(held=held))
    await killed_with_rows_ahead(streamer, between)

    done = await asyncio.to_thread(streamer, "run", "--resume", *OPTIONS)

    assert done.code == 3, done.said
    assert "log: D1 holds 4,000 rows, 3,999 were moved; compare both sides" in done.stderr
    again = await asyncio.to_thread(streamer, "run", "--resume", *OPTIONS)
    assert again.code == 3, again.said
    mended = await asyncio.to_thread(streamer, "validate", "--full", "--repair")
    assert mended.code == 0, mended.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


async def test_fault_23_where_others_rows_stay_a_resume_says_that_deleted_ones_may_too(
    streamer: Streamer, between: Between
) -> None:
    target, uuid = streamer.target, streamer.uuid
    await streamer.source.execute(LINES.format(held=1200))
    target.run(uuid, "CREATE TABLE log (id INTEGER PRIMARY KEY, line TEXT)")
    target.run(uuid, "INSERT INTO log VALUES (-1, 'theirs')")
    options = (*OPTIONS, "--if-exists", "upsert")
    await killed_with_rows_ahead(streamer, between, "--if-exists", "upsert")

    done = await asyncio.to_thread(streamer, "run", "--resume", *options)

    assert done.code == 0, done.said
    (warning,) = streamer.report["warnings"]
    assert "public.log: D1 held rows before the run" in warning
    assert target.rows(uuid, "SELECT id FROM log WHERE line IN ('late', 'theirs') ORDER BY id") == [
        [-1],
        [2500],
    ]
    named = await asyncio.to_thread(streamer, "validate", "--full")
    assert named.code == 3, named.said
    assert "2 extra" in named.said
