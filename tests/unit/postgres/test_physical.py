"""Positions as numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.model import Leaf, QualifiedName, Table, TableKind
from streamer.postgres.physical import (
    MOST_LEAVES,
    Position,
    in_order,
    number_leaves,
    oldest_running,
    too_long_ago,
)

PLACES = st.tuples(st.integers(0, 2**15 - 1), st.integers(0, 2**32 - 1), st.integers(1, 2**16 - 1))


def rowid(place: tuple[int, int, int]) -> int:
    leaf, block, offset = place
    return leaf << 48 | block << 16 | offset


def table_with(oids: list[int]) -> Table:
    leaves = tuple(Leaf(oid, QualifiedName("public", f"leaf_{oid}"), oid, 1) for oid in oids)
    name = QualifiedName("public", "t")
    return Table(1, name, TableKind.PARTITIONED, (), (), (), (), leaves, rows=-1, bytes=0)


@given(PLACES, PLACES)
def test_numbers_are_ordered_as_places_and_lead_back_to_them(
    one: tuple[int, int, int], other: tuple[int, int, int]
):
    place = Position.of(str(rowid(one)))

    assert (place.leaf, place.block, place.offset) == one
    assert place.tid == f"({one[1]},{one[2]})"
    assert (rowid(one) < rowid(other)) == (one < other)
    assert 0 < rowid(one) < 2**63


@given(st.lists(st.integers(1, 50), unique=True), st.lists(st.integers(1, 50), unique=True))
def test_known_leaves_keep_their_numbers_and_new_ones_come_behind(
    before: list[int], now: list[int]
):
    known = number_leaves(table_with(before))

    numbers = number_leaves(table_with(now), known)

    assert {oid: numbers[oid] for oid in before} == known
    assert len(set(numbers.values())) == len(numbers)
    assert all(numbers[oid] >= len(before) for oid in now if oid not in before)
    order = [leaf.number for leaf in in_order(table_with(now), numbers)]
    assert order == sorted(numbers[oid] for oid in now)


def test_more_leaves_than_a_position_can_tell_apart_are_refused():
    with pytest.raises(ValueError, match="32,768"):
        number_leaves(table_with(list(range(1, MOST_LEAVES + 2))))


def test_a_snapshots_text_begins_with_its_oldest_running_transaction():
    assert oldest_running("730:745:730,733") == 730
    assert not too_long_ago("730:745:", "2147484377:2147484377:")
    assert too_long_ago("730:745:", "2147484378:2147484378:")
