"""The probe: a scratch table is made, filled by more and more at once, and taken away again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import field
from random import Random
from typing import Protocol

from streamer import limits
from streamer.d1 import Clock, FailureKind, RefusedRowsError, SilentObserver, TooLargeError
from streamer.errors import (
    StreamerError,
    TargetError,
    TargetUnavailableError,
    leaves,
)
from streamer.frozen import frozen
from streamer.model import Answer, Pack, Statement, TablePlan
from streamer.run.engine import with_engine
from streamer.run.stopping import Stopping
from streamer.tune.measured import Measured, Round, Shot
from streamer.tune.sample import Sample
from streamer.tune.scratch import Body, Scratch, drop, find_leftovers, leftovers, new_name

MOST_REQUESTS = 40
MOST_SECONDS = 30.0
MOST_WRITTEN = 60_000  # billed rows: six cents at most, and within a free day's 100,000
DROP_S = 20.0
PINGS = 3
NEAR, FAR = 2, 8  # how many requests are tried at once
SMALL_AT_ONCE = 4
_ALONE_BYTES = (250_000, 1_000_000, 2_000_000)
_MORE_ALONE = 3  # of the largest, where several at once can't fill the way
_ALONE_SHARE = 0.3  # of the rows that may be written; the others go together
_TOGETHER_S = 0.05  # what a request beside others is to take, where it may be so big
_TOGETHER_BYTES = 1_000_000
_FOR_THE_END = 2  # requests that are kept for taking the table away
_COUNTED, _SMALL_COUNTED = 8, 4  # requests of a round, beside its start and its end
_SMALL_BYTES = 25_000  # a tenth of the least body that is tried alone
_SMALL_ALONE = 2
_WAITED = 0.1  # of a round's time, waited for leave to send: it went by that much more slowly
# A shorter wait is Streamer's own, for the count that processes share and for other requests' work: up to 0.02 s
# was seen, where the API's limit makes 0.3 s of it.
_OWN_WAIT_S = 0.05
_LOOKED_UP = 100_000  # rows: 10 to 30 ms of workerd
_PING = Statement("SELECT 1")

log = logging.getLogger("streamer.tune")


class Database(Protocol):
    """Runs statements in one request, which is one transaction; retries by itself."""

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        """Return the results; every request given here may be sent more than once."""
        ...


class Count(SilentObserver):
    """Counts the requests of a process, every try of each, and passes warnings on.

    `turned_away` were sent again, for whatever reason.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.rows_written = 0
        self.turned_away = 0

    def sent(self, body_bytes: int, /) -> None:
        """One more."""
        del body_bytes
        self.requests += 1

    def answered(self, seconds: float, rows_written: int, /) -> None:
        """D1 bills so many rows."""
        del seconds
        self.rows_written += rows_written

    def retried(self, kind: FailureKind, wait_s: float, /) -> None:
        """One of them wasn't taken."""
        del kind, wait_s
        self.turned_away += 1

    def warning(self, what: str, /) -> None:
        """Say it in the log."""
        log.warning("%s", what)


@frozen
class Probing:
    """What a probe is told: rows like whose, packed how, and what it has to do with.

    The `sample` is what they are made of. `stopping` says when it is to end; `most_bytes` is what the
    user allows a request, None for no limit of theirs.
    """

    table: TablePlan
    sample: Sample
    pack: Pack
    count: Count
    clock: Clock
    stopping: Stopping
    most_bytes: int | None = None
    random: Random = field(default_factory=Random)


async def probe(database: Database, probing: Probing) -> Measured:
    """Try `database` out, with at most 40 requests and for about 30 s; what was seen.

    The scratch table is gone when this ends, however it does, or a warning names it. Those that
    killed probes have left are taken away first.

    Raises:
        InterruptedRunError: it was to end.
        TargetError, TargetUnavailableError: the target can't be used, or too slowly to measure it.
        RefusedError: the table's statements are too long, as they would be in a run.
    """
    async with probing.stopping.heeded():
        answer, engine = await with_engine(database, [find_leftovers()])
        await _tidy(database, leftovers(answer, 0))
    scratch = Scratch.like(
        probing.table,
        probing.sample,
        new_name(probing.random),
        probing.pack,
        engine=engine,
    )
    try:
        async with probing.stopping.heeded():
            return await _Probe(database, probing, scratch).carry_out()
    finally:
        await _take_away(database, scratch.name)


async def _tidy(database: Database, names: Sequence[str]) -> None:
    if names:
        log.info("taking away what a probe has left that was killed: %s", ", ".join(names))
        await database.execute([drop(name) for name in names[: limits.BATCH_STATEMENTS]])


async def _take_away(database: Database, name: str) -> None:
    """Drop the scratch table; where that can't be done it is said, and the first error stays."""
    try:
        async with asyncio.timeout(DROP_S):
            await database.execute([drop(name)])
    except (StreamerError, TimeoutError):
        log.warning(
            "the scratch table %s may still be in the target; the next `streamer tune` takes it away",
            name,
        )


def _requests_of(number: int, counted: int) -> int:
    """How many requests a round of so many at once has: those `counted`, and its start and its end.

    At the start connections are made, and nothing is answered yet; at the end no more requests come that
    the target would have to take in.
    """
    return number + counted + number - 1


@frozen
class _Ended:
    """A request of a round, and when it was `asked` for, `sent` (the last time) and `answered`."""

    body: Body
    asked: float
    sent: float
    answered: float

    def waited_s(self, began: float, end: float) -> float:
        """How long, between these times, it waited for the pace, or to be sent again."""
        if self.sent - self.asked < _OWN_WAIT_S:
            return 0.0
        return max(0.0, min(self.sent, end) - max(self.asked, began))


class _Probe:
    """One probe of one scratch table."""

    def __init__(self, database: Database, probing: Probing, scratch: Scratch) -> None:
        self._database = database
        self._probing = probing
        self._scratch = scratch
        self._next_row = 1
        self._pings: list[float] = []
        self._shots: list[Shot] = []
        self._rounds: list[Round] = []
        self._row_s: float | None = None
        self._small: Round | None = None
        self._lookup_s: float | None = None
        self._refused: int | None = None
        self._held_back = 0
        self._waited_s = 0.0

    async def carry_out(self) -> Measured:
        try:
            async with asyncio.timeout(MOST_SECONDS):
                await self._measure()
        except TimeoutError:
            log.info("%.0f s are over: what was seen so far has to do", MOST_SECONDS)
            self._held_back += self._waited_s > _WAITED * MOST_SECONDS
        except RefusedRowsError as error:
            raise TargetError(
                f"the scratch table {self._scratch.name} can't be filled: {error.what}",
                hint="Another `streamer tune` may have taken it away: let one end, then run again",
            ) from None
        if not self._pings or not self._shots:
            raise TargetUnavailableError(
                f"no row could be written in {MOST_SECONDS:.0f} s: the target is too slow now, or"
                " the rate limit is used up",
                hint="Run `streamer tune` again in five minutes",
            )
        return Measured(
            min(self._pings),
            tuple(self._shots),
            tuple(self._rounds),
            refused_bytes=self._refused,
            row_s=self._row_s,
            small=self._small,
            lookup_s=self._lookup_s,
            held_back=self._held_back,
        )

    async def _measure(self) -> None:
        await self._execute(self._scratch.create)
        for _ in range(PINGS):
            self._pings.append((await self._execute([_PING])).seconds)
        if self._scratch.sample.row_bytes < _SMALL_BYTES:
            small = [await self._execute(self._body(1).statements) for _ in range(_SMALL_ALONE)]
            self._row_s = min(answer.seconds for answer in small)
        share = _ALONE_SHARE / sum(_ALONE_BYTES)
        for rows in sorted({max(1, self._rows_of(size, size * share)) for size in _ALONE_BYTES}):
            if self._requests_left() < 1 or self._refused is not None:
                break
            await self._alone(rows)
        if self._shots:
            await self._several_at_once()
            await self._look_up()

    async def _several_at_once(self) -> None:
        """Two at once, which hide a way that is shorter than the work, and small ones; of a longer way, more.

        Where too few rows may still be written for the others' work to fill a request's way, they go alone.
        """
        speed = Measured(min(self._pings), tuple(self._shots), row_s=self._row_s).speed()
        request_s = max(_TOGETHER_S, 2 * speed.round_trip_s / FAR)  # so many fill the way twice
        size = max(_TOGETHER_BYTES, min(request_s / speed.byte_s, limits.BATCH_BYTES_MAX))
        is_far = speed.round_trip_s > speed.byte_s * size
        if self._row_s is not None and not is_far:
            self._small = await self._together(SMALL_AT_ONCE, _SMALL_COUNTED, 1)
        number = FAR if is_far else NEAR
        rows = self._rows_of(size, 1 / _requests_of(number, _COUNTED))
        if self._refused is not None:
            return
        if (number - 1) * rows * self._row_bytes() * speed.byte_s < speed.round_trip_s:
            for _ in range(_MORE_ALONE):
                if (rows := self._rows_of(_ALONE_BYTES[-1], 1.0)) and self._requests_left() > 0:
                    await self._alone(rows)
        elif (found := await self._together(number, _COUNTED, rows)) is not None:
            self._rounds.append(found)

    async def _look_up(self) -> None:
        """Have rows looked up by their key, as what refers to them is followed at a run's end."""
        rows = self._next_row - 1
        times = max(1, _LOOKED_UP // rows)
        if self._requests_left() < 1:
            return
        with suppress(TooLargeError):
            answer = await self._execute([self._scratch.look_up(times)])
            seconds = answer.seconds - min(self._pings)
            self._lookup_s = seconds / (times * rows) if seconds > 0 else None

    async def _alone(self, rows: int) -> None:
        body = self._body(rows)
        try:
            answer = await self._execute(body.statements)
        except TooLargeError:
            self._refused = min(self._refused or body.bytes, body.bytes)
        else:
            self._shots.append(Shot(body.bytes, body.rows, answer.seconds))

    async def _together(self, number: int, counted: int, rows: int) -> Round | None:
        """A round of requests with so many rows each; None where it can't be had.

        What waited for leave to send says nothing of the target: such a round is counted, and left out.
        """
        requests = _requests_of(number, counted)
        if requests > self._requests_left():
            return None
        bodies = [self._body(rows) for _ in range(requests)]
        waiting = iter(bodies)
        ended: list[_Ended] = []

        async def send() -> None:
            for body in waiting:
                asked = self._probing.clock.monotonic()
                answer = await self._execute(body.statements)
                now = self._probing.clock.monotonic()
                ended.append(_Ended(body, asked, now - answer.seconds, now))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(number):
                    group.create_task(send())
        except BaseExceptionGroup as errors:
            error = next(leaves(errors))
            if not isinstance(error, TooLargeError):
                raise error from None
            self._refused = min(self._refused or bodies[0].bytes, bodies[0].bytes)
            return None
        first, *steady = ended[number - 1 : 1 - number]
        began, end = first.answered, steady[-1].answered
        if sum(one.waited_s(began, end) for one in ended) > _WAITED * number * (end - began):
            self._held_back += 1
            return None
        return Round(
            number,
            len(steady),
            sum(one.body.bytes for one in steady),
            sum(one.body.rows for one in steady),
            end - began,
        )

    def _body(self, rows: int) -> Body:
        body = self._scratch.body(self._next_row, rows)
        self._next_row += body.rows
        return body

    async def _execute(self, statements: Sequence[Statement]) -> Answer:
        self._probing.stopping.heed()
        asked = self._probing.clock.monotonic()
        answer = await self._database.execute(statements)
        self._waited_s += self._probing.clock.monotonic() - asked - answer.seconds
        return answer

    def _rows_of(self, body_bytes: float, share: float) -> int:
        """How many rows a body of about this size has, and no more than this `share` of those left."""
        left = MOST_WRITTEN // self._scratch.written_per_row - (self._next_row - 1)
        most = self._probing.most_bytes or limits.BATCH_BYTES_MAX
        wanted = max(1, int(min(body_bytes, most) / self._row_bytes()))
        return min(wanted, int(left * share))

    def _row_bytes(self) -> float:
        """What a row takes in a body, by those that were made."""
        rows = sum(shot.rows for shot in self._shots)
        if not rows:
            return self._scratch.sample.row_bytes
        return sum(shot.body_bytes for shot in self._shots) / rows

    def _requests_left(self) -> int:
        return MOST_REQUESTS - _FOR_THE_END - self._probing.count.requests
