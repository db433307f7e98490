"""A loop with a virtual clock, and a model of the D1 API to talk to on it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from streamer.config import TargetSettings
from streamer.d1 import FailureKind
from streamer.d1.api import EMPTY, Body, Break, Reply
from streamer.model import Secret

DATABASE = "11111111-2222-3333-4444-555555555555"
TARGET = TargetSettings(account_id="acc", database=DATABASE, token=Secret("canary-token"))


@dataclass(slots=True)
class LoopClock:
    """The loop's virtual clock; its wall clock stands `ahead` seconds before it."""

    ahead: float = 1_700_000_000.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return self.monotonic() + self.ahead

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(slots=True)
class Notes:
    """An observer that writes everything down."""

    sends: list[float] = field(default_factory=list)
    retries: list[tuple[FailureKind, float]] = field(default_factory=list)
    pauses: list[tuple[float, str]] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    answers: int = 0

    def sent(self, _body_bytes: int) -> None:
        self.sends.append(asyncio.get_running_loop().time())

    def answered(self, _seconds: float, _rows_written: int) -> None:
        self.answers += 1

    def retried(self, kind: FailureKind, wait_s: float) -> None:
        self.retries.append((kind, wait_s))

    def paused(self, seconds: float, why: str) -> None:
        self.pauses.append((seconds, why))

    def concurrency(self, requests: int) -> None:
        self.levels.append(requests)

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def ok(result: Any) -> Reply:
    return Reply(200, orjson.dumps({"result": result, "success": True, "errors": []}))


def refusal(status: int, code: int, message: str, **headers: str) -> Reply:
    errors = [{"code": code, "message": message}]
    body = {"result": None, "success": False, "errors": errors, "messages": []}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, orjson.dumps(body), names)


def taken(statements: int, rows_written: int = 0) -> Reply:
    meta = {"rows_written": rows_written, "rows_read": 0, "size_after": 4096, "duration": 0.1}
    one = {"results": {"columns": [], "rows": []}, "success": True, "meta": meta}
    return ok([one] * statements)


Script = Callable[[float, str, str, bytes], Reply | Break | None]
"""What to answer at a time to method, path and body; None: as a healthy API does."""


@dataclass(slots=True)
class ModelApi:
    """A transport to an API that exists on the virtual clock only.

    A request travels `latency_s` in all, the part `there` of it on its way there, and waits for the one database, which needs `service_s` for each. `limit`
    requests in 300 s may arrive; who sends more is blocked for 300 s, as Cloudflare does it. `lag_s`
    says how much longer the answer to a body takes.
    """

    script: Script = lambda *_: None
    latency_s: float = 0.0
    there: float = 0.5
    lag_s: Callable[[bytes], float] = lambda _: 0.0
    service_s: float = 0.0
    jitter_s: float = 0.0
    limit: int = 1_000_000
    arrivals: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    in_flight: int = 0
    in_flight_max: int = 0
    blocks: int = 0
    closed: bool = False
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    _free_at: float = 0.0
    _blocked_until: float = 0.0

    async def send(self, method: str, path: str, body: Body = EMPTY) -> Reply | Break:
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight, self.in_flight_max)
        try:
            there_s = self.latency_s * self.there
            await asyncio.sleep(there_s + self.dice.random() * self.jitter_s)
            reply = await self._arrived(method, path, b"".join(body.pieces))
            await asyncio.sleep(self.latency_s - there_s + self.lag_s(b"".join(body.pieces)))
            return reply
        finally:
            self.in_flight -= 1

    async def _arrived(self, method: str, path: str, body: bytes) -> Reply | Break:
        now = asyncio.get_running_loop().time()
        self.arrivals.append(now)
        self.bodies.append(body)
        scripted = self.script(now, method, path, body)
        if scripted is not None:
            return scripted
        if now < self._blocked_until or sum(at > now - 300 for at in self.arrivals) > self.limit:
            if now >= self._blocked_until:
                self.blocks += 1
                self._blocked_until = now + 300
            return refusal(429, 971, "Please wait and consider throttling your request speed")
        if method == "GET":
            return ok({"uuid": DATABASE, "name": "shop"})
        self._free_at = max(now, self._free_at) + self.service_s
        await asyncio.sleep(self._free_at - now)
        return taken(len(orjson.loads(body)["batch"]), rows_written=1)

    async def aclose(self) -> None:
        self.closed = True
