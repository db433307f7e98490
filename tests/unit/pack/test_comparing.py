"""Rows compared by the engine itself: SQLite with D1's limits, and any tables and values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import orjson
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from streamer.model import Loading, Page, Result, Storage, TablePlan
from streamer.pack import CURRENT, Engine
from streamer.pack.comparing import Comparison, compared
from tests.engines.limited_sqlite import (
    LimitedSqlite,
    Sample,
    column,
    layout_of,
    packed,
    page_of,
    samples,
    table_plan,
)

Unequal = list[tuple[int, tuple[str, ...] | None]]
BEYOND = "9223372036854775808"  # no plan reads an integer that 64 bits don't hold


def comparing(
    plan: TablePlan, *, keys_only: bool = False, naming: bool = False, engine: Engine = CURRENT
) -> Comparison:
    return Comparison.of_table(plan, engine=engine, keys_only=keys_only, naming=naming)


def asked(database: LimitedSqlite, layout: Comparison, page: Page) -> list[Result]:
    found: list[Result] = []
    for chunk in packed(layout, page):
        for statement in chunk.statements:
            params = orjson.loads(statement.params)
            rows = database.connection.execute(statement.sql, params).fetchall()
            found.append(Result(rows=tuple(rows)))
    return found


def named(
    database: LimitedSqlite,
    plan: TablePlan,
    rows: Sequence[Sequence[str | None]],
    *,
    keys_only: bool = False,
) -> Unequal:
    layout = comparing(plan, keys_only=keys_only, naming=True)
    (result,) = asked(database, layout, page_of(rows))
    return layout.unequal(result)


def holding(plan: TablePlan, rows: Sequence[Sequence[str | None]]) -> LimitedSqlite:
    database = LimitedSqlite(plan.create_sql)
    database.write(packed(layout_of(plan), page_of(rows)))
    return database


@given(samples())
def test_rows_that_were_written_are_equal(sample: Sample) -> None:
    assume(all(BEYOND not in row for row in sample.rows))
    database = holding(sample.plan, sample.rows)

    (result,) = asked(database, comparing(sample.plan), page_of(sample.rows))

    assert result.rows == ((len(sample.rows), 0),)
    assert named(database, sample.plan, sample.rows) == []


VALUES = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.binary(max_size=8)
    | st.sampled_from(
        [7, 7.0, "7", "007", b"7", 2**53, float(2**53), float(2**60), "", b"", "a\0b"]
    )
)


@given(samples(), st.data(), VALUES)
def test_one_changed_cell_is_named_and_nothing_else(
    sample: Sample, data: st.DataObject, value: object
) -> None:
    assume(len(sample.plan.columns) > 1 and all(BEYOND not in row for row in sample.rows))
    database = holding(sample.plan, sample.rows)
    at = data.draw(st.integers(0, len(sample.rows) - 1))
    name = data.draw(st.sampled_from([c.target for c in sample.plan.columns[1:]]))
    key = int(sample.rows[at][0] or "")
    sql = f"SELECT typeof({name}), {name} FROM t WHERE k = ?"
    before = database.connection.execute(sql, (key,)).fetchall()

    database.connection.execute(f"UPDATE t SET {name} = ? WHERE k = ?", (value, key))

    changed = database.connection.execute(sql, (key,)).fetchall() != before
    assert named(database, sample.plan, sample.rows) == ([(at, (name,))] if changed else [])


@given(samples(), st.data())
def test_rows_that_are_gone_are_named(sample: Sample, data: st.DataObject) -> None:
    assume(all(BEYOND not in row for row in sample.rows))
    database = holding(sample.plan, sample.rows)
    gone = data.draw(st.sets(st.integers(0, len(sample.rows) - 1)))
    for at in gone:
        database.connection.execute("DELETE FROM t WHERE k = ?", (int(sample.rows[at][0] or ""),))

    (result,) = asked(database, comparing(sample.plan), page_of(sample.rows))

    assert result.rows == ((len(sample.rows), len(gone)),)
    expected: Unequal = [(at, None) for at in sorted(gone)]
    assert sorted(named(database, sample.plan, sample.rows)) == expected
    keys = [(row[0],) for row in sample.rows]
    only_keys = compared(sample.plan, keys_only=True)
    assert sorted(named(database, only_keys, keys, keys_only=True)) == expected


@given(st.integers(0, 98), st.sampled_from(list(Storage)))
@example(98, Storage.TEXT)
def test_each_of_a_hundred_columns_can_be_named(place: int, storage: Storage) -> None:
    columns = [column("k", Storage.INTEGER), *(column(f"c{n}", storage) for n in range(99))]
    plan = table_plan(columns)
    rows = [("1", *["31"] * 99)]
    database = holding(plan, rows)

    database.connection.execute(f"UPDATE t SET c{place} = NULL")

    assert named(database, plan, rows) == [(0, (f"c{place}",))]


def test_a_double_that_equals_the_integer_is_another_value() -> None:
    plan = table_plan([column("k", Storage.INTEGER), column("n", Storage.INTEGER)])
    rows = [("1", "-9223372036854775808")]
    database = holding(plan, rows)

    database.connection.execute("UPDATE t SET n = -9223372036854775808.0")

    assert database.rows("SELECT typeof(n) FROM t") == [("real",)]
    assert named(database, plan, rows) == [(0, ("n",))]


def test_letters_of_another_case_are_another_value_where_keys_ignore_it() -> None:
    plan = table_plan([column("k", Storage.TEXT, nocase=True), column("a", nocase=True)])
    rows = [("Key", "Value")]
    database = holding(plan, rows)

    database.connection.execute("UPDATE t SET k = 'KEY', a = 'VALUE'")

    assert named(database, plan, rows) == [(0, ("k", "a"))]


@pytest.mark.parametrize(
    ("collation", "held", "sent"), [("NOCASE", "alice", "Alice"), ("RTRIM", "alice  ", "alice")]
)
def test_texts_that_a_table_of_another_hand_calls_equal_are_others(
    collation: str, held: str, sent: str
) -> None:
    plan = table_plan([column("k"), column("a")])
    database = LimitedSqlite(plan.create_sql.replace(" TEXT", f" TEXT COLLATE {collation}"))
    database.rows("INSERT INTO t VALUES (?, ?), ('same', 'same')", held, held)
    rows = [(sent, sent), ("same", "same")]

    (result,) = asked(database, comparing(plan), page_of(rows))

    assert result.rows == ((2, 1),)
    assert named(database, plan, rows) == [(0, ("k", "a"))]
    only_keys = compared(plan, keys_only=True)
    assert named(database, only_keys, [row[:1] for row in rows], keys_only=True) == [(0, ("k",))]


def test_texts_are_looked_up_by_the_key_s_index() -> None:
    plan = table_plan([column("k"), column("a")], without_rowid=True)
    database = LimitedSqlite(plan.create_sql)

    steps = database.rows(f"EXPLAIN QUERY PLAN {comparing(plan).json_sql}", "[]")

    assert [step[-1] for step in steps if "SEARCH" in str(step[-1])] == [
        "SEARCH o USING PRIMARY KEY (k=?) LEFT-JOIN"
    ]


def test_a_row_of_pieces_is_compared_whole() -> None:
    plan = table_plan([column("k", Storage.INTEGER), column("b", Storage.BLOB), column("t")])
    rows = [("1", "00ff" * 400_000, "x" * 900_000)]
    database = holding(plan, rows)

    assert named(database, plan, rows) == []
    database.connection.execute("UPDATE t SET b = CAST(substr(b, 1, 799999) || x'fe' AS BLOB)")
    assert named(database, plan, rows) == [(0, ("b",))]


def test_a_row_that_d1_has_no_room_for_is_missing_or_differs_in_its_largest_cells() -> None:
    plan = table_plan(
        [column("k", Storage.INTEGER), column("b", Storage.BLOB), column("t"), column("a")]
    )
    long = [
        ("1", None, "é" * 1_000_001, "same"),  # a cell that no parameter holds
        ("2", "00ff" * 900_000, "x" * 900_000, "same"),  # two that a row doesn't
        ("3", "00ff" * 900_000, "x" * 900_000, "same"),
    ]
    whole = [("0", "00", "x", "same"), ("4", "00", "x", "same")]
    database = holding(
        plan, [*whole, ("1", None, None, "same"), ("2", None, "x" * 900_000, "other")]
    )
    page = page_of([whole[0], *long, whole[1]])

    results = asked(database, comparing(plan, naming=True), page)

    found = [row for n, result in enumerate(results) for row in shifted(n, plan, result)]
    assert found == [(1, ("t",)), (2, ("b", "a")), (3, None)]


def shifted(number: int, plan: TablePlan, result: Result) -> Unequal:
    """What the statement of this number found, whose rows are one each."""
    found = comparing(plan, naming=True).unequal(result)
    return [(number + at, columns) for at, columns in found]


def test_positions_are_looked_up_by_row_number() -> None:
    plan = table_plan([column("a"), column("rowid")], key=())
    database = LimitedSqlite(plan.create_sql)
    rows = [("5", "x", "y"), ("6", "x", "z")]
    database.write(packed(layout_of(plan), page_of(rows)))

    database.connection.execute("UPDATE t SET a = 'X' WHERE rowid = 'z'")

    assert named(database, plan, rows) == [(1, ("a",))]


def test_columns_that_are_set_in_a_second_pass_are_compared_too() -> None:
    plan = table_plan([column("k"), column("parent")])
    twofold = replace(plan, loading=Loading.TWO_PASS, deferred=("parent",))
    database = holding(plan, [("a", None)])

    assert named(database, twofold, [("a", "b")]) == [(0, ("parent",))]
