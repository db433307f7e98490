"""A run is taken back while what it had sent is still to be executed, or others come meanwhile."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest
from aiohttp import web

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories.asked import asking
from tests.stories.command import Outcome, Streamer, ended
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SAMPLE = """
CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO item SELECT n, 'name ' || n FROM generate_series(1, 200) AS n;
"""
ROWS = 200
CYCLE = """
CREATE TABLE chicken (id int PRIMARY KEY, egg int NOT NULL);
CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL);
INSERT INTO chicken SELECT n, 31 - n FROM generate_series(1, 30) AS n;
INSERT INTO egg SELECT n, n FROM generate_series(1, 30) AS n;
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE egg ADD FOREIGN KEY (chicken) REFERENCES chicken DEFERRABLE INITIALLY DEFERRED;
"""
OPTIONS = ("--progress", "none")
ROLLBACK = ("rollback", "--progress", "none")
CLAIM = b'EXISTS \\"item\\"'  # what makes the tables
BATCH = b'INTO \\"item\\"'
PUBLISHING = b'INTO \\"chicken\\"'
DROPPING_STAGES = b'DROP TABLE IF EXISTS \\"_streamer_stage'
FENCE = b"holder=excluded.holder"  # a claim, that of a rollback too
MINE = "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"


@pytest.fixture
async def source(database: Database) -> Database:
    await database.execute(SAMPLE)
    return database


@pytest.fixture
def moving(source: Database, workerd_d1: Workerd, between: Between, tmp_path: Path) -> Streamer:
    """The command, which reaches its D1 through `between`."""
    streamer = Streamer(tmp_path, source, workerd_d1, workerd_d1.create(source.name))
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
    return streamer


async def done(streamer: Streamer, *arguments: str) -> Outcome:
    return await asyncio.to_thread(streamer, *arguments)


async def killed_at(
    words: bytes, streamer: Streamer, between: Between, *arguments: str, executed: bool = False
) -> Request:
    """Kill a command when its first request with `words` has come; that request, which isn't executed."""
    came: list[Request] = []
    process = streamer.start(*arguments)

    async def deal(request: Request, forward: Forward) -> web.Response:
        if words in request.body and not came:
            if executed:
                await forward()
            process.kill()
            came.append(request)
        return web.Response(status=500) if came else await forward()

    between.deal = deal
    outcome = await asyncio.to_thread(ended, process)
    between.deal = forwarded
    assert came, outcome.said
    return came[0]


async def forwarded(_: Request, forward: Forward) -> web.Response:
    return await forward()


def names(streamer: Streamer) -> set[str]:
    """The tables in the target, those of marks included, but not the engine's own."""
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'table' "
        "AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    return {name for (name,) in streamer.target.rows(streamer.uuid, query)}


async def state(streamer: Streamer) -> str:
    return json.loads((await done(streamer, "status", "--json")).stdout)["state"]


async def test_fault_06_rows_of_others_that_a_late_batch_changed_are_noticed_behind_the_fence(
    moving: Streamer, between: Between
) -> None:
    moving.target.rows(moving.uuid, MINE)
    moving.target.rows(moving.uuid, "INSERT INTO item VALUES (1, 'mine')")
    upsert = ("--if-exists", "upsert", *OPTIONS)
    batch = await killed_at(BATCH, moving, between, "run", *upsert)

    async with asking(moving, *ROLLBACK) as rollback:
        await rollback.question()
        await between.send(batch)
        rollback.answer("yes")
        refused = await rollback.ended()
    proof = "SELECT sum(rows) FROM _streamer_ledger WHERE step = 'rows'"
    kept = moving.target.rows(moving.uuid, proof)
    again = await done(moving, *ROLLBACK, "--yes")
    resumed = await done(moving, "run", "--resume", *upsert)

    assert "leave item as it is" in refused.stdout
    assert refused.code == again.code == 2
    for said in (refused.stderr, again.stderr):
        assert "item held rows before the run: which of them were changed isn't known" in said
    assert kept == [[ROWS]]
    assert not (moving.folder / "rollback_report.json").exists()
    assert resumed.code == 0, resumed.said
    assert await differences(moving.source, moving.target, moving.uuid) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (CLAIM, ("leave item as it is", "drop the table item, 0 rows")),
        (BATCH, ("drop the table item, 0 rows", "drop the table item, 200 rows")),
    ],
    ids=["claim", "batch"],
)
@pytest.mark.parametrize("answer", ["yes", "no"])
async def test_fault_06_what_came_late_while_the_user_was_asked_is_asked_for_again(
    moving: Streamer, between: Between, words: bytes, told: tuple[str, str], answer: str
) -> None:
    late = await killed_at(words, moving, between, "run", *OPTIONS)

    async with asking(moving, *ROLLBACK) as rollback:
        await rollback.question()
        await between.send(late)
        rollback.answer("yes")
        await rollback.question()
        rollback.answer(answer)
        outcome = await rollback.ended()

    assert outcome.code == 0, outcome.said
    first, meanwhile, then = outcome.stdout.splitlines()
    assert (first, then) == told
    assert meanwhile.startswith("Meanwhile")
    if answer == "yes":
        assert names(moving) == set()
        return
    resumed = await done(moving, "run", "--resume", *OPTIONS)
    assert resumed.code == 0, resumed.said
    assert await differences(moving.source, moving.target, moving.uuid) == []
    assert our_leftovers(moving.target, moving.uuid) == []


@pytest.mark.parametrize("words", [CLAIM, BATCH], ids=["claim", "batch"])
async def test_fault_02_a_signal_while_a_rollback_asks_again_leaves_the_run_what_it_was(
    moving: Streamer, between: Between, words: bytes
) -> None:
    late = await killed_at(words, moving, between, "run", *OPTIONS)
    before = await state(moving)

    async with asking(moving, *ROLLBACK) as rollback:
        await rollback.question()
        await between.send(late)
        rollback.answer("yes")
        await rollback.question()
        rollback.process.send_signal(signal.SIGINT)
        stopped = await rollback.ended()

    assert stopped.code == 75, stopped.said
    assert "nothing was touched" in stopped.stderr
    assert await state(moving) == before
    resumed = await done(moving, "run", "--resume", *OPTIONS)
    assert resumed.code == 0, resumed.said
    assert await differences(moving.source, moving.target, moving.uuid) == []
    assert our_leftovers(moving.target, moving.uuid) == []


async def test_a_signal_that_comes_with_the_fence_leaves_the_run_what_it_was(
    moving: Streamer, between: Between
) -> None:
    moved = await done(moving, "run", *OPTIONS)
    assert moved.code == 0, moved.said
    process = moving.start(*ROLLBACK, "--yes")

    async def deal(request: Request, forward: Forward) -> web.Response:
        if FENCE in request.body:
            process.send_signal(signal.SIGINT)
        return await forward()

    between.deal = deal
    stopped = await asyncio.to_thread(ended, process)

    assert stopped.code == 75, stopped.said
    assert "nothing was touched" in stopped.stderr
    assert await state(moving) == "done"
    assert await differences(moving.source, moving.target, moving.uuid) == []
    assert our_leftovers(moving.target, moving.uuid) == []


@pytest.mark.parametrize("words", [CLAIM, BATCH], ids=["claim", "batch"])
async def test_fault_06_what_comes_right_before_the_fence_is_taken_back_too(
    moving: Streamer, between: Between, words: bytes
) -> None:
    late = await killed_at(words, moving, between, "run", *OPTIONS)
    sent: list[Request] = []

    async def deal(request: Request, forward: Forward) -> web.Response:
        if FENCE in request.body and not sent:
            sent.append(late)
            await between.send(late)
        return await forward()

    between.deal = deal
    undone = await done(moving, *ROLLBACK, "--yes")

    assert undone.code == 0, undone.said
    assert sent == [late]
    assert names(moving) == set()


async def test_fault_34_a_run_that_came_while_the_user_was_asked_keeps_its_tables(
    moving: Streamer, between: Between
) -> None:
    moved = await done(moving, "run", *OPTIONS)
    assert moved.code == 0, moved.said
    other = Streamer(
        moving.folder / "b", moving.source, moving.target, moving.uuid, moving.overrides
    )
    other.folder.mkdir()
    replace = ("--if-exists", "replace", *OPTIONS)

    async with asking(moving, *ROLLBACK) as rollback:
        await rollback.question()
        await killed_at(BATCH, other, between, "run", *replace, executed=True)
        rollback.answer("yes")
        refused = await rollback.ended()
    resumed = await done(other, "run", "--resume", *replace)

    assert refused.code == 2
    assert "item: another run writes to it now" in refused.stderr
    assert await state(moving) == "done"
    assert resumed.code == 0, resumed.said
    assert await differences(moving.source, moving.target, moving.uuid) == []


@pytest.mark.parametrize("is_killed", [False, True], ids=["asked", "killed behind the fence"])
async def test_rows_that_others_wrote_meanwhile_stay_and_so_does_the_finished_run(
    moving: Streamer, between: Between, *, is_killed: bool
) -> None:
    moved = await done(moving, "run", *OPTIONS)
    assert moved.code == 0, moved.said
    theirs = "INSERT INTO item VALUES (1000, 'theirs')"

    if is_killed:
        await killed_at(FENCE, moving, between, *ROLLBACK, "--yes", executed=True)
        moving.target.rows(moving.uuid, theirs)
        refused = await done(moving, *ROLLBACK, "--yes")
    else:
        async with asking(moving, *ROLLBACK) as rollback:
            await rollback.question()
            moving.target.rows(moving.uuid, theirs)
            rollback.answer("yes")
            refused = await rollback.ended()

    assert refused.code == 2
    assert "item holds 201 rows, the run wrote 200" in refused.stderr
    assert names(moving) == {"item"}
    assert await state(moving) == "done"
    assert moving.target.rows(moving.uuid, "SELECT count(*) FROM item") == [[ROWS + 1]]


@pytest.mark.parametrize("is_killed", [False, True], ids=["asked", "killed behind the fence"])
async def test_a_table_made_by_others_meanwhile_is_not_taken_for_the_runs_by_its_fence(
    moving: Streamer, between: Between, *, is_killed: bool
) -> None:
    await killed_at(CLAIM, moving, between, "run", *OPTIONS)

    async with asking(moving, *ROLLBACK) as rollback:
        await rollback.question()
        if is_killed:
            rollback.process.kill()
            await killed_at(FENCE, moving, between, *ROLLBACK, "--yes", executed=True)
        moving.target.rows(moving.uuid, MINE)
        moving.target.rows(moving.uuid, "INSERT INTO item VALUES (1, 'mine')")
        if not is_killed:
            rollback.answer("yes")
            refused = await rollback.ended()
            assert refused.code == 2
            assert "item holds 1 row, the run wrote 0" in refused.stderr
            assert names(moving) == {"item"}
    restarted = await done(moving, "run", "--restart", *OPTIONS)

    assert restarted.code == 2, restarted.said
    assert moving.target.rows(moving.uuid, "SELECT id, name FROM item") == [[1, "mine"]]


async def test_fault_06_a_view_that_a_killed_rollback_drops_late_stays_in_a_later_run(
    moving: Streamer, between: Between
) -> None:
    await moving.source.execute("CREATE VIEW item_name AS SELECT name FROM item")
    options = ("--views", "create", *OPTIONS)
    moved = await done(moving, "run", *options)
    assert moved.code == 0, moved.said
    late = await killed_at(b"DROP VIEW", moving, between, *ROLLBACK, "--yes")
    undone = await done(moving, *ROLLBACK, "--yes")
    assert undone.code == 0, undone.said
    again = await done(moving, "run", *options)
    assert again.code == 0, again.said

    await between.send(late)

    assert moving.target.rows(moving.uuid, "SELECT count(*) FROM item_name") == [[ROWS]]


async def test_fault_06_rows_that_wait_for_others_outlive_what_a_killed_rollback_drops_late(
    moving: Streamer, between: Between
) -> None:
    await moving.source.execute(CYCLE)
    await killed_at(PUBLISHING, moving, between, "run", *OPTIONS)
    late = await killed_at(DROPPING_STAGES, moving, between, *ROLLBACK, "--yes")
    undone = await done(moving, *ROLLBACK, "--yes")
    assert undone.code == 0, undone.said
    await killed_at(PUBLISHING, moving, between, "run", *OPTIONS)
    staged = names(moving)

    await between.send(late)
    left = names(moving)
    resumed = await done(moving, "run", "--resume", *OPTIONS)

    assert left == staged > {"_streamer_stage_chicken", "_streamer_stage_egg"}
    assert resumed.code == 0, resumed.said
    assert await differences(moving.source, moving.target, moving.uuid) == []


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole run", "killed run"])
async def test_fault_06_a_rollback_killed_at_any_request_is_ended_by_another_amid_which_it_comes(
    moving: Streamer, between: Between, *, is_whole: bool
) -> None:
    await moving.source.execute(CYCLE)
    await moving.source.execute("CREATE VIEW item_name AS SELECT name FROM item")
    moving.target.rows(moving.uuid, MINE)
    options = ("--views", "create", *OPTIONS)
    number = 0
    killed: list[Request] = []

    async def deal(request: Request, forward: Forward) -> web.Response:
        if request.number == number and not killed:
            process.kill()
            killed.append(request)
        return web.Response(status=500) if killed else await forward()

    async def deal_late(request: Request, forward: Forward) -> web.Response:
        answer = await forward()
        if request.number == number + 1:
            await between.send(killed[0])
        return answer

    while number == 0 or killed:
        number += 1
        killed.clear()
        # As on a machine that sent nothing before: these are more requests than five minutes allow.
        moving.overrides["XDG_STATE_HOME"] = str(moving.folder / str(number))
        if is_whole:
            moved = await done(moving, "run", *options)
            assert moved.code == 0, (number, moved.said)
        else:
            await killed_at(PUBLISHING, moving, between, "run", *options)
        process = moving.start(*ROLLBACK, "--yes")
        between.requests, between.deal = 0, deal
        await asyncio.to_thread(ended, process)
        if killed:
            between.requests, between.deal = 0, deal_late
            undone = await done(moving, *ROLLBACK, "--yes")
            assert undone.code == 0, (number, undone.said)
        between.deal = forwarded
        assert names(moving) == {"item"}, number
        assert moving.target.rows(moving.uuid, "SELECT count(*) FROM item") == [[0]], number

    assert number > 12
