"""The disk that the checkpoint lies on is full, or may not be written to any more."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Outcome, Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SAMPLE = """
CREATE TABLE a (id int PRIMARY KEY, note text);
INSERT INTO a SELECT n, repeat('a', 50) FROM generate_series(1, 4000) AS n;
CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
INSERT INTO b SELECT n, n FROM generate_series(1, 4000) AS n;
"""
TABLES = "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'"
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


@pytest.fixture(params=["mount", "modes"])
def kept(request: pytest.FixtureRequest, streamer: Streamer) -> Iterator[Path]:
    """A folder for the checkpoint that `read_only` makes so."""
    if request.param == "mount" and os.geteuid() != 0:
        pytest.skip("only root mounts")
    folder = streamer.folder / "kept"
    folder.mkdir(mode=0o700)
    streamer.overrides["STREAMER_TEST_HOW"] = request.param
    yield folder
    writable(folder)


def writable(folder: Path) -> None:
    folder.chmod(0o700)
    for path in folder.iterdir():
        path.chmod(0o600)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_only(streamer: Streamer, folder: Path, *arguments: str) -> Outcome:
    """A command to which `folder` can't be written."""
    how = streamer.overrides["STREAMER_TEST_HOW"]
    if how == "modes":
        for path in folder.iterdir():
            path.chmod(0o400)
        folder.chmod(0o500)
    streamer.program = ("tests.stories.read_only", how, str(folder))
    try:
        return streamer(*arguments)
    finally:
        streamer.program = ("streamer",)
        writable(folder)


def test_fault_18_a_checkpoint_that_cannot_be_made_starts_no_run(
    streamer: Streamer, kept: Path
) -> None:
    done = read_only(streamer, kept, "run", "--checkpoint", "kept/c.db", *OPTIONS)

    assert done.code == 1, done.said
    assert "kept/c.db" in done.stderr
    assert "Make room or access" in done.stderr
    assert list(kept.iterdir()) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert streamer.target.rows(streamer.uuid, TABLES) == []


async def test_fault_18_a_run_that_is_resumed_on_a_read_only_disk_stays_resumable(
    streamer: Streamer, kept: Path
) -> None:
    options = ("--checkpoint", "kept/c.db", *OPTIONS)
    streamer.stopped_at('INTO "b"', *options, requests=2)
    before = contents(kept)

    stopped = read_only(streamer, kept, "run", "--resume", *options)
    told = read_only(streamer, kept, "status", "--checkpoint", "kept/c.db")
    after = contents(kept)
    done = streamer("run", "--resume", *options)

    assert stopped.code == 75, stopped.said
    assert "kept/c.db" in stopped.stderr
    assert "Make room or access for it, then run again with --resume." in stopped.stderr
    assert (told.code, after) == (0, before), told.said
    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
