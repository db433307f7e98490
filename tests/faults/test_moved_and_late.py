"""UNIQUE values that moved between rows whose parents came late: all that belongs together goes at once."""

from __future__ import annotations

import pytest

from tests.stories.command import Streamer
from tests.stories.compare import our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

OPTIONS = ("--batch-bytes", "8000", "--concurrency", "2", "--indexes", "before",
           "--progress", "none")  # fmt: skip
CYCLE = """
CREATE TABLE chicken (id int PRIMARY KEY, egg int NOT NULL, name text UNIQUE, place int NOT NULL UNIQUE);
CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL);
CREATE TABLE feather (id int PRIMARY KEY, chicken int NOT NULL REFERENCES chicken);
INSERT INTO chicken SELECT n, n, 'c' || n, n FROM generate_series(1, 100) AS n;
INSERT INTO egg SELECT n, n FROM generate_series(1, 100) AS n;
INSERT INTO feather SELECT n, 1 + n % 100 FROM generate_series(1, 2000) AS n;
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE egg ADD FOREIGN KEY (chicken) REFERENCES chicken DEFERRABLE INITIALLY DEFERRED;
"""
# Chickens that came since have names and places of older ones, which lie on eggs that came since too,
# as do those whose names these have by now: feathers that aren't read yet are theirs.
MOVED = """
BEGIN;
UPDATE chicken SET name = NULL, place = -id WHERE id IN (10, 11, 12);
INSERT INTO egg VALUES (1000, 1000), (1010, 10), (1011, 1001), (1012, 11);
INSERT INTO chicken VALUES (1000, 1000, 'c10', 1000), (1001, 1011, NULL, 11);
UPDATE chicken SET name = 'c11', egg = 1010 WHERE id = 10;
UPDATE chicken SET name = 'c12', egg = 1012, place = 10 WHERE id = 11;
UPDATE feather SET chicken = 1000 WHERE id > 1900;
UPDATE feather SET chicken = 1001 WHERE id = 1900;
COMMIT
"""
# One of them is gone, and what referred to it refers to yet another that came since.
GONE = """
BEGIN;
INSERT INTO egg VALUES (2001, 100);
UPDATE chicken SET name = NULL WHERE id = 20;
INSERT INTO chicken VALUES (2000, 2001, 'c2000', 2000), (2001, 2001, 'c20', 2001);
UPDATE egg SET chicken = 2000 WHERE chicken = 20;
UPDATE feather SET chicken = 2000 WHERE chicken = 20;
UPDATE feather SET chicken = 2001 WHERE id > 1900;
DELETE FROM chicken WHERE id = 20;
COMMIT
"""


@pytest.mark.parametrize("changes", [MOVED, GONE], ids=["moved", "gone"])
async def test_fault_24_and_36_values_that_moved_within_a_cycle_go_with_the_rows_that_came_late(
    streamer: Streamer, changes: str
) -> None:
    await streamer.source.execute(CYCLE)
    streamer.stopped_at('INTO "feather"', *OPTIONS, requests=3)
    await streamer.source.execute(changes)

    done = streamer("run", "--resume", *OPTIONS)

    assert done.code == 0, done.said
    assert our_leftovers(streamer.target, streamer.uuid) == []
    query = "SELECT id, chicken FROM feather WHERE id > 1890 ORDER BY id"
    rows = [list(row.values()) for row in await streamer.source.fetch(query)]
    assert streamer.target.rows(streamer.uuid, query) == rows
