"""D1 on the virtual clock: a SQLite with its limits, and everything that may happen on the way.

What was sent is executed when its time comes, whoever still waits for it: its sender may have given
up, sent it again, or been killed.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import orjson

from streamer.d1.api import EMPTY, Body, Break, Broken, Reply
from streamer.limits import API_WINDOW_S, REQUEST_TIMEOUT_S
from streamer.local_d1 import answers
from streamer.local_d1 import body as bodies
from streamer.local_d1.database import Database
from streamer.local_d1.errors import ApiError
from streamer.model import Rate
from streamer.pack import CURRENT
from tests.simulation.sessions import Died, Harm
from tests.simulation.trouble import Fate, TargetTrouble

ACCOUNT = "account"
DATABASE = "11111111-2222-4333-8444-555555555555"

_MARKING = 20  # requests that are remembered, to be executed once more
_CARRIES_ROWS = CURRENT.rows().encode()
_RESET = "D1 DB reset because its code was updated. Network connection lost."
_AFTER = frozenset({Fate.RESET_AFTER, Fate.SERVER_ERROR_AFTER, Fate.OBJECT_RESET_AFTER})
_NEVER = frozenset(
    {
        Fate.REFUSED,
        Fate.NAMELESS,
        Fate.RESET_BEFORE,
        Fate.SERVER_ERROR,
        Fate.OVERLOADED,
        Fate.LIMITED,
        Fate.OBJECT_RESET,
        Fate.TOO_SLOW,
        Fate.IMPORT,
    }
)
_UNSENT = {
    Fate.REFUSED: Break(Broken.NOT_CONNECTED, "can't connect: Connection refused"),
    Fate.NAMELESS: Break(Broken.UNKNOWN_HOST, "the host name can't be resolved"),
}
_REFUSED = {
    Fate.OVERLOADED: (429, 7500, "D1 DB is overloaded. Too many requests queued."),
    Fate.OBJECT_RESET: (500, 7500, _RESET),
    Fate.TOO_SLOW: (400, 7500, "D1 DB exceeded its CPU time limit and was reset."),
    Fate.IMPORT: (400, 7500, "Currently processing a long-running import."),
}


@dataclass(slots=True, order=True)
class Sent:
    """A request on its way to being executed at `at`; `reply` is there once it was.

    `again`: it was executed before.
    """

    at: float
    number: int
    body: bytes = field(compare=False)
    reply: Reply | None = field(default=None, compare=False)
    again: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Network:
    """How long things take: `there_s` and `back_s` up to so many seconds, `service_s` in D1."""

    there_s: float = 0.02
    back_s: float = 0.02
    service_s: float = 0.01


class D1:
    """The database and the API before it. Times are true time, which all processes share.

    `arrivals` are the times at which requests were counted, `blocks` how often the limit was
    exceeded. `bytes_max` is the most that was in flight at once. `refusals` are what the next requests
    that carry rows are answered, and whether they are executed all the same. `changed` makes another
    answer of a good one.
    """

    def __init__(self, trouble: TargetTrouble, network: Network, rate: Rate | None) -> None:
        self.database = Database(Path(":memory:"), inf)
        self.trouble = trouble
        self.network = network
        self.rate = rate
        self.arrivals: list[float] = []
        self.blocks = 0
        self.limited = 0
        self.fates: dict[Fate, int] = {}
        self.in_flight = 0
        self.bytes_in_flight = 0
        self.bytes_max = 0
        self.refusals: list[tuple[Reply, bool]] = []
        self.changed: Callable[[Reply], Reply] = lambda reply: reply
        self._free_at = 0.0
        self._blocked_until = -inf
        self._waiting: list[Sent] = []
        self._marking: deque[bytes] = deque(maxlen=_MARKING)
        self._numbers: Iterator[int] = itertools.count()

    def arrive(self, now: float) -> Reply | None:
        """Count a request; what it is answered where it is one too many, of now or of the day."""
        self.arrivals.append(now)
        quota = refusal(400, 7500, "D1 free tier daily row write limit exceeded")
        used_up = quota if now < self.trouble.used_up_until else None
        if self.rate is None:
            return used_up
        recent = sum(at > now - self.rate.seconds for at in self.arrivals)
        if now >= self._blocked_until and recent > self.rate.requests:
            self.blocks += 1
            self._blocked_until = now + API_WINDOW_S
        return limited() if now < self._blocked_until else used_up

    def submit(self, body: bytes, now: float, delay_s: float) -> Sent:
        """Have `body` executed `delay_s` from now, behind what waits already."""
        at = max(now + delay_s, self._free_at) + self.network.service_s
        if delay_s < 1.0:
            self._free_at = at
        sent = Sent(at, next(self._numbers), body)
        heapq.heappush(self._waiting, sent)
        return sent

    def execute_due(self, now: float) -> None:
        """Execute everything whose time has come."""
        while self._waiting and self._waiting[0].at <= now:
            sent = heapq.heappop(self._waiting)
            sent.reply = self._execute(sent.body)

    def again_late(self, dice: random.Random, now: float, share: float) -> None:
        """Have requests about a run's marks executed once more, from `now` on, with the probability `share`.

        Some of the newest since this was called last.
        """
        marking = list(self._marking)
        self._marking.clear()
        for body in marking if dice.random() < share else ():
            if dice.random() < 0.5:
                continue
            at = now + dice.random() * dice.choice([1.0, 30.0, 600.0])
            heapq.heappush(self._waiting, Sent(at, next(self._numbers), body, again=True))

    def settle(self) -> None:
        """Execute whatever is still on its way, but for the first time: no run is there any more."""
        self._waiting = [sent for sent in self._waiting if not sent.again]
        heapq.heapify(self._waiting)
        self.execute_due(inf)

    def _execute(self, body: bytes) -> Reply:
        if b"_streamer_owner" in body and b"_streamer_ledger AS o" not in body:  # no rows with it
            self._marking.append(body)
        try:
            queries = bodies.queries(bodies.parse(body))
            results = self.database.run(queries)
        except ApiError as error:
            return _reply(error.status, answers.failure(error.code, error.message))
        return _reply(200, answers.success([answers.as_arrays(result) for result in results]))


class ModelTransport:
    """One process's way to `d1`. `asleep` says how long its machine has slept: time it didn't see."""

    def __init__(self, d1: D1, process: Died, asleep: Callable[[], float]) -> None:
        self._d1 = d1
        self._process = process
        self._asleep = asleep

    async def send(self, method: str, path: str, body: Body = EMPTY) -> Reply | Break:
        """The answer, or how it failed to come."""
        if self._process.is_dead:
            raise asyncio.CancelledError
        match self._process.touch():
            case Harm.RAISE:
                return Break(Broken.DISCONNECTED, "the connection was lost before an answer")
            case Harm.HANG:
                await asyncio.sleep(REQUEST_TIMEOUT_S)
                return Break(Broken.TIMEOUT, "no whole answer in time")
            case _:
                pass
        d1 = self._d1
        d1.in_flight += 1
        d1.bytes_in_flight += len(body)
        d1.bytes_max = max(d1.bytes_max, d1.bytes_in_flight)
        try:
            return await self._send(method, path, body)
        finally:
            d1.in_flight -= 1
            d1.bytes_in_flight -= len(body)

    async def aclose(self) -> None:
        pass

    def _now(self) -> float:
        return asyncio.get_running_loop().time() + self._asleep()

    async def _send(self, method: str, path: str, body: Body) -> Reply | Break:
        d1, dice = self._d1, self._d1.trouble.dice
        fate = d1.trouble.of_request(self._now())
        d1.fates[fate] = d1.fates.get(fate, 0) + 1
        if fate in _UNSENT:
            await asyncio.sleep(dice.random())
            return _UNSENT[fate]
        await asyncio.sleep(dice.random() * d1.network.there_s)
        d1.execute_due(self._now())
        if fate is Fate.RESET_BEFORE and dice.random() < 0.5:
            return Break(Broken.DISCONNECTED, "the connection was lost before an answer")
        if (reply := d1.arrive(self._now())) is not None:
            return reply
        if d1.refusals and _CARRIES_ROWS in b"".join(body.pieces):
            refused, executed = d1.refusals.pop(0)
            if executed:
                await self._executed(Fate.FINE, method, path, b"".join(body.pieces))
            return refused
        if fate in _NEVER:
            await asyncio.sleep(dice.random() * 5.0)
            return self._failed(fate)
        return await self._executed(fate, method, path, b"".join(body.pieces))

    def _failed(self, fate: Fate) -> Reply | Break:
        dice = self._d1.trouble.dice
        if fate in _REFUSED:
            return refusal(*_REFUSED[fate])
        match fate:
            case Fate.SERVER_ERROR:
                return Reply(dice.choice([500, 502, 503, 504, 522]), b"<html>")
            case Fate.LIMITED:
                self._d1.limited += 1
                return limited(dice.choice([None, "1", "30", "300", "-5", "soon"]))
            case _:
                return Break(Broken.DISCONNECTED, "the connection was lost before an answer")

    async def _executed(self, fate: Fate, method: str, path: str, body: bytes) -> Reply | Break:
        d1, dice = self._d1, self._d1.trouble.dice
        if method == "GET":
            return _told(path)
        late = fate is Fate.ZOMBIE
        slow_s = 40.0 + dice.random() * dice.choice([5.0, 60.0, 600.0]) if late else 0.0
        if fate is Fate.SLOW:
            slow_s = dice.random() * 29.0
        began = self._now()
        sent = d1.submit(body, began, slow_s)
        wait_s = min(max(0.0, sent.at - began), REQUEST_TIMEOUT_S - 1.0)
        if late or fate is Fate.LOST_ANSWER:
            wait_s = REQUEST_TIMEOUT_S
        while wait_s > 0 and sent.reply is None:
            await asyncio.sleep(max(wait_s, 1e-6))  # less may be no time at all
            d1.execute_due(self._now())
            wait_s = min(sent.at - self._now(), REQUEST_TIMEOUT_S - (self._now() - began))
        if fate in _AFTER:
            return await self._lost(fate)
        if sent.reply is None or late or fate is Fate.LOST_ANSWER:
            return Break(Broken.TIMEOUT, "no whole answer in time")
        await asyncio.sleep(dice.random() * d1.network.back_s)
        if sent.reply.status == 200 and fate is Fate.NONSENSE:
            return _nonsense(dice.randrange(5), sent.reply)
        if sent.reply.status == 200 and fate is Fate.FEW_RESULTS:
            document = orjson.loads(sent.reply.body)
            return _reply(200, {**document, "result": document["result"][:-1]})
        return d1.changed(sent.reply) if sent.reply.status == 200 else sent.reply

    async def _lost(self, fate: Fate) -> Reply | Break:
        await asyncio.sleep(0.01)
        match fate:
            case Fate.SERVER_ERROR_AFTER:
                return refusal(500, 7500, "internal error; reference = abcdef")
            case Fate.OBJECT_RESET_AFTER:
                return refusal(500, 7500, _RESET)
            case _:
                return Break(Broken.DISCONNECTED, "the connection was lost within the answer")


def limited(after: str | None = None) -> Reply:
    """Code 971, with what `Retry-After` says."""
    headers = {"retry-after": after} if after is not None else {}
    refused = refusal(429, 971, "Please wait and consider throttling your request speed")
    return Reply(429, refused.body, headers)


def _told(path: str) -> Reply:
    if path.endswith("/time_travel/bookmark"):
        return _reply(200, answers.success({"bookmark": "0000-1"}))
    return _reply(200, answers.success({"uuid": DATABASE, "name": "shop"}))


def _nonsense(number: int, reply: Reply) -> Reply:
    shapes = [b"", b"<html></html>", reply.body[: len(reply.body) // 2], b"{}", b"[]"]
    return Reply(200, shapes[number])


def refusal(status: int, code: int, message: str) -> Reply:
    """What the API says where it doesn't do what it was asked to."""
    return _reply(status, answers.failure(code, message))


def _reply(status: int, document: object) -> Reply:
    return Reply(status, orjson.dumps(document))
