"""How long a run will take: by what was measured of its target, by the last run, or as a span (pure)."""

from __future__ import annotations

from streamer import limits
from streamer.frozen import frozen
from streamer.model import Known, Rate, Speed, TimedBy
from streamer.model.speed import LastRun
from streamer.plan.requests import Packing

_SLOW = 40_000, 5_000_000  # rows and bytes of bodies a second: a D1 far off, or a busy one
_FAST = 165_000, 40_000_000  # the local engine, bench/results/moving.json
_TELLING = 0.3  # of the bytes: a smaller run's time is its start's and its end's
_MOST_AT_ONCE = 16  # requests, of a run that finds the best number by itself
_LOOKUP_S = 1.15e-7  # to look up a row by its key one after the other, on workerd
# As many such look-ups take as long as an entry of an index (0.2 to 0.5 µs on workerd), or as looking
# whether what a row refers to is there, in any order (0.15 µs); one, as counting rows of so many bytes.
_ENTRY, _REFERENCE, _COUNTED_BYTES = 2.3, 1.3, 600
# Streamer's own beside its start, of runs of 1 to 300 small tables (bench/found.md): sessions for reading, a
# snapshot, checkpoint and report; and of each table, its statements and its states in the checkpoint.
_RUN_S, _TABLE_S = 0.032, 0.0013


@frozen
class Work:
    """What is to be done: `requests` in all, of which `row_requests` carry `rows`, of `body_bytes`.

    These come from so many `tables` in so many `levels`, each of which waits for the last answer of the
    one before. Behind them `entries` of indexes are made, rows counted and `references` followed.
    """

    requests: int
    row_requests: int
    rows: int
    body_bytes: float
    levels: int = 1
    tables: int = 1
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
        opening = max(0.0, known.speed.opening_s - known.waited_s)  # rows are counted meanwhile
        # The last request of a level is on its way alone.
        waits = work.requests - work.row_requests + max(0, work.levels - 1)
        took = known.start_s + opening + _RUN_S + work.tables * _TABLE_S
        took += waits * known.speed.round_trip_s
        took += _moving(work, packing, known.speed, known.concurrency or _MOST_AT_ONCE)
        took += _ending(work, known.speed)
        return Span(took, took, TimedBy.PROBE)
    if known.last is not None and known.last.body_bytes >= _TELLING * work.body_bytes:
        took = _as_last(work, known.last, known.start_s)
        return Span(took, took, TimedBy.LAST_RUN)
    fast, slow = (
        known.start_s + max(work.rows / rows, work.body_bytes / size)
        for rows, size in (_FAST, _SLOW)
    )
    return Span(fast, slow, TimedBy.GUESS)


def _moving(work: Work, packing: Packing, speed: Speed, concurrency: int) -> float:
    """From the first row that is read to the last answer: the slower end all the time, the other one for a request."""
    if not work.row_requests:
        return 0.0
    full = min(packing.batch_bytes or limits.BATCH_BYTES_MAX, work.body_bytes)
    each_bytes = work.body_bytes / work.row_requests
    target_s = work.row_requests * speed.between_answers_s(each_bytes, concurrency)
    if (
        speed.source_bytes_per_s is None
    ):  # it was too quick for anybody to see: as fast as the target
        return target_s + speed.request_s(full)
    source_s = work.body_bytes / speed.source_bytes_per_s
    return max(source_s + speed.request_s(full), full / speed.source_bytes_per_s + target_s)


def _ending(work: Work, speed: Speed) -> float:
    """What the target takes once all rows are there."""
    counted = min(work.body_bytes, work.rows * limits.PAGE_BYTES)  # of a long row, its first page
    lookups = work.entries * _ENTRY + work.references * _REFERENCE + counted / _COUNTED_BYTES
    return lookups * (speed.lookup_s or _LOOKUP_S)


def _as_last(work: Work, last: LastRun, start_s: float) -> float:
    """What moved rows in the last run's time grows with them, the start doesn't."""
    moving_s = max(0.0, last.seconds - start_s)
    return last.seconds + moving_s * (work.body_bytes / max(last.body_bytes, 1) - 1)
