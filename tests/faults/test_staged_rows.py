"""Tables that refer to each other without NULLs, published together, whose rows changed meanwhile."""

from __future__ import annotations

import json

import pytest

from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

OPTIONS = ("--batch-bytes", "12000", "--concurrency", "2", "--progress", "none")
KEYED = """
CREATE TABLE farm (id int PRIMARY KEY);
INSERT INTO farm SELECT n FROM generate_series(1, 9) AS n;
CREATE TABLE chicken (id int PRIMARY KEY, egg int NOT NULL, farm int NOT NULL REFERENCES farm,
    name text UNIQUE);
CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL);
INSERT INTO chicken SELECT n, 2001 - n, 1 + n % 9, 'c' || n FROM generate_series(1, 2000) AS n;
INSERT INTO egg SELECT n, n FROM generate_series(1, 2000) AS n;
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE egg ADD FOREIGN KEY (chicken) REFERENCES chicken (id) DEFERRABLE INITIALLY DEFERRED;
"""
KEYLESS = """
CREATE TABLE chicken (id int UNIQUE, egg int NOT NULL);
CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL);
INSERT INTO chicken SELECT n, 4001 - n FROM generate_series(1, 40) AS n;
INSERT INTO egg SELECT n, 1 + n % 40 FROM generate_series(1, 4000) AS n;
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE egg ADD FOREIGN KEY (chicken) REFERENCES chicken (id) DEFERRABLE INITIALLY DEFERRED;
"""
# Eggs are read from the first to the last, and all chickens are staged when these are at the third
# request: eggs behind it are looked at again by nobody, those at the end haven't been read yet.
LATE = """
BEGIN; INSERT INTO farm VALUES (-1); INSERT INTO egg VALUES (5000, -1), (-1, -2), (-2, 7);
INSERT INTO chicken VALUES (-1, -1, -1), (-2, -2, 1); COMMIT
"""
LET_GO = "UPDATE chicken SET egg = 5 WHERE id = 10; DELETE FROM egg WHERE id = 1991"
GONE = """
UPDATE egg SET chicken = 13 WHERE chicken = 12; DELETE FROM chicken WHERE id = 12;
DELETE FROM egg WHERE id = 1989
"""
MANY_GONE = """
BEGIN; UPDATE egg SET chicken = 700 WHERE chicken BETWEEN 20 AND 620;
DELETE FROM chicken WHERE id BETWEEN 20 AND 620; DELETE FROM egg WHERE id > 2001 - 620 AND id < 1982;
COMMIT
"""


def until_chickens_are_done(streamer: Streamer) -> None:
    """Stop while eggs are staged: where the chickens aren't known to be, they would start over."""
    for restart in [(), *(("--restart",),) * 9]:
        streamer.stopped_at("_streamer_stage_egg", *OPTIONS, *restart, requests=4)
        tables = json.loads(streamer("status", "--json").stdout)["tables"]
        steps = [table["steps"] for table in tables if table["name"] == "public.chicken"]
        if {"kind": "rows", "which": "", "state": "done"} in steps[0]:
            return
    raise AssertionError("the chickens were never done")


async def all_is_there(streamer: Streamer) -> bool:
    assert our_leftovers(streamer.target, streamer.uuid) == []
    return await differences(streamer.source, streamer.target, streamer.uuid) == []


@pytest.mark.parametrize(
    "changes", [LATE, LET_GO, GONE, MANY_GONE], ids=["late", "let go", "gone", "many gone"]
)
async def test_fault_24_rows_that_are_published_refer_to_what_is_there_by_then(
    streamer: Streamer, changes: str
) -> None:
    await streamer.source.execute(KEYED)
    # One at a time: what is acknowledged behind the refused request isn't written down, and would stay.
    streamer.stopped_at("_streamer_stage_egg", *OPTIONS, "--concurrency", "1", requests=3)
    await streamer.source.execute(changes)

    done = streamer("run", "--resume", *OPTIONS)

    assert done.code == 0, done.said
    assert await all_is_there(streamer)


async def test_fault_36_a_value_that_moved_between_staged_rows_is_where_it_is_now(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(KEYED)
    streamer.stopped_at("_streamer_stage_chicken", *OPTIONS, requests=3)
    await streamer.source.execute(
        "UPDATE chicken SET name = NULL WHERE id IN (10, 1910, 11);"
        "UPDATE chicken SET name = 'c1910' WHERE id = 10;"
        "UPDATE chicken SET name = 'c10' WHERE id = 1910; UPDATE chicken SET name = 'c11' WHERE id = 1911"
    )

    done = streamer("run", "--resume", *OPTIONS)

    assert done.code == 0, done.said
    assert await all_is_there(streamer)


async def test_staged_rows_without_a_key_are_read_again_where_what_they_refer_to_is_gone(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(KEYLESS)
    until_chickens_are_done(streamer)
    await streamer.source.execute(
        "UPDATE chicken SET egg = 5 WHERE id = 10; DELETE FROM egg WHERE id = 3991"
    )

    stopped = streamer("run", "--resume", *OPTIONS)
    done = streamer("run", "--resume", *OPTIONS)

    assert stopped.code == 75, stopped.said
    assert "public.chicken: rows changed while they were read" in stopped.said
    assert done.code == 0, done.said
    assert await all_is_there(streamer)


async def test_a_staged_row_that_refers_to_nothing_is_named(streamer: Streamer) -> None:
    await streamer.source.execute(KEYED)
    streamer.stopped_at("_streamer_stage_egg", *OPTIONS, requests=3)
    await streamer.source.execute(
        "SET session_replication_role = replica; DELETE FROM egg WHERE id = 1991"
    )

    stopped = streamer("run", "--resume", *OPTIONS)

    assert stopped.code == 1, stopped.said
    row = "public.chicken, key 10: it refers to a row of public.egg, key 1991, that the source hasn't got"
    assert row in " ".join(stopped.said.split())
