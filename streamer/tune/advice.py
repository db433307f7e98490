"""From what was measured to settings, and to how long the planned run will take by them (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from streamer import limits
from streamer.frozen import frozen
from streamer.model import (
    NOTHING_KNOWN,
    Estimate,
    Known,
    Measure,
    Plan,
    QualifiedName,
    Rate,
    Speed,
)
from streamer.plan.estimate import estimate
from streamer.plan.requests import AUTOMATIC, Packing
from streamer.tune.measured import LimitedBy, Measured

SIZES = (250_000, 500_000, 1_000_000, 2_000_000, 3_000_000, 4_000_000)
"""Bytes of a request that may be advised: no more than a run would grow to by itself."""

# One is on its way while another is executed. What that gains, few requests can't tell: a seventh of the
# benchmark's time, and of other tables' so little that chance had one or two advised.
LEAST_AT_ONCE = 2
MOST_AT_ONCE = 16  # as many as a run would try by itself
SLOW_S = 2.0  # a request that takes longer leaves D1 little of its 30 s when it is busy
NEARLY = 0.95  # of the best speed: what is left isn't worth more requests at once
IN_FLIGHT_BYTES = limits.MEMORY_BYTES // 2  # the other half is for rows read and not yet sent


@frozen
class Settings:
    """What to write into the settings: how big a request may be, and how many at once."""

    batch_bytes: int
    concurrency: int


@frozen
class Advice:
    """What to expect of a run by these `settings`.

    `bytes_per_s` of request bodies and `rows_per_s` hold while rows like the probe's are sent, and at
    the rate limit's pace where the run has more requests than its first window takes; `request_s` is
    what one request will take. `run` is the whole planned run, whose time follows from `speed`.
    """

    settings: Settings
    bytes_per_s: float
    rows_per_s: float
    request_s: float
    limited_by: LimitedBy
    run: Estimate
    speed: Speed


def advise(
    measured: Measured,
    plan: Plan,
    measures: Mapping[QualifiedName, Measure],
    *,
    rate: Rate | None,
    packing: Packing = AUTOMATIC,
    known: Known = NOTHING_KNOWN,
    source_bytes_per_s: float | None = None,
) -> Advice:
    """The settings, and what comes of them; `packing` has what the user said a request may have.

    A rate limit slows down only what has more requests than it lets through at once. `known` says
    how long the source takes before its first row comes, `source_bytes_per_s` how fast they come then.
    """
    found = estimate(plan.tables, None, measures, views=len(plan.views), packing=packing)
    felt = rate if rate is not None and found.requests > rate.requests else None
    settings = choose(measured, felt, packing.batch_bytes)
    speed = measured.speed(source_bytes_per_s)
    expected = _expected(speed, settings, felt)
    return Advice(
        settings=settings,
        bytes_per_s=expected,
        rows_per_s=expected / max(measured.row_bytes, 1.0),
        request_s=speed.request_s(settings.batch_bytes),
        limited_by=_limit(speed, settings, felt),
        run=estimate(
            plan.tables,
            rate,
            measures,
            views=len(plan.views),
            packing=replace(packing, batch_bytes=settings.batch_bytes),
            known=replace(known, speed=speed, concurrency=settings.concurrency),
        ),
        speed=speed,
    )


def choose(measured: Measured, rate: Rate | None, most_bytes: int | None = None) -> Settings:
    """The fewest requests at once, but two, that are nearly as fast as the best, and then the largest.

    Larger ones leave more of the rate limit to others.
    """
    speed = measured.speed()
    most = min(most_bytes or SIZES[-1], (measured.refused_bytes or 2 * SIZES[-1]) // 2)
    sizes = [size for size in SIZES if size <= most] or [most]
    usable = [size for size in sizes if speed.request_s(size) <= SLOW_S] or sizes[:1]
    ways = [
        Settings(size, number)
        for number in range(LEAST_AT_ONCE, MOST_AT_ONCE + 1)
        for size in reversed(usable)
        if number * size <= IN_FLIGHT_BYTES
    ]
    best = max(_expected(speed, way, rate) for way in ways)
    return next(way for way in ways if _expected(speed, way, rate) >= NEARLY * best)


def _expected(speed: Speed, way: Settings, rate: Rate | None) -> float:
    """Bytes of bodies in a second, for as long as it may take."""
    both = speed.of_both(way.batch_bytes, way.concurrency)
    return both if rate is None else min(both, way.batch_bytes * rate.requests / rate.seconds)


def _limit(speed: Speed, way: Settings, rate: Rate | None) -> LimitedBy:
    both, target = (of(way.batch_bytes, way.concurrency) for of in (speed.of_both, speed.of_target))
    if _expected(speed, way, rate) < both:
        return LimitedBy.RATE
    if both < NEARLY * target:
        return LimitedBy.SOURCE
    digested = speed.digested(way.batch_bytes)
    return LimitedBy.DISTANCE if target < NEARLY * digested else LimitedBy.TARGET
