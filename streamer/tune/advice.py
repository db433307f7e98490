"""From what was measured to settings, and to how long the planned run will take by them (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from streamer import limits
from streamer.model import Estimate, Measure, Plan, QualifiedName, Rate, TimedBy
from streamer.plan.estimate import estimate, measure_of
from streamer.plan.requests import Packing, row_requests
from streamer.tune.measured import LimitedBy, Measured

SIZES = (250_000, 500_000, 1_000_000, 2_000_000, 3_000_000, 4_000_000)
"""Bytes of a request that may be advised: no more than a run would grow to by itself."""

MOST_AT_ONCE = 16  # as many as a run would try by itself
SLOW_S = 2.0  # a request that takes longer leaves D1 little of its 30 s when it is busy
NEARLY = 0.95  # of the best speed: what is left isn't worth more requests at once
IN_FLIGHT_BYTES = limits.MEMORY_BYTES // 2  # the other half is for rows read and not yet sent


@dataclass(frozen=True, slots=True)
class Settings:
    """What to write into the settings: how big a request may be, and how many at once."""

    batch_bytes: int
    concurrency: int


@dataclass(frozen=True, slots=True)
class Advice:
    """What to expect of a run by these `settings`.

    `bytes_per_s` of request bodies and `rows_per_s` hold while rows like the probe's are sent, and at
    the rate limit's pace where the run has more requests than its first window takes; `request_s` is
    what one request will take. `run` is the whole planned run.
    """

    settings: Settings
    bytes_per_s: float
    rows_per_s: float
    request_s: float
    limited_by: LimitedBy
    run: Estimate


def advise(
    measured: Measured,
    plan: Plan,
    measures: Mapping[QualifiedName, Measure],
    *,
    rate: Rate | None,
    most_bytes: int | None = None,
) -> Advice:
    """The settings, and what comes of them; `most_bytes` is what the user said a request may have.

    A rate limit slows down only what has more requests than it lets through at once.
    """
    requests = estimate(plan.tables, None, measures, views=len(plan.views)).requests
    felt = rate if rate is not None and requests > rate.requests else None
    settings = choose(measured, felt, most_bytes)
    cost = measured.cost()
    speed = _speed(measured, settings, felt)
    return Advice(
        settings=settings,
        bytes_per_s=speed,
        rows_per_s=speed / max(measured.row_bytes, 1.0),
        request_s=cost.seconds(settings.batch_bytes),
        limited_by=_limit(measured, settings, felt),
        run=_forecast(measured, settings, plan, measures, rate),
    )


def choose(measured: Measured, rate: Rate | None, most_bytes: int | None = None) -> Settings:
    """The fewest requests at once that are nearly as fast as the best, and then the largest.

    Larger ones leave more of the rate limit to others.
    """
    cost = measured.cost()
    most = min(most_bytes or SIZES[-1], (measured.refused_bytes or 2 * SIZES[-1]) // 2)
    sizes = [size for size in SIZES if size <= most] or [most]
    usable = [size for size in sizes if cost.seconds(size) <= SLOW_S] or sizes[:1]
    ways = [
        Settings(size, number)
        for number in range(1, MOST_AT_ONCE + 1)
        for size in reversed(usable)
        if number == 1 or number * size <= IN_FLIGHT_BYTES
    ]
    best = max(_speed(measured, way, rate) for way in ways)
    return next(way for way in ways if _speed(measured, way, rate) >= NEARLY * best)


def _speed(measured: Measured, way: Settings, rate: Rate | None) -> float:
    """Bytes of bodies in a second, for as long as it may take."""
    speed = min(_reach(measured, way), measured.capacity())
    return speed if rate is None else min(speed, way.batch_bytes * rate.requests / rate.seconds)


def _reach(measured: Measured, way: Settings) -> float:
    """Bytes a second, if the database did any number of requests at once."""
    return way.concurrency * way.batch_bytes / measured.cost().seconds(way.batch_bytes)


def _limit(measured: Measured, way: Settings, rate: Rate | None) -> LimitedBy:
    unlimited = _speed(measured, way, None)
    if rate is not None and _speed(measured, way, rate) < unlimited:
        return LimitedBy.RATE
    if _reach(measured, way) < NEARLY * measured.capacity():
        return LimitedBy.DISTANCE
    return LimitedBy.TARGET


def _forecast(
    measured: Measured,
    way: Settings,
    plan: Plan,
    measures: Mapping[QualifiedName, Measure],
    rate: Rate | None,
) -> Estimate:
    """The planned run by these settings; it is never quicker than PostgreSQL and this machine are."""
    packing = Packing(batch_bytes=way.batch_bytes)
    found = estimate(plan.tables, None, measures, views=len(plan.views), packing=packing)
    seen = [(table, measure_of(table, measures)) for table in plan.tables]
    total = sum(measure.rows * measure.body_bytes for _, measure in seen)
    others = found.requests - row_requests(seen, packing)
    by_target = total / _speed(measured, way, None) + others * measured.round_trip_s
    paced = (found.requests - rate.requests) * rate.seconds / rate.requests if rate else 0.0
    took = round(max(found.least_seconds, by_target, paced), 1)
    return replace(found, seconds=took, least_seconds=took, timed_by=TimedBy.PROBE)
