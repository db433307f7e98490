"""As much as a D1 takes, on the virtual clock: the product's own pacing before models of a D1.

Nothing is read or packed: bodies are there at once, within the byte budget that a run has. What is
left is how fast requests are sent, how big, and how many at once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from streamer.config import PacingSettings, TargetSettings
from streamer.d1 import SilentObserver, open_database
from streamer.d1.api import EMPTY, Body, Break, Reply
from streamer.errors import StreamerError
from streamer.limits import MEMORY_BYTES
from streamer.model import Secret, Statement
from streamer.pace import CONCURRENCY_CAP
from streamer.pipeline.budget import ByteBudget
from tests.simulation.clock import VirtualLoop, play

ACCOUNT = "account"
DATABASE = "11111111-2222-4333-8444-555555555555"
_TARGET = TargetSettings(ACCOUNT, DATABASE, Secret("token"))
_SERIAL = "D1 DB is overloaded. Requests queued for too long."
_RESET = "D1 DB exceeded its CPU time limit and was reset."


@dataclass(frozen=True, slots=True)
class Model:
    """A D1 some way off; times in seconds.

    A body takes `away_s` and its share of the line (`line_s_a_mb`, one after the other) to get there,
    waits for its turn (one at a time; more than `queue` waiting are refused), and is worked on for
    `base_s` and `s_a_mb`, give or take the share `jitter`. One over `most_mb` is reset for its CPU time.
    """

    name: str
    away_s: float = 0.0002
    line_s_a_mb: float = 0.0
    base_s: float = 0.002
    s_a_mb: float = 0.022
    jitter: float = 0.1
    queue: int = 1_000
    most_mb: float = 100.0


MODELS = (
    Model("fast, local"),
    Model("150 ms away", away_s=0.075),
    Model("150 ms away, slow line", away_s=0.075, line_s_a_mb=0.08),
    Model("150 ms away, slow D1", away_s=0.075, s_a_mb=0.12),
    Model("unsteady", away_s=0.075, s_a_mb=0.06, jitter=0.9),
    Model("overloaded beyond 3 waiting", away_s=0.04, s_a_mb=0.25, queue=3),
    Model("resets above 1.5 MB", away_s=0.04, s_a_mb=0.1, most_mb=1.5),
)
"""Slow, far, unsteady and easily overloaded ones; 22 ms a MB is what workerd was measured to take."""


@dataclass(slots=True)
class _D1:
    """The model at work. `refused` counts requests that it had no room for, or that it reset."""

    model: Model
    dice: random.Random
    requests: int = 0
    refused: int = 0
    _line_free: float = 0.0
    _free: float = 0.0
    _waiting: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self, method: str, path: str, body: Body = EMPTY) -> Reply | Break:
        del path
        model, loop, size_mb = self.model, asyncio.get_running_loop(), len(body) / 1e6
        self.requests += 1
        line_s = model.line_s_a_mb * size_mb
        self._line_free = max(loop.time(), self._line_free) + line_s
        await asyncio.sleep(self._line_free - loop.time() + model.away_s)
        reply = await self._answered(size_mb, is_query=method == "POST")
        await asyncio.sleep(model.away_s)
        return reply

    async def aclose(self) -> None:
        pass

    async def _answered(self, size_mb: float, *, is_query: bool) -> Reply:
        if not is_query:
            return _reply(200, {"uuid": DATABASE, "name": "shop"})
        if self._waiting > self.model.queue:
            self.refused += 1
            return _refusal(429, _SERIAL)
        self._waiting += 1
        try:
            async with self._turn:
                spread = 1.0 + self.model.jitter * (2 * self.dice.random() - 1.0)
                await asyncio.sleep((self.model.base_s + self.model.s_a_mb * size_mb) * spread)
        finally:
            self._waiting -= 1
        if size_mb > self.model.most_mb:
            self.refused += 1
            return _refusal(500, _RESET)
        return _reply(200, [_RESULT])


@dataclass(frozen=True, slots=True)
class Pumped:
    """What sending it all came to, in virtual seconds."""

    seconds: float
    requests: int
    refused: int
    concurrency: int
    batch_bytes: int


def pump(
    model: Model,
    folder: Path,
    *,
    megabytes: float,
    concurrency: int | None = None,
    batch_bytes: int | None = None,
    seed: int = 1,
) -> Pumped:
    """Send so many megabytes to `model`, with fixed settings or what is found by itself (None)."""
    loop = VirtualLoop()
    dice = random.Random(f"{seed} {model.name}")
    d1 = _D1(model, dice)
    pacing = PacingSettings(rate=None, concurrency=concurrency, batch_bytes=batch_bytes)
    return play(loop, _pump(d1, loop, pacing, folder, megabytes))


async def _pump(
    d1: _D1, loop: VirtualLoop, pacing: PacingSettings, folder: Path, megabytes: float
) -> Pumped:
    database = await open_database(
        _TARGET,
        pacing,
        SilentObserver(),
        clock=_Clock(loop.time),
        random=d1.dice.random,
        transport=d1,
        state=folder,
    )
    began, left = loop.time(), int(megabytes * 1e6)
    budget = ByteBudget(MEMORY_BYTES)
    text = b"x" * 5_000_000

    async def send(size: int) -> None:
        most = database.worth_a_try
        if most is not None and size > most:
            await send(size // 2)
            await send(size - size // 2)
            return
        try:
            body = b'["' + text[:size] + b'"]'
            await database.execute([Statement("SELECT 1", body)], can_be_cut=True)
        except StreamerError:  # as a run does: cut, and sent in halves
            if size < 100_000:
                raise
            await send(size // 2)
            await send(size - size // 2)

    async def uploader() -> None:
        nonlocal left
        while left > 0:
            size = min(left, database.batch_bytes - 200)
            left -= size
            await budget.take(size)
            try:
                await send(size)
            finally:
                budget.give(size)

    async with asyncio.TaskGroup() as group:
        for _ in range(pacing.concurrency or CONCURRENCY_CAP):
            group.create_task(uploader())
    seconds = loop.time() - began
    found = Pumped(seconds, d1.requests, d1.refused, database.concurrency, database.batch_bytes)
    await database.aclose()
    return found


@dataclass(frozen=True, slots=True)
class _Clock:
    now: Callable[[], float]

    def monotonic(self) -> float:
        return self.now()

    def wall(self) -> float:
        return self.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


_RESULT = {
    "results": {"columns": ["1"], "rows": [[1]]},
    "success": True,
    "meta": {"duration": 0.1, "rows_read": 0, "rows_written": 0, "size_after": 4096},
}


def _reply(status: int, result: object) -> Reply:
    body = {"result": result, "success": True, "errors": [], "messages": []}
    return Reply(status, orjson.dumps(body))


def _refusal(status: int, message: str) -> Reply:
    errors = [{"code": 7500, "message": message}]
    body = {"result": [], "success": False, "errors": errors, "messages": []}
    return Reply(status, orjson.dumps(body))
