"""Rows whose UNIQUE values moved go in one request, whatever values they had and have."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer import limits
from streamer.model import Statement, Storage, TablePlan
from streamer.pack import chunk_rows
from streamer.sinks.references import Carried, Row
from streamer.sinks.refresh import Fresh
from streamer.sinks.together import Together
from streamer.sinks.uniqueness import Unique, park_for_stage
from streamer.sinks.untying import Knot
from tests.engines.limited_sqlite import (
    LimitedSqlite,
    column,
    layout_of,
    packed,
    page_of,
    table_plan,
)

FEW = st.integers(-6, 12)  # so few that what is made may be one of them
# Not at both ends of what there is: there may be no other number beyond.
INTEGERS = FEW | st.integers(-(2**63) + 2**40, 2**63 - 100)
UNIQUE = Unique(('"at"',))
REALS = FEW | st.floats(-1e300, 1e300)


@dataclass(frozen=True, slots=True)
class Moved:
    """What rows had and have, in a column of this storage that isn't NULL and may be there once.

    A row is the same one if it has the same place in both.
    """

    storage: Storage
    old: Sequence[float]
    new: Sequence[float]
    are_checked: bool = False

    @property
    def plan(self) -> TablePlan:
        """The table; one that is checked holds no negative number."""
        at = replace(column("at", self.storage), not_null=True)
        constraints = ["UNIQUE(at)", f"CHECK ({'at >= 0' if self.are_checked else 1})"]
        return table_plan([column("k", Storage.INTEGER), at], constraints=constraints)


@st.composite
def moves(draw: st.DrawFn) -> Moved:
    storage = draw(st.sampled_from([Storage.INTEGER, Storage.REAL]))
    numbers = INTEGERS if storage is Storage.INTEGER else REALS
    old = draw(st.lists(numbers, unique_by=float, min_size=1, max_size=8))
    new = draw(st.lists(numbers, unique_by=float, min_size=len(old), max_size=12))
    if draw(st.booleans()):
        old, new = ([*{abs(n) % 2**62: n for n in some}] for some in (old, new))
        return Moved(storage, old[: len(new)], new, are_checked=True)
    return Moved(storage, old, new)


@given(moved=moves(), dice=st.randoms())
@example(Moved(Storage.INTEGER, [1, 2], [4, 3, 2, 1]), random.Random(0))
@example(Moved(Storage.REAL, [0.0, 1e17], [1e17, 0.0]), random.Random(0))
def test_rows_whose_numbers_moved_in_any_way_are_written_at_once(
    moved: Moved, dice: random.Random
) -> None:
    plan = moved.plan
    database = LimitedSqlite(plan.create_sql)
    database.bind(plan, cells(moved.old), "t")
    rows = cells(moved.new)
    dice.shuffle(rows)
    some = dice.randrange(len(rows))

    held = [str(key) for key in range(len(moved.old))]
    database.request(together(plan, rows[:some], rows[some:], held).statements)

    stored = database.rows("SELECT at FROM t ORDER BY k")
    assert [float(str(at)) for (at,) in stored] == [float(at) for at in moved.new]


@pytest.mark.parametrize("unique", ["UNIQUE(at)", ""], ids=["plain", "by an index"])
def test_texts_that_moved_pass_a_check_meanwhile_and_keys_alike_but_for_case_are_told_apart(
    unique: str,
) -> None:
    at = replace(column("at", nocase=True), not_null=True)
    checks = [unique, "CHECK (at LIKE '%@%')"] if unique else []
    plan = table_plan([column("k"), at], constraints=checks)
    database = LimitedSqlite(plan.create_sql, "CREATE UNIQUE INDEX once ON t (lower(at))")
    old, new = [("A", "x@"), ("a", "y@")], [("A", "Y@"), ("a", "X@")]
    database.bind(plan, old, "t")
    knot = Unique(('"at"',) if unique else ('lower("at")',))

    database.request(together(plan, [], new, ["A", "a"], knot).statements)

    assert database.rows("SELECT k, at FROM t ORDER BY k") == new


@given(moves())
@example(Moved(Storage.INTEGER, [1, 2], [2, 1, 3]))
def test_staged_rows_whose_numbers_moved_in_any_way_are_published_at_once_behind_others(
    moved: Moved,
) -> None:
    plan = replace(moved.plan, stage="s")
    layout = layout_of(plan)
    database = LimitedSqlite(plan.create_sql, "CREATE TABLE s (k INTEGER PRIMARY KEY, at)")
    database.bind(plan, cells(moved.old), "t")
    held, rows = len(moved.old), cells(moved.new)
    first = [row for row in rows[held:] if row[1] not in {old for _, old in cells(moved.old)}]
    database.bind(plan, [row for row in rows if row not in first], "s")
    chunks = packed(layout, page_of(first)) if first else []

    parking = park_for_stage(plan, UNIQUE, [(layout, first)])
    assert parking is not None
    written = [statement for chunk in chunks for statement in chunk.statements]
    database.request([parking, *written, Statement.of(layout.copy_sql("s"))])

    stored = database.rows("SELECT at FROM t ORDER BY k")
    assert [float(str(at)) for (at,) in stored] == [float(at) for at in moved.new]


def cells(numbers: Sequence[float]) -> list[tuple[str, str]]:
    """Rows of these numbers, whose keys are 0, 1, …"""
    return [(str(key), repr(number)) for key, number in enumerate(numbers)]


def together(
    plan: TablePlan,
    ahead: Sequence[Row],
    tied: Sequence[Row],
    held: Sequence[str],
    unique: Unique = UNIQUE,
) -> Together:
    """Rows that are sent, some of them `tied`; those with the keys `held` let go first."""
    carried, found = Carried(plan, layout_of(plan)), Together(limits.BATCH_BYTES_START)
    if ahead:
        found.add(carried, packed(carried.layout, page_of(ahead)))
    chunks = packed(carried.layout, page_of(tied))
    statements = [statement for chunk in chunks for statement in chunk.statements]
    known = [row for chunk in chunks for row in chunk_rows(carried.layout, chunk)]
    fresh = Fresh(plan, carried.layout, statements, known)
    found.tie(Knot(carried, fresh, (unique,), frozenset((key,) for key in held)))
    return found
