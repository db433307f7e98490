"""As much as a D1 takes, on the virtual clock: the product's packing and pacing before models of a D1.

Reading takes no time: rows are there at once, within the byte budget that a run has. What is left is
how requests fill, how big they are, how many are sent at once, and how fast.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from streamer.config import PacingSettings, TargetSettings
from streamer.d1 import SilentObserver, open_database
from streamer.d1.api import EMPTY, Body, Break, Reply
from streamer.model import (
    Answer,
    Key,
    Pack,
    Page,
    PageSize,
    Secret,
    StepId,
    StepKind,
    TablePlan,
)
from streamer.pace import CONCURRENCY_CAP
from streamer.pack import Layout, LedgerStep
from streamer.pipeline import Limits, Load, Mover, Recorder
from streamer.sinks.d1 import D1Sink
from streamer.sinks.ownership import Ownership
from tests.simulation.clock import VirtualLoop, play
from tests.simulation.costs import S_A_MB, SHAPES, Shape, rows_of

ACCOUNT = "account"
DATABASE = "11111111-2222-4333-8444-555555555555"
_TARGET = TargetSettings(ACCOUNT, DATABASE, Secret("token"))
_STEP = StepId(1)
_SERIAL = "D1 DB is overloaded. Requests queued for too long."
_RESET = "D1 DB exceeded its CPU time limit and was reset."


@dataclass(frozen=True, slots=True)
class Model:
    """A D1 some way off; times in seconds.

    A body takes `away_s` and its share of the line (`line_s_a_mb`, one after the other) to get there,
    waits for its turn (one at a time; more than `queue` waiting are refused), and is worked on for
    `base_s` and `slower` times what workerd takes for its rows and bytes, give or take the share
    `jitter`. One that needs more than `most_s` is reset for its CPU time; one over `most_mb` isn't taken.
    """

    name: str
    away_s: float = 0.0002
    line_s_a_mb: float = 0.0
    base_s: float = 0.002
    slower: float = 1.0
    jitter: float = 0.1
    queue: int = 1_000
    most_s: float = 1_000.0
    most_mb: float = 100.0


MODELS = (
    Model("fast, local"),
    Model("150 ms away", away_s=0.075),
    Model("150 ms away, slow line", away_s=0.075, line_s_a_mb=0.08),
    Model("150 ms away, slow", away_s=0.075, slower=5.0),
    Model("150 ms away, unsteady", away_s=0.075, slower=2.5, jitter=0.9),
    Model("overloaded beyond 3 waiting", away_s=0.04, slower=10.0, queue=3),
    Model("overloaded beyond 1 waiting", away_s=0.075, slower=10.0, queue=1),
    Model("resets beyond 0.15 s", away_s=0.04, slower=4.0, most_s=0.15),
    Model("takes 2.5 MB at most", away_s=0.04, slower=4.0, most_mb=2.5),
)
"""Slow, far, unsteady and easily overloaded ones."""


@dataclass(slots=True)
class _D1:
    """The model at work. `refused` counts requests that it had no room for, or that were too much."""

    model: Model
    shape: Shape
    dice: random.Random
    requests: int = 0
    refused: int = 0
    rows: int = 0
    _line_free: float = 0.0
    _waiting: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self, method: str, path: str, body: Body = EMPTY) -> Reply | Break:
        del path
        model, loop = self.model, asyncio.get_running_loop()
        self.requests += 1
        self._line_free = max(loop.time(), self._line_free) + model.line_s_a_mb * len(body) / 1e6
        await asyncio.sleep(self._line_free - loop.time() + model.away_s)
        reply = await self._answered(body, is_query=method == "POST")
        self.refused += reply.status != 200
        await asyncio.sleep(model.away_s)
        return reply

    async def aclose(self) -> None:
        pass

    async def _answered(self, body: Body, *, is_query: bool) -> Reply:
        model, size_mb = self.model, len(body) / 1e6
        if not is_query:
            return _reply({"uuid": DATABASE, "name": "shop"})
        if size_mb > model.most_mb:
            return Reply(413, b"")
        if self._waiting > model.queue:
            return _refusal(429, _SERIAL)
        *of_rows, _ledger = body.statements
        rows = sum(rows_of(statement.params) for statement in of_rows)
        needs_s = model.slower * (S_A_MB * size_mb + self.shape.row_s * rows)
        self._waiting += 1
        try:
            async with self._turn:
                spread = 1.0 + model.jitter * (2 * self.dice.random() - 1.0)
                await asyncio.sleep(model.base_s + min(needs_s, model.most_s) * spread)
        finally:
            self._waiting -= 1
        if needs_s > model.most_s:
            return _refusal(500, _RESET)
        self.rows += rows
        return _reply([_RESULT] * len(body.statements))


@dataclass(frozen=True, slots=True)
class Pumped:
    """What sending it all came to, in virtual seconds."""

    seconds: float
    rows: int
    requests: int
    refused: int
    concurrency: int
    batch_bytes: int


def pump(
    model: Model,
    folder: Path,
    *,
    megabytes: float,
    shape: Shape = SHAPES[0],
    concurrency: int | None = None,
    batch_bytes: int | None = None,
    seed: int = 1,
) -> Pumped:
    """Send so many megabytes to `model`, with fixed settings or what is found by itself (None)."""
    loop = VirtualLoop()
    d1 = _D1(model, shape, random.Random(f"{seed} {model.name}"))
    pacing = PacingSettings(rate=None, concurrency=concurrency, batch_bytes=batch_bytes)
    return play(loop, _pump(d1, loop, pacing, folder, shape.rows(megabytes)))


async def _pump(
    d1: _D1, loop: VirtualLoop, pacing: PacingSettings, folder: Path, rows: int
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
    plan = d1.shape.plan()
    layout = Layout.of(plan, StepKind.ROWS, Pack.AUTO, into_stage=False)
    sink = D1Sink(
        database,
        Ownership(database, run="run", epoch=1, holder="holder"),
        layouts={_STEP: layout},
        steps={_STEP: LedgerStep(plan.target, StepKind.ROWS)},
    )
    mover = Mover(
        source=_Source(d1.shape, rows),
        sink=sink,
        recorder=Recorder(_save),
        observer=_Deaf(),
        sizes=Limits(uploaders=pacing.concurrency or CONCURRENCY_CAP),
        stop=asyncio.Event(),
    )
    began = loop.time()
    await mover.move([Load(_STEP, StepKind.ROWS, plan, layout)])
    seconds = loop.time() - began
    await database.aclose()
    return Pumped(
        seconds, d1.rows, d1.requests, d1.refused, database.concurrency, database.batch_bytes
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """So many rows of a shape, with the keys 0, 1, 2, …."""

    shape: Shape
    rows: int

    async def read(
        self, _plan: TablePlan, _kind: StepKind, after: Key | None, page_size: PageSize
    ) -> AsyncGenerator[Page]:
        at = int(after[0]) + 1 if after else 0
        while at < self.rows:
            page = self.shape.page(at, min(at + page_size.rows, self.rows))
            yield page
            at += len(page.records)


class _Deaf:
    """Wants to know nothing."""

    def table_started(self, table: str, rows_estimate: int) -> None: ...
    def page_read(self, table: str, rows: int) -> None: ...
    def chunk_written(self, table: str, rows: int, sent_bytes: int) -> None: ...
    def rows_skipped(self, table: str, rows: int) -> None: ...
    def rows_rejected(self, table: str, rows: int, *, written: bool = False) -> None: ...
    def request_answered(self, tables: Sequence[str], answer: Answer) -> None: ...
    def table_finished(self, table: str) -> None: ...


async def _save(loads: list[Load]) -> None:
    """The checkpoint's part: no time is measured here but the target's."""


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


def _reply(result: object) -> Reply:
    body = {"result": result, "success": True, "errors": [], "messages": []}
    return Reply(200, orjson.dumps(body))


def _refusal(status: int, message: str) -> Reply:
    errors = [{"code": 7500, "message": message}]
    body = {"result": [], "success": False, "errors": errors, "messages": []}
    return Reply(status, orjson.dumps(body))
