"""A run that nobody looks after: the loop of the README while one thing after another goes wrong."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web

from tests.engines.postgres import Postgres
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SAMPLE = """
CREATE TABLE a (id int PRIMARY KEY, note text);
INSERT INTO a SELECT n, repeat('a', 50) FROM generate_series(1, 2000) AS n;
CREATE TABLE b (id int PRIMARY KEY, a int NOT NULL REFERENCES a);
INSERT INTO b SELECT n, n FROM generate_series(1, 2000) AS n;
CREATE TABLE log (line text);
INSERT INTO log SELECT 'line ' || n FROM generate_series(1, 500) AS n;
"""
# The loop of the README; where that sleeps for a minute, it says how the run ended and waits for us.
LOOP = """
until "$@" </dev/null; do code=$?; echo $code; case $code in 2|3) exit;; esac; read -r _; done
echo 0
"""
OPTIONS = ("--batch-bytes", "6000", "--concurrency", "2", "--progress", "none",
           "--give-up-after", "3s", "--log-file", "run.log")  # fmt: skip
FINE_REQUESTS = 8  # before the API goes away for the first time

DOWN = (503, 0, "")
USED_UP = (400, 7500, "D1 free tier daily row write limit exceeded")
REVOKED = (403, 10000, "Authentication error")


class Sky:
    """What the API answers now; None: what D1 does."""

    def __init__(self) -> None:
        self.now: tuple[int, int, str] | None = None

    def turn(self, to: tuple[int, int, str]) -> Callable[[], Awaitable[None]]:
        """What makes the API answer so from then on."""

        async def change() -> None:
            self.now = to

        return change

    async def deal(self, request: Request, forward: Forward) -> web.Response:
        if request.number == FINE_REQUESTS:
            self.now = DOWN
        if self.now is None:
            return await forward()
        status, code, message = self.now
        errors = [{"code": code, "message": message}]
        body = {"success": False, "errors": errors, "messages": [], "result": []}
        return web.Response(status=status, body=json.dumps(body) if message else b"<html>")


@pytest.fixture
def server(postgres: Postgres) -> Iterator[Postgres]:
    """A server that may be stopped without disturbing others."""
    own = Postgres(postgres.engine)
    own.start()
    yield own
    own.remove()


@pytest.fixture
async def streamer(
    server: Postgres, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    source = await server.create_database(f"unattended_{uuid4().hex}")
    await source.execute(SAMPLE)
    uuid = workerd_d1.create(source.name)
    yield Streamer(tmp_path, source, workerd_d1, uuid)
    workerd_d1.delete(uuid)


async def test_fault_30_a_run_in_a_loop_outlives_outage_quota_revoked_token_and_lost_source(
    streamer: Streamer, server: Postgres, workerd_d1: Workerd
) -> None:
    sky = Sky()

    async def stop_postgres() -> None:
        sky.now = None
        await asyncio.to_thread(server.stop)

    async def start_postgres() -> None:
        await asyncio.to_thread(server.start)

    # What each end of the command is to be, and what changes then.
    story: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("75", nothing),  # the API is down
        ("75", sky.turn(USED_UP)),  # it still is
        ("75", sky.turn(REVOKED)),
        ("1", stop_postgres),
        ("75", start_postgres),
        ("0", nothing),
    ]
    async with Between(workerd_d1) as between:
        between.deal = sky.deal
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
        command = (sys.executable, "-m", "streamer", "run", "--resume", *OPTIONS)
        loop = await asyncio.create_subprocess_exec(
            *("bash", "-c", LOOP, "loop", *command),
            cwd=streamer.folder,
            env=streamer.environment,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
        )
        assert loop.stdin is not None
        assert loop.stdout is not None
        ends: list[str] = []
        async for line in loop.stdout:
            if (code := line.decode().strip()).isdigit():
                ends.append(code)
                await story[len(ends) - 1][1]()
                loop.stdin.write(b"\n")

    assert ends == [code for code, _ in story]
    assert await differences(streamer.source, workerd_d1, streamer.uuid) == []
    assert our_leftovers(workerd_d1, streamer.uuid) == []
    assert streamer.report["status"] == "done"
    log = (streamer.folder / "run.log").read_text()
    told = ["HTTP 503", "daily quota", "Authentication error", "Nothing listens", "finishing"]
    places = [log.index(words) for words in told]
    assert places == sorted(places)
    times = re.findall(r"^(\d{4}-\d\d-\d\dT[\d:]+Z) ", log, re.MULTILINE)
    assert len(times) >= len(told)
    assert times == sorted(times)


async def nothing() -> None:
    pass
