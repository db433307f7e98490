"""Concurrency is found by itself: few on a fast serial D1, many on a distant one."""

import heapq
from itertools import pairwise
from math import log2
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.pace import AdaptiveConcurrency, FixedConcurrency, Sample
from streamer.pace.concurrency import (
    CALIBRATE_EVERY_S,
    CAP,
    LATENCY_FLOOR,
    MOST_PATIENCE,
    PATIENCE,
    START,
)


def play(
    latency_s: float,
    service_s: float,
    *,
    until_s: float,
    first_s: float = 0.0,
    jitter_s: float = 0.0,
    since_s=None,
):
    """Clients that always have work, and a server that does one request at a time.

    It was asked something small before, which took half of the latency, and the first three take `first_s` longer. On
    its way each takes up to `jitter_s` longer, and back half of that. Returns the levels seen since `since_s` (None: in
    the second half), and the requests done in all.
    """
    dice = Random(1)
    concurrency = AdaptiveConcurrency()
    concurrency.succeeded(Sample(0.0, latency_s / 2 + 0.001, 200, 1, alone=True))
    now, free_at, number = 0.0, 0.0, 0
    flying: list[tuple[float, int]] = []
    facts: dict[int, list] = {}
    levels = []
    while now < until_s:
        while len(flying) < concurrency.limit(now):
            number += 1
            for other in facts.values():
                other[2] = False
            facts[number] = [now, len(flying) + 1, not flying]
            begin = max(free_at, now + latency_s / 2 + jitter_s * dice.random())
            free_at = begin + service_s + (first_s if number <= 3 else 0.0)
            back_s = (latency_s + jitter_s * dice.random()) / 2
            heapq.heappush(flying, (free_at + back_s, number))
        then, done = heapq.heappop(flying)
        now = max(now, then)
        sent_at, in_flight, alone = facts.pop(done)
        concurrency.succeeded(Sample(sent_at, now - sent_at, 2_000_000, in_flight, alone))
        if now > (until_s / 2 if since_s is None else since_s):
            levels.append(concurrency.level)
    return levels, number


@pytest.mark.parametrize("service_s", [0.01, 0.04, 0.3])
def test_a_near_d1_that_does_one_query_at_a_time_gets_two_or_three(service_s) -> None:
    levels, _ = play(0.0005, service_s, until_s=900)

    assert set(levels) <= {1, 2, 3}
    assert sum(levels) / len(levels) >= 2


@pytest.mark.parametrize("first_s", [0.0, 0.02, 0.1])
def test_a_near_d1_hardly_ever_gets_more_not_even_at_first(first_s: float) -> None:
    levels, _ = play(0.0005, 0.04, until_s=10, first_s=first_s, since_s=0)

    assert max(levels) <= 4
    assert sum(level > 3 for level in levels) <= 6


def test_a_distant_d1_gets_as_many_as_hide_its_latency() -> None:
    levels, done = play(0.15, 0.02, until_s=300)

    assert sum(levels) / len(levels) > 5
    assert done > 0.95 * 300 / 0.02


@pytest.mark.parametrize(
    ("latency_s", "service_s", "jitter_s"), [(0.15, 0.03, 0.1), (0.05, 0.02, 0.05)]
)
def test_a_distant_d1_whose_answers_come_in_bunches_gets_as_many(
    latency_s: float, service_s: float, jitter_s: float
) -> None:
    levels, done = play(latency_s, service_s, until_s=55, jitter_s=jitter_s, since_s=0)

    assert sum(levels) / len(levels) > (latency_s + jitter_s) / service_s
    assert done > 0.95 * 55 / service_s


def a_round(concurrency: AdaptiveConcurrency, second: int, seconds: float) -> int:
    """As many requests as are useful, all sent and answered together; how many are useful then."""
    level = concurrency.level
    for _ in range(level):
        concurrency.succeeded(sample(second, seconds, in_flight=level))
    return concurrency.level


def test_the_number_doubles_each_round_until_answers_come_slowly_and_grows_by_one_then() -> None:
    concurrency = AdaptiveConcurrency()

    doubled = [a_round(concurrency, second, 0.15) for second in (1, 2)]
    slow = a_round(concurrency, 3, 0.9)
    after = [a_round(concurrency, second, 0.15) for second in (5, 6, 7)]

    assert doubled == [2 * START, 4 * START]
    assert slow < doubled[-1]
    assert all(0 <= later - now <= 1 for now, later in pairwise([slow, *after]))
    assert after[-1] > slow


def test_an_overload_ends_the_doubling() -> None:
    concurrency = AdaptiveConcurrency()
    concurrency.overloaded(sent_at=0.0, now=0.5)

    assert a_round(concurrency, 1, 0.15) <= START


def overloads(concurrency: AdaptiveConcurrency, rounds: range, most: int) -> int:
    """How many rounds a D1 refuses requests in that takes no more than `most` at once."""
    refused = 0
    for second in rounds:
        if concurrency.level > most:
            concurrency.overloaded(sent_at=second, now=second + 0.2)
            refused += 1
        else:
            a_round(concurrency, second, 0.15)
    return refused


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_number_that_was_too_much_is_tried_again_more_and_more_seldom(most: int) -> None:
    concurrency = AdaptiveConcurrency()
    overloads(concurrency, range(PATIENCE), most)

    refused = overloads(concurrency, range(PATIENCE, 1_000), most)

    doublings = log2(MOST_PATIENCE / PATIENCE)
    assert 1 <= refused <= doublings + 1_000 * most / MOST_PATIENCE
    assert most // 2 <= concurrency.level <= most


def test_a_d1_that_is_not_busy_any_more_gets_more_again() -> None:
    concurrency = AdaptiveConcurrency()
    overloads(concurrency, range(40), most=1)

    refused = overloads(concurrency, range(40, 400), most=CAP)

    assert refused == 0
    assert concurrency.level == CAP


def test_small_bodies_among_big_ones_do_not_look_like_a_slow_server() -> None:
    concurrency = AdaptiveConcurrency()

    for second in range(200):
        body_bytes, seconds = [(200, 0.05), (4_000_000, 0.9)][second % 2]
        concurrency.succeeded(Sample(second, seconds, body_bytes, CAP, alone=False))

    assert concurrency.level == CAP


def sample(sent_at: float, seconds: float, *, in_flight: int = 2, alone: bool = False) -> Sample:
    return Sample(sent_at, seconds, 1000, in_flight, alone)


def test_an_overload_halves_once_for_all_requests_of_a_round() -> None:
    concurrency = AdaptiveConcurrency()
    for second in range(40):
        concurrency.succeeded(sample(second, 0.1, in_flight=CAP))
    before = concurrency.level

    for _ in range(5):
        concurrency.overloaded(sent_at=40.0, now=41.0)

    assert concurrency.level == before // 2


@given(st.lists(st.booleans(), max_size=200))
def test_the_level_stays_between_one_and_the_cap(turns) -> None:
    concurrency = AdaptiveConcurrency()

    for second, good in enumerate(turns):
        if good:
            concurrency.succeeded(sample(second, 0.1, in_flight=CAP))
        else:
            concurrency.overloaded(second, second + 0.5)

        assert 1 <= concurrency.level <= CAP


def test_a_level_that_is_not_used_does_not_grow() -> None:
    concurrency = AdaptiveConcurrency()

    for second in range(50):
        concurrency.succeeded(sample(second, 0.1, in_flight=1))

    assert concurrency.level == START


def test_once_a_minute_one_request_travels_alone_to_be_the_measure() -> None:
    concurrency = AdaptiveConcurrency()
    assert concurrency.limit(0.0) == START

    assert concurrency.limit(CALIBRATE_EVERY_S) == 1
    concurrency.succeeded(sample(CALIBRATE_EVERY_S, 0.3, in_flight=1, alone=True))

    assert concurrency.limit(CALIBRATE_EVERY_S + 1) == START


def test_slow_answers_alone_leave_three_and_refusals_one() -> None:
    concurrency = AdaptiveConcurrency()
    for second in range(40):
        concurrency.succeeded(sample(second, 0.1, in_flight=CAP))

    for second in range(40, 80):
        concurrency.succeeded(sample(second, 0.9, in_flight=CAP))
    assert concurrency.level == LATENCY_FLOOR

    for second in range(90, 95):
        concurrency.overloaded(second, second + 0.5)
    assert concurrency.level == 1


def test_a_number_that_the_user_fixed_stays() -> None:
    fixed = FixedConcurrency(7)

    fixed.overloaded(0.0, 1.0)
    fixed.succeeded(sample(0.0, 50.0))

    assert fixed.limit(2.0) == fixed.level == 7


def test_a_body_of_a_new_size_is_judged_by_what_smaller_ones_took() -> None:
    concurrency = AdaptiveConcurrency()
    for n in range(20):
        concurrency.succeeded(
            Sample(sent_at=n, seconds=0.1, body_bytes=1_000_000, in_flight=9, alone=False)
        )
    before = concurrency.level

    concurrency.succeeded(
        Sample(sent_at=30, seconds=2.0, body_bytes=4_000_000, in_flight=9, alone=False)
    )

    assert before > 2
    assert concurrency.level < before
