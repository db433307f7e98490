"""A run's past stays small, and what is left of it stays true."""

from __future__ import annotations

import math
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.progress.history import (
    FIRST_GAP_S,
    LATENCY_BOUNDS_S,
    MOST_SAMPLES,
    History,
    Latencies,
    Sample,
)


def sample(at_s: float, rows: int) -> Sample:
    return Sample(at_s, rows, 0, 0, 0, 0, 0)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 1_000)), max_size=1_000))
def test_however_long_a_run_is_its_history_is_short_and_in_order(
    steps: list[tuple[float, int]],
) -> None:
    history = History()
    given_samples = [
        sample(at_s, rows)
        for at_s, rows in zip(
            accumulate(s for s, _ in steps), accumulate(r for _, r in steps), strict=True
        )
    ]

    for one in given_samples:
        history.add(one)

    kept = history.samples
    assert len(kept) <= MOST_SAMPLES
    assert set(kept) <= set(given_samples)
    assert kept[:1] == tuple(given_samples[:1])
    assert all(b.at_s - a.at_s >= FIRST_GAP_S for a, b in pairwise(kept))


def test_a_week_of_samples_leaves_no_gap_larger_than_its_share() -> None:
    history = History()
    week_s = 7 * 24 * 3600

    for at_s in range(week_s):
        history.add(sample(at_s, at_s))

    gaps = {b.at_s - a.at_s for a, b in pairwise(history.samples)}
    assert gaps == {4096.0}  # a power of two of the first gap, between week/240 and twice that


@given(st.lists(st.floats(0, 60)))
def test_every_answer_is_counted_in_the_bucket_of_its_time(seconds: list[float]) -> None:
    latencies = Latencies()

    for one in seconds:
        latencies.add(one)

    bounds = (0.0, *LATENCY_BOUNDS_S, float("inf"))
    expected = [
        sum(low < s <= high or (low == 0 and s == 0) for s in seconds)
        for low, high in pairwise(bounds)
    ]
    assert list(latencies.counts) == expected
    assert latencies.sum_s == pytest.approx(math.fsum(seconds))  # sum() is exact since 3.12
