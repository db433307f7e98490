from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints import Watermark


@given(st.permutations(range(12)))
def test_values_come_out_in_order_whatever_order_they_came_in(order: list[int]) -> None:
    mark = Watermark[int]()

    out = [value for number in order for value in mark.acknowledge(number, number * 10)]

    assert out == [number * 10 for number in range(12)]
    assert (mark.next_number, mark.pending) == (12, 0)


@given(st.integers(0, 1000), st.lists(st.integers(0, 30), unique=True))
def test_nothing_at_or_behind_a_gap_comes_out(start: int, offsets: list[int]) -> None:
    mark = Watermark[int](start)

    out = [value for offset in offsets for value in mark.acknowledge(start + offset, offset)]

    gap = next(offset for offset in range(32) if offset not in offsets)
    assert out == list(range(gap))
    assert mark.next_number == start + gap
    assert mark.pending == len(offsets) - gap


@given(st.permutations(range(15)), st.lists(st.integers(1, 8), min_size=1, max_size=6))
def test_over_any_kills_each_number_is_recorded_once_and_none_is_skipped(
    order: list[int], lives: list[int]
) -> None:
    recorded: list[int] = []
    acknowledged: set[int] = set()
    for life in lives:
        mark = Watermark[int](len(recorded))  # all that a kill leaves
        left = [number for number in order if number >= len(recorded)]
        for number in left[:life]:
            acknowledged.add(number)
            recorded += mark.acknowledge(number, number)

            assert recorded == list(range(mark.next_number))
            assert acknowledged.issuperset(recorded)

    mark = Watermark[int](len(recorded))
    for number in [number for number in order if number >= len(recorded)]:
        recorded += mark.acknowledge(number, number)
    assert recorded == list(range(15))


@given(st.permutations(range(8)), st.integers(0, 7), st.data())
def test_a_double_is_refused_and_changes_nothing(
    order: list[int], count: int, data: st.DataObject
) -> None:
    mark = Watermark[str]()
    for number in order[: count + 1]:
        mark.acknowledge(number, "first")
    before = (mark.next_number, mark.pending)

    with pytest.raises(ValueError, match="acknowledged before"):
        mark.acknowledge(data.draw(st.sampled_from(order[: count + 1])), "second")

    assert (mark.next_number, mark.pending) == before


def test_numbers_below_the_start_were_acknowledged_before() -> None:
    mark = Watermark[None](5)

    with pytest.raises(ValueError, match="number 4"):
        mark.acknowledge(4, None)


def test_a_start_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="start at 0"):
        Watermark[None](-1)
