"""What is advised from what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.model import Measure, Rate, Speed
from streamer.tune import LimitedBy, Measured, Round, Shot, advise
from streamer.tune.advice import IN_FLIGHT_BYTES, NEARLY, SIZES, SLOW_S, choose
from tests.engines.catalogs import column, identified, plan_of

RATE = Rate(1080, 300)
PLAN = plan_of(identified("orders", column("note")))
ORDERS = PLAN.tables[0].name
MANY = {ORDERS: Measure(rows=10_000_000, body_bytes=100.0, stored_bytes=(8.0, 80.0))}


def seen(base_s: float, bytes_per_s: float, *rounds: Round, row_bytes: int = 100) -> Measured:
    """What a target shows that takes `base_s` for any request, and digests so many bytes a second."""
    sizes = (64_000, 250_000, 1_000_000)
    shots = [Shot(size, size // row_bytes, base_s + size / bytes_per_s) for size in sizes]
    return Measured(base_s, tuple(shots), rounds)


@pytest.mark.parametrize("seconds", [0.010, 0.020, 0.030])
def test_a_target_nearby_needs_one_request_behind_another_whatever_a_round_showed(
    seconds: float,
) -> None:
    settings = choose(seen(0.001, 40e6, Round(2, 8, 800_000, 8_000, seconds)), RATE)

    assert settings.concurrency == 2
    assert settings.batch_bytes == 4_000_000


def test_a_target_far_away_needs_several_at_once() -> None:
    assert choose(seen(0.5, 20e6), None).concurrency > 2


def test_a_slow_target_gets_requests_that_it_answers_in_time() -> None:
    measured = seen(0.1, 600_000)

    assert measured.speed().request_s(choose(measured, RATE).batch_bytes) <= SLOW_S


def test_what_was_refused_for_its_size_is_not_advised() -> None:
    measured = Measured(0.01, (Shot(64_000, 10, 0.02),), refused_bytes=1_000_000)

    assert choose(measured, RATE).batch_bytes == 500_000
    assert choose(seen(0.01, 5e6), RATE, 300_000).batch_bytes == 250_000
    assert choose(seen(0.01, 5e6), RATE, 70_000).batch_bytes == 70_000


@given(
    st.floats(0.0, 2.0),
    st.floats(1e4, 1e9),
    st.none() | st.integers(1, 5_000).map(lambda n: Rate(n, 300)),
)
def test_what_is_advised_is_nearly_the_best_there_is(
    base_s: float, bytes_per_s: float, rate: Rate | None
) -> None:
    measured = seen(base_s, bytes_per_s)
    way = choose(measured, rate)

    def speed(size: int, number: int) -> float:
        one = number * size / measured.speed().request_s(size)
        most = size * rate.requests / rate.seconds if rate else one
        return min(one, most, measured.speed().bytes_per_s)

    others = [
        speed(size, number)
        for size in SIZES
        for number in range(2, 17)
        if measured.speed().request_s(size) <= SLOW_S and number * size <= IN_FLIGHT_BYTES
    ]
    assert way.concurrency * way.batch_bytes <= IN_FLIGHT_BYTES
    assert speed(way.batch_bytes, way.concurrency) >= NEARLY * max(others, default=0.0) * 0.999


@pytest.mark.parametrize(
    ("measured", "rate", "limit"),
    [
        (seen(0.001, 5e6), Rate(10, 300), LimitedBy.RATE),
        (seen(0.001, 5e6), RATE, LimitedBy.TARGET),
        (seen(1.9, 1e9), None, LimitedBy.DISTANCE),
    ],
)
def test_what_holds_it_back_is_named(
    measured: Measured, rate: Rate | None, limit: LimitedBy
) -> None:
    assert advise(measured, PLAN, MANY, rate=rate).limited_by is limit


def test_a_run_that_fits_into_the_first_window_does_not_feel_the_rate_limit() -> None:
    few = {ORDERS: Measure(rows=1_000, body_bytes=100.0, stored_bytes=(8.0, 80.0))}

    limit = advise(seen(0.001, 50e6), PLAN, few, rate=RATE).limited_by

    assert limit is LimitedBy.TARGET
    assert advise(seen(0.001, 50e6), PLAN, MANY, rate=Rate(100, 300)).limited_by is LimitedBy.RATE


def test_the_planned_run_takes_as_long_as_the_slowest_of_rate_and_target() -> None:
    slow = advise(seen(0.01, 1e6), PLAN, MANY, rate=None)
    rationed = advise(seen(0.01, 1e6), PLAN, MANY, rate=Rate(10, 300))

    assert slow.run.seconds == pytest.approx(1e9 / 1e6, rel=0.05)
    assert slow.rows_per_s == pytest.approx(1e6 / 100, rel=0.05)
    assert rationed.run.seconds == pytest.approx((slow.run.requests - 10) * 30, rel=0.01)
    assert slow.run.rows_written == rationed.run.rows_written > 10_000_000


def test_more_at_once_that_went_faster_counts() -> None:
    four_times, too_much = (Round(8, 8, 8_000_000, 80_000, seconds) for seconds in (2.0, 0.5))

    assert seen(0.01, 1e6, four_times).speed().bytes_per_s == pytest.approx(4e6)
    assert seen(0.01, 1e6, too_much).speed().bytes_per_s == pytest.approx(8e6)


def test_what_rounds_saw_is_taken_together() -> None:
    quick, slow = Round(2, 8, 800_000, 8_000, 0.010), Round(2, 8, 800_000, 8_000, 0.030)

    assert seen(0.001, 30e6, quick, slow).speed().bytes_per_s == pytest.approx(40e6)


def test_a_target_s_own_time_for_each_request_is_told_from_that_for_its_bytes() -> None:
    round_ = Round(2, 8, 800_000, 8_000, 8 * 0.0027)
    small = Round(4, 4, 1_600, 4, 4 * 0.0007)

    def speed(row_s: float) -> Speed:
        return replace(seen(0.001, 40e6, round_), row_s=row_s, small=small).speed()

    assert speed(0.001).each_s == pytest.approx(0.0007)
    assert speed(0.001).bytes_per_s == pytest.approx(50e6)
    assert speed(0.001).digested(100_000) == pytest.approx(800_000 / round_.seconds)
    assert speed(0.0028).each_s == 0  # four at once, and the way hides it
    assert speed(0.0006).each_s == pytest.approx(0.0006)  # alone it takes no less


def test_a_source_that_is_slower_than_the_target_is_named_and_sets_the_time() -> None:
    told = advise(seen(0.001, 50e6), PLAN, MANY, rate=None, source_bytes_per_s=2e6)

    assert told.limited_by is LimitedBy.SOURCE
    assert told.bytes_per_s == pytest.approx(2e6)
    assert told.run.seconds == pytest.approx(1e9 / 2e6, rel=0.05)
    assert told.speed.source_bytes_per_s == 2e6
