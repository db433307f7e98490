"""What D1 is asked about missing parents agrees with what its foreign keys say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import apsw
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.model import (
    Column,
    ColumnPlan,
    ForeignKeyPlan,
    Key,
    KeyKind,
    Loading,
    Pack,
    PgType,
    Result,
    StepKind,
    Storage,
    TablePlan,
    TypeKind,
)
from streamer.pack import chunk_rows, without_rows
from streamer.sinks.references import Carried, keyed_by, questions
from tests.engines.limited_sqlite import (
    LimitedSqlite,
    column,
    layout_of,
    packed,
    page_of,
    table_plan,
)

TO_PARENT = ForeignKeyPlan(("a", "b"), "parent", ("x", "y"), "child_parent")
CONSTRAINT = "FOREIGN KEY(a, b) REFERENCES parent(x, y)"


def described(plan: TablePlan) -> TablePlan:
    """The plan with the source's columns, all of type text."""
    text = PgType(25, "pg_catalog", "text", "text", TypeKind.BASE)
    columns = tuple(Column(c.source, n, text, not_null=False) for n, c in enumerate(plan.columns))
    return replace(plan, table=replace(plan.table, columns=columns))


def parent_of(x: Storage, y: Storage) -> TablePlan:
    return described(table_plan([column("y", y), column("x", x)], ("x", "y"), name="parent"))


def child_of(a: Storage, b: Storage, deferred: Sequence[str] = ()) -> TablePlan:
    columns = [column("k", Storage.INTEGER), column("a", a), column("b", b)]
    plan = table_plan(columns, name="child", deferred=deferred, constraints=[CONSTRAINT])
    return replace(plan, foreign_keys=(TO_PARENT,))


def lacking(
    database: LimitedSqlite,
    carried: Carried,
    rows: Sequence[Sequence[str | None]],
    parents: Sequence[TablePlan],
) -> set[Key]:
    found: set[Key] = set()
    for question in questions(carried, rows, {plan.target: plan for plan in parents}):
        parameters = orjson.loads(question.statement.params)
        answer = Result(rows=tuple(database.rows(question.statement.sql, *parameters)))
        found |= {wanted.key for wanted in question.lacking(answer).values()}
    return found


CELLS = {
    Storage.INTEGER: ["1", "2", "9007199254740993", "-7"],
    Storage.TEXT: ["1", "01", "", "'", "é😀"],
    Storage.BLOB: ["", "00ff", "31"],
}


@st.composite
def families(
    draw: st.DrawFn,
) -> tuple[tuple[Storage, Storage], list[tuple[str, str]], list[tuple[str | None, str | None]]]:
    storages = draw(st.tuples(*[st.sampled_from(list(CELLS))] * 2))
    values = st.tuples(*[st.sampled_from(CELLS[storage]) for storage in storages])
    parents = draw(st.lists(values, unique=True))
    cells = [st.none() | st.sampled_from(CELLS[storage]) for storage in storages]
    return storages, parents, draw(st.lists(st.tuples(*cells), min_size=1, max_size=8))


@pytest.mark.parametrize("pack", [Pack.JSON, Pack.VALUES])
@given(family=families())
def test_exactly_the_rows_that_d1_refuses_are_found_to_lack_a_parent(
    pack: Pack,
    family: tuple[
        tuple[Storage, Storage], list[tuple[str, str]], list[tuple[str | None, str | None]]
    ],
) -> None:
    storages, parent_rows, references = family
    parent, child = parent_of(*storages), child_of(*storages)
    database = LimitedSqlite(parent.create_sql, child.create_sql)
    if parent_rows:
        page = page_of([(y, x) for x, y in parent_rows], key=(1, 0))
        database.write(packed(layout_of(parent), page))
    layout = layout_of(child, pack)
    rows = [(str(n), *cells) for n, cells in enumerate(references)]
    (chunk,) = packed(layout, page_of(rows))

    found = lacking(database, Carried(child, layout), chunk_rows(layout, chunk), [parent])

    refused: set[Key] = set()
    for row in rows:
        try:
            database.write(packed(layout, page_of([row])))
        except apsw.ConstraintError:
            texts = zip(row[1:], storages, strict=True)
            refused.add(tuple(str(text) for text, _ in texts))
    assert found == refused


def test_a_second_pass_takes_what_it_does_not_carry_from_rows_that_are_there() -> None:
    storages = (Storage.INTEGER, Storage.TEXT)
    parent, child = parent_of(*storages), child_of(*storages, deferred=("b",))
    database = LimitedSqlite(parent.create_sql, child.create_sql)
    database.write(packed(layout_of(parent), page_of([("there", "1")])))
    first = [("1", "1", None), ("2", "9007199254740993", None), ("3", None, None)]
    database.write(packed(layout_of(child), page_of(first)))
    layout = layout_of(child, kind=StepKind.EDGES)
    rows = [("1", "there"), ("2", "lacks"), ("3", "of nothing"), ("4", "not there")]

    found = lacking(database, Carried(child, layout), rows, [parent])

    assert found == {("9007199254740993", "lacks")}


def test_the_first_pass_lacks_nothing_of_what_the_second_will_set() -> None:
    child = child_of(Storage.INTEGER, Storage.TEXT, deferred=("b",))
    parent = parent_of(Storage.INTEGER, Storage.TEXT)

    assert questions(Carried(child, layout_of(child)), [("1", "1", None)], {"parent": parent}) == []


def test_nothing_is_asked_about_tables_of_others_and_no_row_without_a_key_is_fetched() -> None:
    child = child_of(Storage.INTEGER, Storage.TEXT)
    parent = parent_of(Storage.INTEGER, Storage.TEXT)
    keyless = replace(parent, key=replace(parent.key, kind=KeyKind.PHYSICAL))
    carried, rows = Carried(child, layout_of(child)), [("1", "1", "x")]

    assert questions(carried, rows, {}) == []
    assert len(questions(carried, rows, {"parent": keyless})) == 1
    assert keyed_by(keyless, parent.key.targets) is None
    assert keyed_by(parent, ("x", "unknown")) is None


def test_many_references_are_asked_about_in_parts() -> None:
    child = child_of(Storage.INTEGER, Storage.TEXT)
    parent = parent_of(Storage.INTEGER, Storage.TEXT)
    rows = [(str(n), str(n), "x" * 1000) for n in range(3000)]

    asked = questions(Carried(child, layout_of(child)), rows, {"parent": parent})

    assert len(asked) > 1
    assert max(len(question.statement.params) for question in asked) < 2_000_000
    assert [cells for question in asked for cells in question.cells] == [row[1:] for row in rows]


@pytest.mark.parametrize("pack", [Pack.JSON, Pack.VALUES, Pack.ROWS])
def test_rows_are_taken_out_of_a_chunk_that_is_packed(pack: Pack) -> None:
    columns: list[ColumnPlan] = [column("k", Storage.INTEGER), column("v")]
    plan = table_plan(columns)
    database = LimitedSqlite(plan.create_sql)
    layout = layout_of(plan, pack)
    rows = [(str(n), f"value {n}") for n in range(90)]
    (chunk,) = packed(layout, page_of(rows))

    kept = without_rows(layout, chunk, lambda row: int(str(row[0])) % 3 == 0)

    assert [tuple(row) for row in chunk_rows(layout, chunk)] == rows
    database.request(kept)
    assert database.rows("SELECT count(*), sum(k % 3 = 0) FROM t") == [(60, 0)]


def test_nothing_is_asked_about_rows_that_wait_in_a_staging_table() -> None:
    parent = parent_of(Storage.INTEGER, Storage.TEXT)
    child = replace(
        child_of(Storage.INTEGER, Storage.TEXT), loading=Loading.STAGED, stage="_streamer_stage"
    )
    rows = [("1", "2", "x")]

    staged = questions(Carried(child, layout_of(child, into_stage=True)), rows, {"parent": parent})
    sent = questions(Carried(child, layout_of(child)), rows, {"parent": parent})

    assert (staged, len(sent)) == ([], 1)
