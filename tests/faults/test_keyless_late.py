"""Rows of tables without a key that came after these were read, and that others refer to."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from tests.faults.between import Between, Forward, Request
from tests.faults.test_staged_rows import KEYLESS, all_is_there, until_chickens_are_done
from tests.stories.command import Streamer, ended
from tests.stories.compare import our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

OPTIONS = ("--batch-bytes", "12000", "--concurrency", "2", "--progress", "none")
NODES = """
CREATE TABLE town (id int PRIMARY KEY);
INSERT INTO town SELECT n FROM generate_series(1, 5) AS n;
CREATE TABLE node (id int UNIQUE, org int, code text, up int REFERENCES node (id),
    town int NOT NULL REFERENCES town, UNIQUE (org, code));
INSERT INTO node SELECT nullif(n, 9), n / 10, 'c' || n, nullif(n % 5, 0), 1 + n % 5
FROM generate_series(1, 200) AS n;
CREATE TABLE leaf (id int PRIMARY KEY, node int REFERENCES node (id), org int, code text,
    FOREIGN KEY (org, code) REFERENCES node (org, code));
INSERT INTO leaf SELECT n, nullif(1 + n % 190, 9), 2, 'c20' FROM generate_series(1, 1500) AS n
"""
# Referred to by one column, by two, by both, and by another one that came late as well; of two alike.
LATE = """
INSERT INTO town VALUES (6);
INSERT INTO node VALUES (500, 90, 'late', 501, 6), (501, NULL, NULL, 7, 1), (NULL, 91, 'late', 500, 6),
    (NULL, NULL, NULL, NULL, 1), (NULL, NULL, NULL, NULL, 1);
INSERT INTO leaf VALUES (5000, 500, 90, 'late'), (5001, NULL, 91, 'late'), (5002, 501, 1, 'c11');
"""


async def test_fault_24_rows_without_a_key_that_came_late_are_sent_first_and_stand_once(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(NODES)
    streamer.stopped_at('INTO "leaf"', *OPTIONS, requests=3)
    await streamer.source.execute(LATE)

    done = streamer("run", "--resume", *OPTIONS)

    assert done.code == 0, done.said
    assert our_leftovers(streamer.target, streamer.uuid) == []
    columns = "id, org, code, up, town"
    here = await streamer.source.fetch(
        f"SELECT {columns} FROM node WHERE id IS NOT NULL OR org IS NOT NULL ORDER BY id, org"
    )
    there = streamer.target.rows(
        streamer.uuid, f"SELECT {columns} FROM node ORDER BY id NULLS LAST, org"
    )
    assert there == [list(row.values()) for row in here]
    repaired = streamer("validate", "--full", "--repair")  # what nothing refers to came too late
    assert repaired.code == 0, repaired.said
    assert await all_is_there(streamer)


async def test_fault_24_a_rolling_run_brings_rows_without_a_key_that_come_meanwhile(
    streamer: Streamer, between: Between
) -> None:
    await streamer.source.execute(NODES)
    changed = asyncio.Lock()

    async def deal(request: Request, forward: Forward) -> web.Response:
        if b'INTO \\"node\\"' in request.body and not changed.locked():
            await changed.acquire()
            await streamer.source.execute(LATE)
        return await forward()

    between.deal = deal
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
    process = streamer.start("run", "--consistency", "rolling", *OPTIONS)
    done = await asyncio.to_thread(ended, process)

    assert done.code == 0, done.said
    late = "SELECT id, code, up, town FROM node WHERE id >= 500 OR code = 'late' ORDER BY code, id"
    assert streamer.target.rows(streamer.uuid, late) == [
        [501, None, 7, 1],
        [None, "late", 500, 6],
        [500, "late", 501, 6],
    ]
    leaves = "SELECT id, node, org, code FROM leaf ORDER BY id"
    here = [list(row.values()) for row in await streamer.source.fetch(leaves)]
    assert streamer.target.rows(streamer.uuid, leaves) == here


async def test_staged_rows_without_a_key_that_came_late_go_when_their_table_is_read_again(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(KEYLESS)
    until_chickens_are_done(streamer)
    await streamer.source.execute(
        "BEGIN; INSERT INTO chicken VALUES (100, 5000); INSERT INTO egg VALUES (5000, 100); COMMIT;"
        "UPDATE chicken SET egg = 5 WHERE id = 10; DELETE FROM egg WHERE id = 3991"
    )

    stopped = streamer("run", "--resume", *OPTIONS)
    done = streamer("run", "--resume", *OPTIONS)

    assert stopped.code == 75, stopped.said
    assert done.code == 0, done.said
    assert await all_is_there(streamer)
