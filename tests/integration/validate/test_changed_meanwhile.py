"""Rows that change while they are compared: looked at again, and not reported where they are equal then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories.command import Streamer

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SOURCE = """
CREATE TABLE item (id int PRIMARY KEY, name text);
INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 500) AS n;
"""
# What an application does to both sides while the rows are compared, one after the other.
CHANGES = [
    "UPDATE item SET name = 'new' WHERE id BETWEEN 10 AND 30",
    "DELETE FROM item WHERE id BETWEEN 40 AND 50",
    "INSERT INTO item VALUES (1000, 'late'), (1001, 'later')",
]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    await database.execute(SOURCE)
    uuid = workerd_d1.create(database.name)
    streamer = Streamer(tmp_path, database, workerd_d1, uuid)
    moved = await asyncio.to_thread(streamer, "run", "--progress", "none")
    assert moved.code == 0, moved.said
    yield streamer
    workerd_d1.delete(uuid)


@pytest.mark.parametrize("first", ["source", "target"])
async def test_rows_that_change_on_both_sides_while_they_are_compared_are_not_reported(
    streamer: Streamer, workerd_d1: Workerd, first: str
) -> None:
    changed = False

    async def change_first(request: Request, forward: Forward) -> web.Response:
        """Before the first rows are compared D1 changes, behind the source's rows or before them."""
        nonlocal changed
        if b"LEFT JOIN" in request.body and not changed:
            changed = True
            if first == "source":
                await in_source()
                answer = await forward()
                in_target()
                return answer
            in_target()
            answer = await forward()
            await in_source()
            return answer
        return await forward()

    async def in_source() -> None:
        for sql in CHANGES:
            await streamer.source.execute(sql)

    def in_target() -> None:
        for sql in CHANGES:
            workerd_d1.run(streamer.uuid, sql)

    async with Between(workerd_d1) as between:
        between.deal = change_first
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
        done = await asyncio.to_thread(streamer, "validate", "--full", "--progress", "none")

    assert changed
    assert done.code == 0, done.said


async def test_a_repair_sends_what_the_source_has_by_then_and_deletes_nothing_that_came(
    streamer: Streamer, workerd_d1: Workerd
) -> None:
    workerd_d1.run(streamer.uuid, "UPDATE item SET name = 'wrong' WHERE id < 100")
    workerd_d1.run(streamer.uuid, "INSERT INTO item VALUES (1000, 'late'), (2000, 'extra')")
    changed = False

    async def change_first(request: Request, forward: Forward) -> web.Response:
        """Just before the repair claims the table, the source changes."""
        nonlocal changed
        if b"_streamer_owner" in request.body and b"INSERT" in request.body and not changed:
            changed = True
            for sql in CHANGES:
                await streamer.source.execute(sql)
        return await forward()

    async with Between(workerd_d1) as between:
        between.deal = change_first
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
        done = await asyncio.to_thread(
            streamer, "validate", "--full", "--repair", "--progress", "none"
        )

    assert changed
    assert done.code == 0, done.said
    rows = workerd_d1.rows(streamer.uuid, "SELECT id, name FROM item ORDER BY id")
    assert rows == [
        list(row) for row in await streamer.source.fetch("SELECT * FROM item ORDER BY 1")
    ]
    report = json.loads((streamer.folder / "validation_report.json").read_text())
    assert report["repaired"]["deleted"] == 12, "2000, and 40 to 50; not 1000, which came meanwhile"
