"""The checkpoint is lost: it is made anew from what the run left in its target, on another machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.engines.d1server import D1Server
from tests.engines.postgres import Database
from tests.faults.between import Between, Forward, Request
from tests.faults.test_every_request import SAMPLE
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers
from tests.stories.forked import run_or_kill

MORE = """
CREATE TABLE place (country text REFERENCES country, name text COLLATE "C", fat text,
    PRIMARY KEY (country, name));
INSERT INTO place SELECT 'c' || 1 + n % 20, 'place ' || n, repeat(md5(n::text), n)
FROM generate_series(1, 80) AS n;
"""
OPTIONS = (
    *("--batch-bytes", "20000", "--concurrency", "2", "--rate-limit", "none"),
    *("--progress", "none", "--indexes", "after"),
)
REBUILD = ("--resume", "--rebuild-checkpoint")
KILLED = -9
MOST_BYTES = 14_000  # of a request, here: D1 wants larger ones to be halved

pytestmark = [pytest.mark.postgres, pytest.mark.processes]


@pytest.fixture
async def source(database: Database) -> Database:
    await database.execute(SAMPLE + MORE)
    return database


class Machines:
    """A target, and machines that move into it, each with a folder of its own."""

    def __init__(self, folder: Path, source: Database, between: Between) -> None:
        self.folder = folder
        self.source = source
        self.between = between
        self.server = between.server
        self.uuid = ""
        self.machine = 0
        self.halved = 0

    def fresh(self) -> None:
        """Another target, empty."""
        if self.uuid:
            self.server.delete(self.uuid)
        self.machine += 1
        self.uuid = self.server.create(f"{self.source.name} {self.machine}")

    @property
    def streamer(self) -> Streamer:
        folder = self.folder / str(self.machine)
        folder.mkdir(exist_ok=True)
        streamer = Streamer(folder, self.source, self.server, self.uuid)
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = self.between.base_url
        return streamer

    async def start(self, *arguments: str, last: int = 0) -> tuple[int, str]:
        """Run a command; the request of the number `last` is its last, executed or not."""
        over = asyncio.Event()

        async def deal(request: Request, forward: Forward) -> web.Response:
            if request.number == last:
                if last % 2 and len(request.body) <= MOST_BYTES:
                    await forward()
                over.set()
            if over.is_set():
                await asyncio.Event().wait()
            if len(request.body) > MOST_BYTES:
                self.halved += 1
                return web.Response(status=413)
            return await forward()

        self.between.requests, self.between.deal = 0, deal
        streamer = self.streamer
        return await run_or_kill(
            arguments, folder=streamer.folder, environment=streamer.environment, kill_when=over
        )

    def lose_the_checkpoint(self) -> None:
        """Go on from another machine."""
        self.machine += 1

    async def assert_moved_whole(self) -> None:
        assert await differences(self.source, self.server, self.uuid) == []
        assert our_leftovers(self.server, self.uuid) == []


@pytest.fixture
async def machines(tmp_path: Path, source: Database, any_d1: D1Server) -> AsyncIterator[Machines]:
    async with Between(any_d1) as between:
        machines = Machines(tmp_path, source, between)
        yield machines
        if machines.uuid:
            any_d1.delete(machines.uuid)


@pytest.mark.workerd
async def test_fault_32_a_run_whose_checkpoint_is_lost_at_any_request_goes_on_from_its_ledger(
    machines: Machines,
) -> None:
    """The two targets share the requests; each rebuild is killed too, and called again.

    Every third history is a rolling one that loses its checkpoint twice.
    """
    rebuilt = 0
    for number in range(3 if machines.server.name == "workerd" else 1, 200, 5):
        machines.fresh()
        rolling = ("--consistency", "rolling") if number % 3 == 0 else ()
        code, _ = await machines.start("run", *OPTIONS, *rolling, last=number)
        if code == 0:
            break
        machines.lose_the_checkpoint()
        code, said = await machines.start(
            "run", *OPTIONS, *rolling, *REBUILD, last=1 + number // 2 % 9
        )
        if number % 3 == 0 and code == KILLED:
            machines.lose_the_checkpoint()
        if code == KILLED:
            code, said = await machines.start("run", *OPTIONS, *rolling, *REBUILD)
        if code == 2:  # nothing was claimed yet, or all was given back
            assert "no ledger" in said, said
            code, said = await machines.start("run", *OPTIONS, "--if-exists", "replace")
        else:
            rebuilt += 1
        assert code == 0, (number, said)
        await machines.assert_moved_whole()

    await machines.assert_moved_whole()
    assert rebuilt > 5
    assert machines.halved > 0
