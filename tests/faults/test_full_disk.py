"""The disk that the checkpoint lies on is full, or may not be written to any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SAMPLE = """
CREATE TABLE a (id int PRIMARY KEY, note text);
INSERT INTO a SELECT n, repeat('a', 50) FROM generate_series(1, 4000) AS n;
CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
INSERT INTO b SELECT n, n FROM generate_series(1, 4000) AS n;
"""
OPTIONS = ("--batch-bytes", "6000", "--concurrency", "2", "--progress", "none")


@pytest.fixture
async def streamer(database: Database, workerd_d1: Workerd, tmp_path: Path) -> Iterator[Streamer]:
    await database.execute(SAMPLE)
    uuid = workerd_d1.create(database.name)
    yield Streamer(tmp_path, database, workerd_d1, uuid)
    workerd_d1.delete(uuid)


@pytest.mark.parametrize("most_bytes", [60_000, 120_000])
async def test_fault_18_a_run_whose_disk_is_full_stops_resumable_with_a_whole_checkpoint(
    streamer: Streamer, most_bytes: int
) -> None:
    streamer.program = ("tests.stories.small_disk", str(most_bytes), "run")
    stopped = streamer(*OPTIONS)
    streamer.program = ("streamer",)
    with sqlite3.connect(streamer.checkpoint) as checkpoint:
        whole = checkpoint.execute("PRAGMA integrity_check").fetchone()

    done = streamer("run", "--resume", *OPTIONS)

    assert stopped.code == 75, stopped.said
    assert "streamer.checkpoint.db" in stopped.said
    assert "Make room" in stopped.said
    assert whole == ("ok",)
    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []
