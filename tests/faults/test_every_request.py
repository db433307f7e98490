"""The first request that a run sends is its last, then the second, … until a run passes untouched."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from aiohttp import web

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories.command import Outcome, Streamer, ended
from tests.stories.compare import differences, our_leftovers

# Each way of loading once: direct, in two passes, staged, by a unique index, by position.
SAMPLE = """
CREATE TABLE country (code text PRIMARY KEY, name text NOT NULL);
INSERT INTO country SELECT 'c' || n, repeat('x', n) FROM generate_series(1, 20) AS n;
CREATE TABLE employee (id int PRIMARY KEY, boss int REFERENCES employee,
    country text NOT NULL REFERENCES country);
INSERT INTO employee SELECT n, nullif(n * 7 % 50, n), 'c' || 1 + n % 20
FROM generate_series(0, 49) AS n;
CREATE INDEX employee_country ON employee (country);
CREATE TABLE chicken (id int PRIMARY KEY, egg int NOT NULL);
CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL);
INSERT INTO chicken SELECT n, 31 - n FROM generate_series(1, 30) AS n;
INSERT INTO egg SELECT n, n FROM generate_series(1, 30) AS n;
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE egg ADD FOREIGN KEY (chicken) REFERENCES chicken DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE feather (id int PRIMARY KEY, chicken int NOT NULL REFERENCES chicken, kind text);
INSERT INTO feather SELECT n, 1 + n % 30, repeat('x', 40) FROM generate_series(1, 1200) AS n;
CREATE TABLE setting (name text NOT NULL, value text);
CREATE UNIQUE INDEX setting_name ON setting (name);
INSERT INTO setting SELECT 'name ' || n, repeat('x', n) FROM generate_series(1, 30) AS n;
CREATE TABLE log (at timestamp, line text);
INSERT INTO log SELECT timestamp '2024-01-01' + (n / 2) * interval '1 s', 'line ' || n / 2
FROM generate_series(1, 900) AS n;
"""
OPTIONS = (
    "--batch-bytes",
    "20000",
    "--concurrency",
    "2",
    "--progress",
    "none",
    "--indexes",
    "after",
)
LATE_BY = 6  # requests

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture
async def source(database: Database) -> Database:
    await database.execute(SAMPLE)
    return database


def command(folder: Path, source: Database, target: Workerd, between: Between) -> Streamer:
    """The command with a D1 database of its own, which it reaches through `between`."""
    folder.mkdir(exist_ok=True)
    uuid = target.create(f"{source.name} {folder.name}")
    streamer = Streamer(folder, source, target, uuid)
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
    return streamer


async def finished(process: subprocess.Popen[str]) -> Outcome:
    return await asyncio.to_thread(ended, process)


async def assert_moved_whole(streamer: Streamer) -> None:
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


def made(streamer: Streamer) -> frozenset[tuple[object, ...]]:
    """Every table and index in the target that the run made."""
    found = streamer.target.rows(
        streamer.uuid,
        "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        " AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
    )
    return frozenset(map(tuple, found))


async def killed_at(streamer: Streamer, between: Between, number: int, *options: str) -> bool:
    """Kill the run when its request `number` has come; False if it ended before.

    One kind in turn: that request is executed, isn't, or is while the next run is under way.
    """
    killed: list[Request] = []
    process = streamer.start("run", *OPTIONS, *options)

    async def deal(request: Request, forward: Forward) -> web.Response:
        if request.number == number and not killed:
            if number % 3 == 0:
                await forward()
            process.kill()
            killed.append(request)
        if killed:
            return web.Response(status=500)
        return await forward()

    between.requests, between.deal = 0, deal
    done = await finished(process)
    if not killed:
        assert done.code == 0, done.said
        return False

    async def deal_late(request: Request, forward: Forward) -> web.Response:
        answer = await forward()
        if request.number == LATE_BY and number % 3 == 1:
            await between.send(killed[0])
        return answer

    between.requests, between.deal = 0, deal_late
    return True


async def test_fault_01_and_35_a_run_killed_at_any_of_its_requests_is_resumed_to_the_same_target(
    source: Database, workerd_d1: Workerd, between: Between, tmp_path: Path
) -> None:
    number, killed = 0, True
    shapes = set[frozenset[tuple[object, ...]]]()
    while killed:
        number += 1
        streamer = command(tmp_path / str(number), source, workerd_d1, between)
        killed = await killed_at(streamer, between, number)
        if killed:
            resumed = await finished(streamer.start("run", "--resume", *OPTIONS))
            assert resumed.code == 0, (number, resumed.said)
            assert streamer.report["status"] == "done"
            totals = streamer.report["totals"]
            assert totals["rows_written"] == totals["rows_read"] == 2260, number
        await assert_moved_whole(streamer)
        shapes.add(made(streamer))
        workerd_d1.delete(streamer.uuid)

    assert number > 12
    (shape,) = shapes  # what came after the rows is there too, wherever the run was killed
    assert {name for kind, name, _ in shape if kind == "index"} >= {"employee_country"}


async def test_fault_06_requests_that_are_executed_once_more_and_late_change_nothing(
    source: Database, workerd_d1: Workerd, between: Between, tmp_path: Path
) -> None:
    streamer = command(tmp_path, source, workerd_d1, between)
    seen: list[Request] = []

    async def deal(request: Request, forward: Forward) -> web.Response:
        answer = await forward()
        seen.append(request)
        if len(seen) > LATE_BY:
            await between.send(seen[-1 - LATE_BY])
        return answer

    between.deal = deal
    first = await finished(streamer.start("run", *OPTIONS))
    assert first.code == 0, first.said
    assert await differences(source, workerd_d1, streamer.uuid) == []

    seen.clear()
    workerd_d1.run(streamer.uuid, "UPDATE country SET name = 'other'")
    replaced = await finished(streamer.start("run", *OPTIONS, "--if-exists", "replace"))

    assert replaced.code == 0, replaced.said
    assert await differences(source, workerd_d1, streamer.uuid) == []


@pytest.mark.parametrize("way", ["--resume", "--restart", "other settings", "rollback"])
async def test_fault_01_a_run_killed_between_its_claim_and_its_own_note_of_it_leaves_nothing_behind(
    source: Database, workerd_d1: Workerd, between: Between, tmp_path: Path, way: str
) -> None:
    streamer = command(tmp_path / "d1", source, workerd_d1, between)
    process = streamer.start("run", *OPTIONS)

    async def deal(request: Request, forward: Forward) -> web.Response:
        answer = await forward()
        if b'EXISTS \\"country\\"' in request.body:
            process.kill()
        return answer

    between.deal = deal
    await finished(process)
    assert {"_streamer_owner", "country"} <= {name for _, name, _ in made(streamer)}

    async def forwarded(_: Request, forward: Forward) -> web.Response:
        return await forward()

    between.deal = forwarded
    if way == "rollback":
        undone = await asyncio.to_thread(streamer, "rollback", "--yes")
        assert undone.code == 0, undone.said
        assert made(streamer) == frozenset()
        return
    if way == "--resume":
        refused = await finished(streamer.start("run", way, "--timestamps", "unixms", *OPTIONS))
        assert refused.code == 2, refused.said
        assert (
            "log: in D1 with columns of another type: at is TEXT, planned INTEGER" in refused.said
        )
    other = way == "other settings"
    options = ("--restart", "--timestamps", "unixms") if other else (way,)
    done = await finished(streamer.start("run", *options, *OPTIONS))
    assert done.code == 0, done.said
    if other:
        (log,) = [sql for _, name, sql in made(streamer) if name == "log"]
        assert '"at" INTEGER' in str(log)
        return
    await assert_moved_whole(streamer)


async def test_fault_01_a_claim_that_comes_late_before_another_ones_makes_no_tables_of_other_settings(
    source: Database, workerd_d1: Workerd, between: Between, tmp_path: Path
) -> None:
    streamer = command(tmp_path / "d1", source, workerd_d1, between)
    killed = streamer.start("run", *OPTIONS)
    late: list[Request] = []

    async def held_up(request: Request, forward: Forward) -> web.Response:
        if b'EXISTS \\"country\\"' not in request.body:
            return await forward()
        late.append(request)
        killed.kill()
        return web.Response(status=503)

    between.deal = held_up
    await finished(killed)
    assert made(streamer) == frozenset()

    async def late_first(request: Request, forward: Forward) -> web.Response:
        if late and b'EXISTS \\"country\\"' in request.body:
            await between.send(late.pop())
        return await forward()

    between.deal = late_first
    options = ("--restart", "--timestamps", "unixms", *OPTIONS)
    refused = await finished(streamer.start("run", *options))
    assert refused.code == 1, refused.said
    assert "log: in D1 with columns of another type: at is TEXT, planned INTEGER" in refused.said
    assert late == []

    done = await finished(streamer.start("run", *options))
    assert done.code == 0, done.said
    (log,) = [sql for _, name, sql in made(streamer) if name == "log"]
    assert '"at" INTEGER' in str(log)
