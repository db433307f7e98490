"""The sliding window lets through all that is allowed, and never one more."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.pace import SlidingWindow


def most_in_a_window(sends: list[float], seconds: float) -> int:
    """The most sends in any half-open window; every fullest one begins at a send."""
    return max(sum(first <= at and not first + seconds <= at for at in sends) for first in sends)


waits = st.lists(st.one_of(st.just(0.0), st.floats(0, 3), st.sampled_from([0.1, 1.0, 2.5])))


@given(requests=st.integers(1, 8), seconds=st.sampled_from([0.1, 1.0, 2.5, 7.3]), waits=waits)
def test_no_half_open_window_ever_holds_more_than_the_allowed_sends(
    requests, seconds, waits
) -> None:
    window = SlidingWindow(requests, seconds)
    now, sends = 1000.0, []

    for wait in [*waits, *[0.0] * requests]:
        now = window.next_allowed(now + wait)
        window.record(now)
        sends.append(now)

    assert most_in_a_window(sends, seconds) <= requests


@given(requests=st.integers(1, 8), waits=waits)
def test_a_send_is_held_back_only_where_it_would_be_one_too_many(requests, waits) -> None:
    window = SlidingWindow(requests, 1.0)
    now, sends = 0.0, []

    for wait in waits:
        asked = now + wait
        now = window.next_allowed(asked)
        recent = sum(at + 1.0 > asked for at in sends)
        assert (now > asked) == (recent >= requests)
        window.record(now)
        sends.append(now)


def test_a_job_shorter_than_the_window_goes_at_full_speed() -> None:
    window = SlidingWindow(1080, 300)

    for _ in range(1080):
        assert window.next_allowed(5.0) == 5.0
        window.record(5.0)

    assert window.next_allowed(5.0) == 305.0


def test_a_window_is_open_at_its_end_so_the_next_send_may_go_exactly_then() -> None:
    window = SlidingWindow(1, 10)
    window.record(0.0)

    assert window.next_allowed(9.999) == 10.0
    assert window.next_allowed(10.0) == 10.0


def test_a_request_counts_until_a_whole_window_after_it_was_answered() -> None:
    window = SlidingWindow(1, 10)
    window.begin()
    assert window.next_allowed(50.0) == inf

    window.settle(60.0)

    assert window.next_allowed(61.0) == 70.0
    assert window.used(61.0) == 1
    assert window.used(70.0) == 0


@given(
    requests=st.integers(1, 5),
    trips=st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1)), min_size=1, max_size=40),
)
def test_wherever_on_its_way_a_request_is_counted_the_limit_holds(requests, trips) -> None:
    window = SlidingWindow(requests, 3.0)
    now, spans = 0.0, []

    for wait, took in trips:  # one after the other
        now = window.next_allowed(now + wait)
        window.begin()
        spans.append((now, now + took))
        now += took
        window.settle(now)

    for early, late in zip(spans, spans[requests:], strict=False):
        assert late[0] >= early[1] + 3.0
    assert all(a[0] <= b[0] for a, b in pairwise(spans))


@pytest.mark.parametrize(("requests", "seconds"), [(0, 1.0), (1, 0.0), (-1, 5.0)])
def test_a_window_that_lets_nothing_through_is_refused(requests, seconds) -> None:
    with pytest.raises(ValueError, match="at least one"):
        SlidingWindow(requests, seconds)


def test_settling_what_was_never_begun_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no request"):
        SlidingWindow(1, 1).settle(0.0)
