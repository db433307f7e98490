"""A probe of targets near and far, in virtual time: what it finds, and what it takes for that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from streamer.d1.pacer import Pacer
from streamer.model import Answer, Pack, Rate, Result, Statement, Storage
from streamer.pace import FixedConcurrency
from streamer.run.stopping import Stopping
from streamer.tune import Count, Measured, Probing, probe
from streamer.tune.probe import FAR, MOST_REQUESTS, MOST_WRITTEN, NEAR
from streamer.tune.sample import Sample
from tests.engines.limited_sqlite import LimitedSqlite, column, table_plan
from tests.simulation.clock import VirtualLoop
from tests.unit.d1.model_api import LoopClock

SHORT = ("1", "a note"), ("2", "another one"), ("3", None)
LONG = (("1", "x" * 200_000),)


@dataclass(slots=True)
class Target:
    """A database that is `way_s` away, one way, behind a line of `line_bytes_per_s`.

    It does one thing at a time: a request is taken in as soon as it comes, by `in_bytes_per_s`, and its
    statements are executed after that, by `bytes_per_s`, which takes `each_s` more for each request and
    `lookup_s` for each row that it looks up. Where two come at once, they are sent again after `again_s`.
    """

    count: Count
    way_s: float
    bytes_per_s: float
    line_bytes_per_s: float = 1e12
    in_bytes_per_s: float = 1e12
    each_s: float = 0.0
    lookup_s: float = 0.0
    again_s: float = 0.0
    most_at_once: int = field(default=0, init=False)
    largest: int = field(default=0, init=False)
    _arriving: int = field(default=0, init=False)
    _now: int = field(default=0, init=False)
    _sqlite: LimitedSqlite = field(default_factory=LimitedSqlite, init=False)
    _line: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        loop, size = asyncio.get_running_loop(), sum(one.bytes for one in statements)
        if self._now:
            await asyncio.sleep(self.again_s)
        began = loop.time()
        self.count.sent(size)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        self.largest = max(self.largest, size)
        async with self._line:
            await asyncio.sleep(size / self.line_bytes_per_s)
        await asyncio.sleep(self.way_s)
        self._arriving += 1
        async with self._turn:
            await asyncio.sleep(size / self.in_bytes_per_s)
            self._arriving -= 1
        async with self._turn:
            while self._arriving:
                self._turn.release()
                await asyncio.sleep(0)
                await self._turn.acquire()
            results = [self._result(statement) for statement in statements]
            looked_up = sum(map(self._looked_up, statements))
            await asyncio.sleep(self.each_s + size / self.bytes_per_s + looked_up * self.lookup_s)
        await asyncio.sleep(self.way_s)
        self._now -= 1
        answer = Answer(tuple(results), seconds=loop.time() - began)
        self.count.answered(answer.seconds, answer.rows_written)
        return answer

    def tables(self) -> list[tuple[object, ...]]:
        return self._sqlite.rows("SELECT name FROM sqlite_master")

    def _looked_up(self, statement: Statement) -> int:
        pairs, exists, _ = statement.sql.partition(" WHERE NOT EXISTS")
        return self._sqlite.rows(pairs)[0][0] if exists else 0

    def _result(self, statement: Statement) -> Result:
        params = [str(value) for value in statement.values()]
        if statement.sql.startswith("SELECT"):
            return Result(rows=tuple(self._sqlite.rows(statement.sql, *params)))
        return Result(rows_written=self._sqlite.request([statement]))


@dataclass(slots=True)
class Paced:
    """A target behind the door that requests to D1 go through; an answer's seconds begin behind that."""

    target: Target
    pacer: Pacer

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        ticket = await self.pacer.admit()
        answer = await self.target.execute(statements)
        self.pacer.succeeded(ticket, sum(one.bytes for one in statements))
        return answer


def paced(target: Target, rate: Rate) -> Paced:
    """`target` behind a door that lets through what `rate` does."""
    pacer = Pacer(
        clock=LoopClock(),
        rate=rate,
        concurrency=FixedConcurrency(FAR),
        leases=None,
        observer=target.count,
        give_up_after_s=30.0,
    )
    return Paced(target, pacer)


def probed(
    rows: Sequence[tuple[str | None, ...]],
    *,
    most_bytes: int | None = None,
    rate: Rate | None = None,
    **target: float,
) -> tuple[Measured, Target]:
    """What a probe finds out of a target by rows like these."""

    async def main() -> tuple[Measured, Target]:
        count = Count()
        database = Target(count, **target)
        plan = table_plan((column("id", Storage.INTEGER), column("note")), ("id",))
        probing = Probing(
            table=plan,
            sample=Sample(tuple(rows), (True, False)),
            pack=Pack.JSON,
            count=count,
            clock=LoopClock(),
            stopping=Stopping(asyncio.Event()),
            most_bytes=most_bytes,
        )
        door = paced(database, rate) if rate else database
        return await probe(door, probing), database

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


@pytest.mark.parametrize("rows", [SHORT, LONG])
@pytest.mark.parametrize("way_s", [0.0005, 0.02, 0.1])
@pytest.mark.parametrize("bytes_per_s", [3e6, 20e6, 150e6])
def test_it_finds_what_a_target_digests_wherever_that_is(
    rows: Sequence[tuple[str | None, ...]], way_s: float, bytes_per_s: float
) -> None:
    measured, target = probed(rows, way_s=way_s, bytes_per_s=bytes_per_s)

    speed = measured.speed()
    assert speed.bytes_per_s == pytest.approx(bytes_per_s, rel=0.05)
    assert speed.round_trip_s == pytest.approx(2 * way_s, rel=0.02)
    assert speed.each_s == 0
    assert target.count.requests <= MOST_REQUESTS
    assert target.count.rows_written <= MOST_WRITTEN
    assert target.tables() == []


@pytest.mark.parametrize("way_s", [0.0005, 0.02, 0.1])
def test_a_line_that_all_requests_share_is_not_taken_for_a_faster_one(way_s: float) -> None:
    measured, _ = probed(LONG, way_s=way_s, bytes_per_s=100e6, line_bytes_per_s=2e6)

    assert measured.speed().bytes_per_s == pytest.approx(2e6, rel=0.05)


@pytest.mark.parametrize("way_s", [0.0005, 0.1])
@pytest.mark.parametrize("bytes_per_s", [30e6, 200e6])
def test_what_it_takes_in_ahead_is_not_taken_for_done(way_s: float, bytes_per_s: float) -> None:
    measured, _ = probed(LONG, way_s=way_s, bytes_per_s=bytes_per_s, in_bytes_per_s=3 * bytes_per_s)

    assert measured.speed().bytes_per_s == pytest.approx(0.75 * bytes_per_s, rel=0.05)


@pytest.mark.parametrize("each_s", [0.0007, 0.002])
def test_what_a_request_takes_the_target_is_not_taken_for_what_its_rows_take(
    each_s: float,
) -> None:
    measured, target = probed(SHORT, way_s=0.0002, bytes_per_s=60e6, each_s=each_s)

    speed = measured.speed()
    assert speed.each_s == pytest.approx(each_s, rel=0.1)
    assert speed.bytes_per_s == pytest.approx(60e6, rel=0.05)
    assert target.count.requests <= MOST_REQUESTS


@pytest.mark.parametrize("rows", [SHORT, LONG])
@pytest.mark.parametrize("way_s", [0.0005, 0.05])
def test_rows_are_looked_up_by_their_key(
    rows: Sequence[tuple[str | None, ...]], way_s: float
) -> None:
    measured, _ = probed(rows, way_s=way_s, bytes_per_s=60e6, lookup_s=2e-7)

    assert measured.lookup_s == pytest.approx(2e-7, rel=0.05)


def test_at_a_target_far_away_more_are_under_way() -> None:
    _, near = probed(LONG, way_s=0.001, bytes_per_s=20e6)
    _, far = probed(LONG, way_s=0.2, bytes_per_s=20e6)

    assert near.most_at_once == NEAR
    assert far.most_at_once == FAR


def test_a_fast_target_is_tried_with_large_requests_and_no_larger_than_the_user_allows() -> None:
    _, free = probed(LONG, way_s=0.001, bytes_per_s=150e6)
    _, bound = probed(LONG, way_s=0.001, bytes_per_s=150e6, most_bytes=500_000)

    assert 3_000_000 < free.largest <= 4_000_000
    assert bound.largest <= 500_000


@pytest.mark.parametrize(("rows", "way_s"), [(SHORT, 0.001), (LONG, 0.001), (LONG, 0.1)])
@pytest.mark.parametrize("rate", [Rate(5, 1), Rate(1, 0.5)], ids=str)
def test_what_waits_for_the_rate_limit_is_not_taken_for_a_slow_target(
    rows: Sequence[tuple[str | None, ...]], rate: Rate, way_s: float
) -> None:
    free, _ = probed(rows, way_s=way_s, bytes_per_s=20e6)
    held, target = probed(rows, way_s=way_s, bytes_per_s=20e6, rate=rate)

    assert (free.held_back, len(free.rounds)) == (0, 1)
    assert held.held_back >= 1
    assert held.rounds == ()
    assert held.small is None
    assert [shot.body_bytes for shot in held.shots] == [shot.body_bytes for shot in free.shots]
    speed = held.speed()
    assert speed.bytes_per_s == pytest.approx(20e6, rel=0.05)
    assert speed.each_s == 0
    assert target.tables() == []


@pytest.mark.parametrize(
    ("bytes_per_s", "rate", "held_back"), [(20e6, Rate(1, 1.5), 1), (1e5, None, 0)]
)
def test_time_that_is_over_is_the_rate_limit_s_doing_only_where_requests_waited_for_it(
    bytes_per_s: float, rate: Rate | None, held_back: int
) -> None:
    measured, target = probed(LONG, way_s=0.1, bytes_per_s=bytes_per_s, rate=rate)

    assert measured.shots
    assert measured.rounds == ()
    assert measured.held_back == held_back
    assert target.tables() == []


def test_a_round_counts_where_the_rate_limit_let_nearly_all_of_it_through_at_once() -> None:
    free, target = probed(LONG, way_s=0.001, bytes_per_s=20e6)
    roomy, _ = probed(LONG, way_s=0.001, bytes_per_s=20e6, rate=Rate(target.count.requests, 300))

    assert roomy.held_back == 0
    assert roomy.speed().bytes_per_s == pytest.approx(free.speed().bytes_per_s)


def test_a_short_wait_of_streamers_own_leaves_the_target_s_time_for_a_request_seen() -> None:
    own, _ = probed(SHORT, way_s=0.001, bytes_per_s=20e6, each_s=0.0007, again_s=0.001)

    assert own.small is not None
    assert (own.held_back, len(own.rounds)) == (0, 1)


def test_what_was_turned_away_and_sent_again_makes_no_round_of_it() -> None:
    calm, _ = probed(LONG, way_s=0.001, bytes_per_s=20e6)
    busy, _ = probed(LONG, way_s=0.001, bytes_per_s=20e6, again_s=5.0)

    assert len(calm.rounds) == 1
    assert busy.rounds == ()
    assert busy.held_back == 1
    assert busy.speed().bytes_per_s == pytest.approx(20e6, rel=0.05)
