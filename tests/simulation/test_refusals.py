"""Every refusal that D1 is known to make, in whole runs: what passes, what needs somebody to act."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.errors import ExitCode
from streamer.model import Consistency, IfExists, Pack
from tests.simulation import shapes
from tests.simulation.history import History
from tests.simulation.process import Mode, Process
from tests.simulation.settings import HistorySettings
from tests.simulation.target import limited, refusal
from tests.simulation.trouble import Rates

# Status, code, message, and whether the request may have been executed (d1.md calls that unknown).
PASSING = [
    (429, 7500, "D1 DB is overloaded. Requests queued for too long.", False),
    (429, 7500, "D1 DB is overloaded. Too many requests queued.", False),
    (500, 7500, "Network connection lost.", True),
    (500, 7500, "D1 DB reset because its code was updated.", True),
    (500, 7500, "Internal error in D1 DB storage caused object to be reset.", True),
    (500, 7500, "Internal error while starting up D1 DB storage caused object to be reset.", True),
    (500, 7500, "D1_ERROR: client disconnected", True),
    (500, 7500, "internal error; reference = abc123", True),
    (503, 7009, "Upstream service unavailable", True),
    (500, 0, "", True),
    (400, 7500, "D1 DB storage operation exceeded timeout which caused object to be reset.", True),
    (400, 7500, "D1 DB exceeded its CPU time limit and was reset.", True),
    (400, 7500, "D1 DB's isolate exceeded its memory limit and was reset.", True),
    (400, 7500, "Cannot resolve D1 DB due to transient issue", False),
    (400, 7500, "Currently processing a long-running import.", False),
    (400, 7500, "Currently processing a long-running export.", False),
    (400, 7500, "too many SQL variables at offset 9: SQLITE_ERROR", False),
    (400, 7500, "string or blob too big: SQLITE_TOOBIG", False),
    (400, 7500, "out of memory: SQLITE_NOMEM", False),
    (400, 7500, "too many terms in compound SELECT: SQLITE_ERROR", False),
    (413, 0, "", False),
    (418, 0, "I'm a teapot", False),
]
RESUMABLE, FAILED = ExitCode.RESUMABLE, ExitCode.FAILED
ENDING = [
    (400, 7500, "Exceeded free tier daily row write limit", RESUMABLE),
    (429, 7500, "your account has exceeded its free tier daily row read limit", RESUMABLE),
    (400, 7500, "Exceeded maximum DB size", FAILED),
    (400, 7500, "Your account has exceeded D1's maximum account storage limit", FAILED),
    (400, 7500, "NOT NULL constraint failed: _streamer_ledger.epoch: SQLITE_CONSTRAINT", FAILED),
    (400, 7500, "no such table: main._streamer_owner: SQLITE_ERROR", FAILED),
    (400, 7500, "no such table: t: SQLITE_ERROR", FAILED),
    (400, 7500, "not authorized: SQLITE_AUTH", FAILED),
    (401, 10000, "Authentication error", FAILED),
    (403, 10000, "Authentication error", FAILED),
    (400, 9106, "Missing X-Auth-Key", FAILED),
    (400, 7403, "The given account is not valid or is not authorized", FAILED),
    (404, 7404, "The database x could not be found", FAILED),
]


def history(folder: Path) -> History:
    """Some hundred rows of one table, moved in several requests, where nothing else goes wrong."""
    calm = replace(
        HistorySettings.of(1),
        kills=0,
        signals=0,
        restarts=0,
        changes_s=0.0,
        rates=Rates(),
        clock_jumps=False,
        disk=0.0,
        idle_s=0.0,
        poison=0.0,
        if_exists=IfExists.FAIL,
        consistency=Consistency.SNAPSHOT,
        pack=Pack.JSON,
        batch_size=100,
        pacing=replace(HistorySettings.of(1).pacing, concurrency=2, batch_bytes=2_000),
    )
    return History(calm, folder, shapes.make_of(shapes.SHAPES[:1], random.Random(1), 100))


@pytest.mark.parametrize(("status", "code", "message", "executed"), PASSING)
def test_fault_11_what_passes_is_waited_for_or_cut_smaller_and_costs_no_row(
    status: int, code: int, message: str, *, executed: bool, tmp_path: Path
) -> None:
    story = history(tmp_path)
    answer = refusal(status, code, message)
    story.world.d1.refusals = [(answer, False), (answer, executed)]

    told = story.play()

    assert told.starts == 1
    assert story.world.d1.refusals == []


@pytest.mark.parametrize("after", [None, "2", "300"])
def test_fault_11_the_api_s_limit_is_waited_out(after: str | None, tmp_path: Path) -> None:
    story = history(tmp_path)
    story.world.d1.refusals = [(limited(after), False)]

    told = story.play()

    assert told.starts == 1
    assert story.world.now >= float(after or 300)


@pytest.mark.parametrize(("status", "code", "message", "ends"), ENDING)
def test_fault_11_what_does_not_pass_ends_the_run_at_once_and_it_is_resumed_once_mended(
    status: int, code: int, message: str, ends: ExitCode, tmp_path: Path
) -> None:
    story = history(tmp_path)
    story.world.d1.refusals = [(refusal(status, code, message), False)] * 50

    ended = Process(story.world, Mode.FIRST).play()

    assert ended.code is ends, ended.said
    assert len(story.world.d1.refusals) >= 48  # at most one for each request that was in flight
    assert ended.at < 60.0
    story.oracle.after_crash()
    story.world.d1.refusals = []
    assert story.play_on().starts == 2


def test_fault_11_a_refusal_that_nobody_knows_is_tried_a_few_times_and_then_ends_the_run(
    tmp_path: Path,
) -> None:
    story = history(tmp_path)
    unknown = refusal(400, 7500, "the moon is in the wrong place")
    story.world.d1.refusals = [(unknown, False)] * 200

    ended = Process(story.world, Mode.FIRST).play()

    assert ended.code is ExitCode.FAILED
    assert "the moon is in the wrong place" in ended.said
    assert 2 <= 200 - len(story.world.d1.refusals) <= 40
    story.world.d1.refusals = []
    story.play_on()
