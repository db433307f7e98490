"""How long a run will take: by what was measured of its target, by the last run, or as a span (pure)."""

from __future__ import annotations

from streamer import limits
from streamer.frozen import frozen
from streamer.model import Known, Rate, TimedBy
from streamer.model.speed import LastRun
from streamer.plan.requests import Packing

_SLOW = 40_000, 5_000_000  # rows and bytes of bodies a second: a D1 far off, or a busy one
_FAST = 165_000, 40_000_000  # the local engine, bench/results/moving.json
_TELLING = 0.3  # of the bytes: a smaller run's time is its start's and its end's
_MOST_AT_ONCE = 16  # requests, of a run that finds the best number by itself
# Bytes of rows for which D1 takes as long as for an entry of an index (0.2 to 0.3 µs on workerd), for
# looking whether what a row refers to is there, and for counting a row.
_ENTRY_BYTES, _REFERENCE_BYTES, _COUNT_BYTES = 25, 15, 3
_LEVEL_S = 0.02  # in which a run writes down that tables are done, and begins to read others


@frozen
class Work:
    """What is to be done: `requests` in all, of which `row_requests` carry `rows`, of `body_bytes`.

    These come in so many `levels`, each of which waits for the last answer of the one before. Behind
    them `entries` of indexes are made, rows counted and `references` followed.
    """

    requests: int
    row_requests: int
    rows: int
    body_bytes: float
    levels: int = 1
    entries: int = 0
    references: int = 0


@frozen
class Span:
    """The least and the most seconds, and what they rest on."""

    least_s: float
    most_s: float
    timed_by: TimedBy


def time_of(work: Work, rate: Rate | None, packing: Packing, known: Known) -> Span:
    """How long `work` takes; `rate` None: as fast as both ends go. A window's requests go at once."""
    paced = max(0, work.requests - rate.requests) * rate.seconds / rate.requests if rate else 0.0
    span = _unpaced(work, packing, known)
    if paced <= span.most_s:
        return Span(max(span.least_s, paced), span.most_s, span.timed_by)
    return Span(known.start_s + paced, known.start_s + paced, TimedBy.RATE_LIMIT)


def _unpaced(work: Work, packing: Packing, known: Known) -> Span:
    if known.speed is not None:
        body = packing.batch_bytes or limits.BATCH_BYTES_MAX
        speed = known.speed.of_both(body, known.concurrency or _MOST_AT_ONCE)
        # The last request of a level is on its way alone. One of them counts whole, the others' way only.
        further = max(0, work.levels - 1)
        waits = work.requests - work.row_requests + further
        others = waits * known.speed.round_trip_s + further * _LEVEL_S
        last = known.speed.request_s(min(body, work.body_bytes)) if work.row_requests else 0.0
        opening = max(0.0, known.speed.opening_s - known.asked_s)  # rows are asked about meanwhile
        ending = work.entries * _ENTRY_BYTES + work.rows * _COUNT_BYTES
        ending += work.references * _REFERENCE_BYTES
        took = known.start_s + opening + others + work.body_bytes / speed + last
        took += ending / known.speed.bytes_per_s
        return Span(took, took, TimedBy.PROBE)
    if known.last is not None and known.last.body_bytes >= _TELLING * work.body_bytes:
        took = _as_last(work, known.last, known.start_s)
        return Span(took, took, TimedBy.LAST_RUN)
    fast, slow = (
        known.start_s + max(work.rows / rows, work.body_bytes / size)
        for rows, size in (_FAST, _SLOW)
    )
    return Span(fast, slow, TimedBy.GUESS)


def _as_last(work: Work, last: LastRun, start_s: float) -> float:
    """What moved rows in the last run's time grows with them, the start doesn't."""
    moving_s = max(0.0, last.seconds - start_s)
    return last.seconds + moving_s * (work.body_bytes / max(last.body_bytes, 1) - 1)
