"""Comparisons and repairs that are killed, stopped, and in the way of writers: what they say and leave."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.engines.postgres import Database, Postgres, now
from tests.engines.sqlite_file import PlainFile
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories import busy
from tests.stories.command import Streamer, ended
from tests.stories.compare import differences, our_leftovers
from tests.stories.forked import run_or_kill
from tests.stories.reports import read_report

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

QUIETLY = ("--progress", "none")
SMALL = (*QUIETLY, "--batch-bytes", "8000", "--concurrency", "2", "--rate-limit", "none")
KILLS = 4

# Of rows that the writer of busy.sql leaves alone.
CHANGES = [
    "UPDATE account SET owner = 'x' WHERE id % 6 = 0",
    "DELETE FROM feather WHERE id % 3 = 0 AND id < 60",
    "INSERT INTO feather VALUES (9003, 3, 0)",
    "UPDATE grandchild SET child = NULL WHERE id % 3 = 0 AND id < 90",
    "UPDATE by_bytes SET f = f * 2 WHERE big % 2 = 0",
    "DELETE FROM by_several WHERE a < '3'",
    "UPDATE employee SET boss = 3 WHERE id % 3 = 0 AND id < 30",
    "UPDATE egg SET chicken = 3 WHERE id % 3 = 0 AND id < 50",
    "INSERT INTO setting VALUES ('name 9000', 'x', 0)",
    "DELETE FROM log WHERE line = 'line 7'",
    "UPDATE leafy SET region = 'west' WHERE id = 33",
]


@pytest.fixture(scope="module")
def source(postgres: Postgres) -> Iterator[Database]:
    """The busy database, while nobody writes to it."""
    database = now(postgres.create_database())
    database.execute_now(busy.SQL)
    yield database
    now(postgres.drop_database(database.name))


@pytest.fixture
def into_file(source: Database, tmp_path: Path) -> Streamer:
    """The command, with the tables in a file."""
    streamer = Streamer(tmp_path, source, PlainFile(tmp_path / "busy.db"), "")
    assert streamer("run", *QUIETLY).code == 0
    return streamer


def report(streamer: Streamer) -> dict[str, Any]:
    return read_report(streamer.folder / "validation_report.json")


def named(streamer: Streamer) -> list[tuple[str, str, list[str], list[str]]]:
    """What a comparison named."""
    return [
        (table["name"], one["kind"], one["key"], one["columns"])
        for table in report(streamer)["tables"]
        for one in table["differences"]
    ]


def rows(file: PlainFile) -> dict[str, list[str]]:
    """All rows of all tables, in no order."""
    names = [
        name for (name,) in file.rows("", "SELECT name FROM sqlite_schema WHERE type = 'table'")
    ]
    return {name: sorted(map(repr, file.rows("", f'SELECT * FROM "{name}"'))) for name in names}


def killed_often(streamer: Streamer, most: int, *arguments: str) -> int:
    """Begin a command and kill it at one of its first `most` requests, again and again; how often."""
    dice, kills = random.Random(), 0
    for number in range(KILLS):
        at, when = dice.randint(3, most), dice.choice(["before", "within", "after"])
        print(f"request {at}, {when}")
        dying = Streamer(
            streamer.folder,
            streamer.source,
            streamer.target,
            "",
            program=("tests.stories.killed", str(at), when),
        )
        kills += dying(*arguments, *(("--resume",) if number else ())).code == -signal.SIGKILL
    return kills


def test_a_comparison_killed_at_any_request_is_resumed_to_the_same_report(
    into_file: Streamer,
) -> None:
    assert isinstance(into_file.target, PlainFile)
    for sql in CHANGES:
        into_file.target.change(sql)
    assert into_file("validate", "--full", *QUIETLY).code == 3
    expected = named(into_file)

    kills = killed_often(into_file, 40, "validate", "--full", *SMALL)
    done = into_file("validate", "--full", "--resume", *SMALL)

    assert kills > 0
    assert done.code == 3, done.said
    assert named(into_file) == expected


def test_what_another_run_has_moved_since_is_compared_from_the_beginning(
    into_file: Streamer,
) -> None:
    assert isinstance(into_file.target, PlainFile)
    program = ("tests.stories.killed", "30", "before")
    dying = Streamer(into_file.folder, into_file.source, into_file.target, "", program=program)
    assert dying("validate", "--full", *SMALL).code == -signal.SIGKILL
    moved = into_file("run", "--restart", "--if-exists", "replace", *QUIETLY)
    assert moved.code == 0, moved.said
    for sql in CHANGES:
        into_file.target.change(sql)

    resumed = into_file("validate", "--full", "--resume", *QUIETLY)
    found = named(into_file)
    anew = into_file("validate", "--full", *QUIETLY)

    assert resumed.code == anew.code == 3, resumed.said
    assert "there is no such validation to resume" in resumed.said
    assert found == named(into_file)


def test_a_repair_killed_at_any_request_is_resumed_to_equal_sides(into_file: Streamer) -> None:
    assert isinstance(into_file.target, PlainFile)
    before = rows(into_file.target)
    for sql in CHANGES:
        into_file.target.change(sql)
    assert rows(into_file.target) != before

    kills = killed_often(into_file, 75, "validate", "--full", "--repair", *SMALL)
    done = into_file("validate", "--full", "--repair", "--resume", *SMALL)

    assert kills > 0
    assert done.code == 0, done.said
    assert rows(into_file.target) == before


@pytest.mark.parametrize("options", [("--resume",), ()], ids=["resumed", "anew"])
def test_a_repair_killed_behind_its_last_row_leaves_no_marks_to_whoever_repairs_then(
    into_file: Streamer, options: tuple[str, ...]
) -> None:
    assert isinstance(into_file.target, PlainFile)
    before = rows(into_file.target)
    for sql in CHANGES:
        into_file.target.change(sql)
    dying = replace(into_file, program=("tests.stories.killed", "0", "leaving"))
    repairing = ("validate", "--full", "--repair", *QUIETLY)

    assert dying(*repairing).code == -signal.SIGKILL
    assert {*rows(into_file.target)} - {*before} == {"_streamer_ledger", "_streamer_owner"}

    done = into_file(*repairing, *options)

    assert done.code == 0, done.said
    assert rows(into_file.target) == before


async def test_repairs_killed_while_the_source_is_written_to_undo_nothing_and_end_equal(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> None:
    await database.execute(busy.SQL)
    uuid = workerd_d1.create(database.name)
    streamer = Streamer(tmp_path, database, workerd_d1, uuid)
    moved = await asyncio.to_thread(streamer, "run", *QUIETLY)
    assert moved.code == 0, moved.said
    for sql in CHANGES:
        workerd_d1.run(uuid, sql)
    dice = random.Random()

    async def repair(kill_after_s: float | None = None) -> tuple[int, str]:
        arguments = ("validate", "--full", "--repair", "--resume", *SMALL)
        environment = streamer.environment
        return await run_or_kill(
            arguments, folder=tmp_path, environment=environment, kill_after_s=kill_after_s
        )

    async with busy.written_to(database, dice) as writer:
        ended = [await repair(dice.uniform(0.3, 4)) for _ in range(KILLS)]
        code, said = await repair()
        # What was changed while it was compared may be left, and is named; nothing else is.
        assert code in {0, 3}, said
        touched = {(t, k[0]) for t, _, k, _ in named(streamer)}
        assert [k for t, k in touched if t != "public.log" and not _moves(k)] == []
    assert writer.transactions > 10
    assert [said for code, said in ended if code not in {-9, 0, 3}] == []
    assert await busy.broken_promises(database, workerd_d1, uuid, writer) == []

    code, said = await repair()

    assert code == 0, said
    assert await differences(database, workerd_d1, uuid) == []
    assert our_leftovers(workerd_d1, uuid) == []
    workerd_d1.delete(uuid)


def _moves(key: str) -> bool:
    """Whether the writer may have changed the row with this key."""
    number = int("".join(sign for sign in key if sign in "-0123456789"))
    return number % 3 != 0


@pytest.mark.parametrize("mending", [False, True], ids=["compare", "repair"])
async def test_a_signal_ends_it_resumable_and_the_resume_ends_it(
    source: Database, workerd_d1: Workerd, tmp_path: Path, *, mending: bool
) -> None:
    uuid = workerd_d1.create(tmp_path.name)
    streamer = Streamer(tmp_path, source, workerd_d1, uuid)
    moved = await asyncio.to_thread(streamer, "run", *QUIETLY)
    assert moved.code == 0, moved.said
    for sql in CHANGES:
        workerd_d1.run(uuid, sql)
    arguments = ("validate", "--full", *(("--repair",) if mending else ()), *SMALL)

    async def signal_at(request: Request, forward: Forward) -> web.Response:
        if (b"INSERT INTO" in request.body) if mending else request.number == 12:
            process.send_signal(signal.SIGTERM)
        return await forward()

    async with Between(workerd_d1) as between:
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
        between.deal = signal_at
        process = streamer.start(*arguments)
        stopped = await asyncio.to_thread(ended, process)
        between.deal = lambda _, forward: forward()
        done = await asyncio.to_thread(streamer, *arguments, "--resume")

    assert stopped.code == 75, stopped.said
    assert "--resume" in stopped.stderr
    assert done.code == (0 if mending else 3), done.said
    assert (await differences(source, workerd_d1, uuid) == []) is mending
    assert our_leftovers(workerd_d1, uuid) == []
    workerd_d1.delete(uuid)


async def test_a_repair_after_a_killed_one_goes_on_while_something_else_changes_the_target(
    source: Database, workerd_d1: Workerd, tmp_path: Path
) -> None:
    uuid = workerd_d1.create(tmp_path.name)
    streamer = Streamer(tmp_path, source, workerd_d1, uuid)
    moved = await asyncio.to_thread(streamer, "run", *QUIETLY)
    assert moved.code == 0, moved.said
    workerd_d1.run(uuid, CHANGES[0])
    arguments = ("validate", "--full", "--repair", *SMALL)
    lost = ["DELETE FROM setting WHERE name = 'name 3'"]

    async def claimed_and_killed(request: Request, forward: Forward) -> web.Response:
        answer = await forward()
        if b"INSERT INTO _streamer_owner" in request.body:
            process.kill()
        return answer

    async def claimed_and_changed(request: Request, forward: Forward) -> web.Response:
        answer = await forward()
        if b"INSERT INTO _streamer_owner" in request.body and lost:
            await asyncio.to_thread(workerd_d1.run, uuid, lost.pop())
        return answer

    async with Between(workerd_d1) as between:
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
        between.deal = claimed_and_killed
        process = streamer.start(*arguments)
        killed = await asyncio.to_thread(ended, process)
        between.deal = claimed_and_changed
        done = await asyncio.to_thread(streamer, *arguments, "--resume")

    assert killed.code == -signal.SIGKILL, killed.said
    assert done.code == 0, done.said
    assert report(streamer)["repaired"]["rounds"] == 2
    assert await differences(source, workerd_d1, uuid) == []
    assert our_leftovers(workerd_d1, uuid) == []
    workerd_d1.delete(uuid)
