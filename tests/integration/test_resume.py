"""`streamer run --resume` after the source changed while the run stood still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

TREE = """
CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree, name text);
INSERT INTO tree SELECT n, nullif(n % 9, 0), 'leaf ' || n FROM generate_series(1, 50) AS n;"""
RING = """
CREATE TABLE ring (id int PRIMARY KEY, next int NOT NULL REFERENCES ring);
INSERT INTO ring SELECT n, n % 50 + 1 FROM generate_series(1, 50) AS n;"""
LAST = """
CREATE TABLE anchor (id int PRIMARY KEY, self int NOT NULL REFERENCES anchor);
INSERT INTO anchor SELECT n, n FROM generate_series(1, 5) AS n;
CREATE TABLE last (id int PRIMARY KEY, anchor int NOT NULL REFERENCES anchor);
INSERT INTO last SELECT n, n % 5 + 1 FROM generate_series(1, 50) AS n;"""
STOP = {"match": "/raw", "contains": '\\"last\\" AS o', "times": 1, "status": 400, "code": 7500}


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    """The command, stopped at the first row of `last`: all else has arrived."""
    await database.execute(TREE + RING + LAST)
    uuid = workerd_d1.create(tmp_path.name)
    streamer = Streamer(tmp_path, database, workerd_d1, uuid)
    workerd_d1.set_faults({**STOP, "message": "not authorized"})
    stopped = streamer("run")
    assert stopped.code == 1, stopped.said
    assert workerd_d1.rows(uuid, "SELECT count(up) FROM tree") == [[45]]
    assert workerd_d1.rows(uuid, "SELECT count(*) FROM ring") == [[50]]
    workerd_d1.set_faults()
    yield streamer
    workerd_d1.delete(uuid)


async def differs(streamer: Streamer) -> list[str]:
    return await differences(streamer.source, streamer.target, streamer.uuid)


async def test_tables_made_anew_are_moved_again_references_and_all(streamer: Streamer) -> None:
    await streamer.source.execute("DROP TABLE tree, ring;" + TREE + RING)
    await streamer.source.execute("UPDATE tree SET up = CASE WHEN id % 2 = 0 THEN 50 END")
    await streamer.source.execute("UPDATE ring SET next = id")

    done = streamer("run", "--resume")

    assert done.code == 0, done.said
    assert "tree was dropped and made anew" in done.stderr
    assert await differs(streamer) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


async def test_a_changed_definition_stops_the_resume_and_changed_back_it_goes_on(
    streamer: Streamer,
) -> None:
    await streamer.source.execute("ALTER TABLE tree ADD COLUMN more int")

    refused = streamer("run", "--resume")
    await streamer.source.execute("ALTER TABLE tree DROP COLUMN more")
    done = streamer("run", "--resume")

    assert refused.code == 1
    assert "column more is new" in refused.stderr
    assert done.code == 0, done.said
    assert await differs(streamer) == []


async def test_a_table_that_came_since_is_moved_too(streamer: Streamer) -> None:
    await streamer.source.execute("CREATE TABLE late AS SELECT 1 AS one")

    done = streamer("run", "--resume")

    assert done.code == 0, done.said
    assert await differs(streamer) == []
