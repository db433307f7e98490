"""A run that is asked to stop: by a signal, by two, by its own time limits, by a full disk."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from checkpoints import peek
from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.faults.test_every_request import SAMPLE
from tests.stories.command import Outcome, Streamer, ended
from tests.stories.compare import differences, our_leftovers

OPTIONS = ("--progress", "none", "--batch-bytes", "6000", "--concurrency", "1")
MIDDLE = 14  # request: some tables are read, others aren't begun

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

Meet = Callable[[Request, Forward], Awaitable[web.Response]]


@dataclass
class Stopped:
    """The command with D1 behind a proxy, and what it has said so far."""

    streamer: Streamer
    between: Between
    said: str = ""
    process: subprocess.Popen[str] = field(init=False)
    _listening: asyncio.Task[None] = field(init=False)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, *options: str) -> None:
        self.said, self.between.requests = "", 0
        self.process = self.streamer.start("run", *OPTIONS, *options)
        self._listening = asyncio.create_task(self._listen())

    def meet(self, at: int, meet: Meet) -> None:
        """Let `meet` deal with the requests from number `at` on."""

        async def deal(request: Request, forward: Forward) -> web.Response:
            return await (meet(request, forward) if request.number >= at else forward())

        self.between.deal = deal

    async def hear(self, words: str) -> None:
        """Return once the command has said `words`."""
        while words not in self.said:
            assert not self._listening.done(), self.said
            self._heard.clear()
            await self._heard.wait()

    async def _listen(self) -> None:
        assert self.process.stderr is not None
        while line := await asyncio.to_thread(self.process.stderr.readline):
            self.said += line
            self._heard.set()
        self._heard.set()

    async def end(self) -> Outcome:
        await self._listening
        done = await asyncio.to_thread(ended, self.process)
        return Outcome(done.code, done.stdout, self.said + done.stderr)

    async def assert_resumable(self, stopped: Outcome, *options: str) -> None:
        """It says how to go on, and that ends with every row in its place."""
        assert stopped.code == 75, stopped.said
        assert "--resume" in stopped.stderr
        self.meet(0, lambda _, forward: forward())
        self.start("--resume", *options)
        done = await self.end()
        assert done.code == 0, done.said
        target, uuid = self.between.server, self.streamer.uuid
        assert await differences(self.streamer.source, target, uuid) == []
        assert our_leftovers(target, uuid) == []


@pytest.fixture
async def run(database: Database, workerd_d1: Workerd, tmp_path: Path) -> AsyncIterator[Stopped]:
    await database.execute(SAMPLE)
    uuid = workerd_d1.create(database.name)
    streamer = Streamer(tmp_path, database, workerd_d1, uuid)
    async with Between(workerd_d1) as between:
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
        yield Stopped(streamer, between)
    workerd_d1.delete(uuid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
async def test_fault_02_a_signal_lets_the_request_in_flight_end_records_it_and_starts_no_other(
    run: Stopped, number: signal.Signals
) -> None:
    async def signal_first(request: Request, forward: Forward) -> web.Response:
        run.process.send_signal(number)
        await run.hear("finishing the requests in flight")
        sent.append(json.loads(json.loads(request.body)["batch"][-1]["params"][0])[-1])
        return await forward()

    sent: list[list[str]] = []
    run.meet(MIDDLE, signal_first)
    run.start()
    stopped = await run.end()

    assert "stopped by a signal" in stopped.stderr
    assert run.between.requests == MIDDLE
    assert run.streamer.report["status"] == "stopped"
    saved = peek(run.streamer.checkpoint)
    assert saved is not None
    table, kind, _, _, last, *_ = sent[0]
    (step,) = (s for s in saved.steps if (s.table, s.kind) == (f"public.{table}", kind))
    assert step.last_key == tuple(json.loads(last))
    await run.assert_resumable(stopped)


async def test_fault_02_a_signal_ends_a_run_at_once_that_waits_for_the_api(run: Stopped) -> None:
    waiting = asyncio.Event()

    async def pause_all(_request: Request, _forward: Forward) -> web.Response:
        waiting.set()
        error = {"code": 971, "message": "You are being rate limited"}
        answer = {"success": False, "errors": [error], "result": None, "messages": []}
        return web.json_response(answer, status=429, headers={"Retry-After": "3600"})

    run.meet(MIDDLE, pause_all)
    run.start()
    await waiting.wait()
    run.process.send_signal(signal.SIGTERM)
    stopped = await run.end()

    assert "stopped by a signal" in stopped.stderr
    await run.assert_resumable(stopped)


async def test_fault_02_a_signal_ends_a_run_that_waits_for_the_source(run: Stopped) -> None:
    source = run.streamer.source
    locked = await source.connect()
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

    async with locked.transaction():
        await locked.execute("LOCK TABLE country")
        run.start()
        while not (await source.fetch(f"{blocked} AND application_name = 'streamer'"))[0][0]:
            assert run.process.poll() is None
        run.process.send_signal(signal.SIGTERM)
        stopped = await run.end()
    await locked.close()

    assert "stopped by a signal" in stopped.stderr
    await run.assert_resumable(stopped)


async def test_fault_03_a_second_signal_ends_a_run_at_once_whose_request_is_never_answered(
    run: Stopped,
) -> None:
    never = asyncio.Event()

    async def hang(_request: Request, forward: Forward) -> web.Response:
        run.process.send_signal(signal.SIGINT)
        await run.hear("finishing the requests in flight")
        run.process.send_signal(signal.SIGINT)
        await never.wait()
        return await forward()

    run.meet(MIDDLE, hang)
    run.start()
    stopped = await run.end()

    assert "stopping at once" in stopped.stderr
    assert "streamer: interrupted" in stopped.stderr
    assert "stopped by a signal" not in stopped.stderr, "which the first one would have led to"
    await run.assert_resumable(stopped)


async def test_a_run_whose_time_is_over_stops_as_on_a_signal(run: Stopped) -> None:
    async def outlast(_request: Request, forward: Forward) -> web.Response:
        await run.hear("--max-duration is over")
        return await forward()

    run.meet(MIDDLE, outlast)
    run.start("--max-duration", "1s")
    stopped = await run.end()

    assert "stopped after --max-duration" in stopped.stderr
    assert run.between.requests <= MIDDLE
    await run.assert_resumable(stopped, "--max-duration", "6h")


async def test_fault_30_a_snapshot_too_old_no_longer_holds_back_vacuum_while_the_api_is_away(
    run: Stopped,
) -> None:
    source = run.streamer.source
    await source.execute("INSERT INTO feather SELECT n, 1 FROM generate_series(2000, 9000) n")
    held = "SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL"
    before: list[int] = []

    async def be_away(_request: Request, forward: Forward) -> web.Response:
        while count := (await source.fetch(f"{held} AND application_name = 'streamer'"))[0][0]:
            before.append(count)
            assert run.process.poll() is None
        return await forward()

    run.meet(MIDDLE, be_away)
    run.start("--max-snapshot-age", "1s")
    stopped = await run.end()

    assert before
    assert "maximum age" in stopped.stderr
    await run.assert_resumable(stopped)
    assert len(run.streamer.report["consistency"]["snapshots"]) > 1
