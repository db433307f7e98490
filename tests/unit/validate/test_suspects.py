"""Intervals that are joined in any order of their coming."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamer.model import Chunk, StepId
from streamer.validate.suspects import Interval, Suspects


def chunk(number: int) -> Chunk:
    after = (str(number),) if number else None
    return Chunk(StepId(1), number, 1, after, (str(number + 1),), (), 0)


@given(st.lists(st.integers(0, 30)), st.integers(0, 30))
def test_the_intervals_cover_the_chunks_and_no_others(numbers: list[int], cut: int) -> None:
    before = Suspects()
    for number in numbers[:cut]:
        before.add(chunk(number))

    suspects = Suspects(before.in_order())
    for number in numbers[cut:]:
        suspects.add(chunk(number))

    found = suspects.in_order()
    assert {n for i in found for n in range(i.first, i.next)} == set(numbers)
    assert all(one.next < other.first for one, other in pairwise(found))
    for interval in found:
        assert interval.after == ((str(interval.first),) if interval.first else None)
        assert interval.last == (str(interval.next),)


def test_a_chunk_that_was_cut_counts_once() -> None:
    suspects = Suspects()
    for number in (4, 3, 4, 3):
        suspects.add(chunk(number))

    assert suspects.in_order() == [Interval(3, 5, ("3",), ("5",))]
