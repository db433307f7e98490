"""A run that was to follow a finished one, and was stopped before it began."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.stories.command import Streamer, ended

pytestmark = [pytest.mark.postgres, pytest.mark.processes]

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


async def test_a_resume_makes_the_run_that_was_stopped_before_it_began(
    database: Database, tmp_path: Path
) -> None:
    await database.execute(
        "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1)"
    )
    file = PlainFile(tmp_path / "shop.db")
    streamer = Streamer(tmp_path, database, file, "")
    first = streamer("run")
    repeated = streamer("run", "--resume")
    await database.execute("INSERT INTO orders VALUES (2)")
    connection = await database.connect()
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            process = streamer.start("run", "--if-exists", "upsert")
            while (await database.fetch(WAITING))[0][0] == 0:
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            stopped = await asyncio.to_thread(ended, process)
    finally:
        await connection.close()

    resumed = streamer("run", "--resume", "--if-exists", "upsert")

    assert first.code == 0, first.said
    assert (repeated.code, "nothing to do" in repeated.stderr) == (0, True), repeated.said
    assert (stopped.code, "--resume" in stopped.stderr) == (75, True), stopped.said
    assert resumed.code == 0, resumed.said
    assert file.rows("", "SELECT id FROM orders ORDER BY id") == [[1], [2]]
