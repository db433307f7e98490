"""How long a plan says that a run takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.model import NOTHING_KNOWN, Known, LastRun, Rate, Speed, TimedBy
from streamer.plan.requests import AUTOMATIC, Packing
from streamer.plan.timing import Work, time_of

WORK = Work(requests=58, row_requests=50, rows=1_000_000, body_bytes=200e6)
COUNTED_S = 200e6 / 600 * 1e-7  # its rows, at the end
OWN_S = 0.0333  # Streamer's own time, of a run of one table
NEAR = Speed(
    round_trip_s=0.01, byte_s=2e-8, bytes_per_s=50e6, source_bytes_per_s=25e6, lookup_s=1e-7
)


def test_what_was_measured_counts_before_the_last_run_and_that_before_a_guess() -> None:
    last = LastRun(150_000_000, 9.0)

    every = time_of(WORK, None, AUTOMATIC, Known(1.0, NEAR, last))
    lasting = time_of(WORK, None, AUTOMATIC, Known(1.0, None, last))
    nothing = time_of(WORK, None, AUTOMATIC, NOTHING_KNOWN)

    assert every.timed_by is TimedBy.PROBE
    assert lasting.timed_by is TimedBy.LAST_RUN
    assert (lasting.least_s, lasting.most_s) == pytest.approx((1 + 8 * 200 / 150,) * 2)
    assert nothing.timed_by is TimedBy.GUESS
    assert nothing.least_s < nothing.most_s


def test_the_slower_of_source_and_target_sets_the_time() -> None:
    fixed_s = 1.0 + OWN_S + 8 * 0.01 + COUNTED_S

    of_source = time_of(WORK, None, AUTOMATIC, Known(1.0, NEAR)).most_s
    of_target, of_unknown = (
        time_of(WORK, None, AUTOMATIC, Known(1.0, replace(NEAR, source_bytes_per_s=speed))).most_s
        for speed in (80e6, None)
    )

    assert of_source == pytest.approx(fixed_s + 200 / 25 + NEAR.request_s(4e6))
    assert of_target == pytest.approx(fixed_s + 4 / 80 + 200 / 50)
    assert of_unknown == pytest.approx(fixed_s + 200 / 50 + NEAR.request_s(4e6))


def test_each_request_takes_the_target_s_own_time_whatever_is_in_it() -> None:
    busy = replace(NEAR, each_s=0.03, source_bytes_per_s=None)

    few, many = (
        time_of(replace(WORK, requests=8 + n, row_requests=n), None, AUTOMATIC, Known(0.0, busy))
        for n in (50, 200)
    )

    assert many.most_s == pytest.approx(few.most_s + 150 * 0.03)


def test_each_table_takes_a_run_s_own_time() -> None:
    one, many = (
        time_of(replace(WORK, tables=tables), None, AUTOMATIC, Known(1.0, NEAR)).most_s
        for tables in (1, 301)
    )

    assert many == pytest.approx(one + 300 * 0.0013)


def test_few_small_requests_to_a_target_far_away_wait_for_the_way() -> None:
    far = replace(NEAR, round_trip_s=0.5, source_bytes_per_s=None)
    work = replace(WORK, requests=208, row_requests=200)

    one = time_of(work, None, Packing(1_000_000), Known(0.0, far, concurrency=1)).most_s
    four = time_of(work, None, Packing(1_000_000), Known(0.0, far, concurrency=4)).most_s

    fixed_s = OWN_S + 8 * 0.5 + COUNTED_S
    assert one == pytest.approx(fixed_s + 200 * 0.52 + 0.52)
    assert four == pytest.approx(fixed_s + 50 * 0.52 + 0.52)


def test_a_run_that_moves_nothing_takes_its_start_and_its_round_trips() -> None:
    nothing = Work(requests=8, row_requests=0, rows=0, body_bytes=0.0)

    assert time_of(nothing, None, AUTOMATIC, Known(1.0, NEAR)).most_s == pytest.approx(1.08 + OWN_S)


@pytest.mark.parametrize("each_s", [0.0, 0.03])
def test_rows_of_which_nobody_saw_a_byte_take_their_requests_time(each_s: float) -> None:
    unseen = replace(WORK, body_bytes=0.0)
    known = Known(1.0, replace(NEAR, each_s=each_s), concurrency=2)

    took = time_of(unseen, None, AUTOMATIC, known).most_s

    apart_s = max(0.01 / 2, each_s)
    assert took == pytest.approx(1.0 + OWN_S + 8 * 0.01 + 50 * apart_s)


def test_each_level_waits_for_the_last_answer_of_the_one_before() -> None:
    one, three = (
        time_of(replace(WORK, levels=levels), None, AUTOMATIC, Known(1.0, NEAR)).most_s
        for levels in (1, 3)
    )

    assert three == pytest.approx(one + 2 * NEAR.round_trip_s)


def test_indexes_and_checks_take_the_target_s_time_whatever_the_source_gives() -> None:
    def ending_s(target: Speed, work: Work) -> float:
        known = Known(1.0, replace(target, source_bytes_per_s=1e6))
        return (
            time_of(work, None, AUTOMATIC, known).most_s
            - time_of(WORK, None, AUTOMATIC, known).most_s
        )

    indexed, followed = replace(WORK, entries=1_000_000), replace(WORK, references=1_000_000)
    slow = replace(NEAR, lookup_s=3e-7)
    unseen = replace(NEAR, lookup_s=None)

    assert ending_s(NEAR, indexed) > ending_s(NEAR, followed) > 0
    assert ending_s(slow, indexed) == pytest.approx(3 * ending_s(NEAR, indexed))
    assert ending_s(unseen, indexed) == pytest.approx(1.15 * ending_s(NEAR, indexed))
    assert ending_s(NEAR, replace(indexed, references=1_000_000)) == pytest.approx(
        ending_s(NEAR, indexed) + ending_s(NEAR, followed)
    )


@pytest.mark.parametrize(("waited_s", "more_s"), [(0.0, 0.5), (0.2, 0.3), (0.5, 0.0), (0.9, 0.0)])
def test_a_target_is_opened_while_rows_are_asked_about(waited_s: float, more_s: float) -> None:
    slow = replace(NEAR, opening_s=0.5)

    at_once = time_of(WORK, None, AUTOMATIC, Known(1.0, NEAR, waited_s=waited_s)).most_s
    opened = time_of(WORK, None, AUTOMATIC, Known(1.0, slow, waited_s=waited_s)).most_s

    assert opened == pytest.approx(at_once + more_s)


@given(st.integers(1, 5_000), st.integers(1, 2_000))
def test_the_rate_limit_takes_its_time_where_that_is_more(requests: int, allowed: int) -> None:
    work = replace(WORK, requests=requests + 50)
    known, rate = Known(1.0, NEAR), Rate(allowed, 300)

    free, limited = (time_of(work, limit, AUTOMATIC, known) for limit in (None, rate))

    waiting_s = max(0, requests + 50 - allowed) * 300 / allowed
    assert limited.most_s == pytest.approx(
        free.most_s if waiting_s <= free.most_s else 1.0 + waiting_s
    )
    assert (limited.timed_by is TimedBy.RATE_LIMIT) is (waiting_s > free.most_s)
