"""The SQL of a step: what it stores, what it leaves alone, and what a second time costs."""

from __future__ import annotations

import re

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import limits
from streamer.errors import RefusedError
from streamer.model import Pack, Statement, StepKind, Storage
from streamer.pack import Engine, step_columns
from streamer.pack.comparing import Comparison
from tests.engines.limited_sqlite import (
    ENGINES,
    PAGES,
    LimitedSqlite,
    Paged,
    Sample,
    column,
    layout_of,
    packed,
    page_of,
    samples,
    table_plan,
)

FORMS = [Pack.JSON, Pack.VALUES, Pack.ROWS]


@given(
    sample=samples(),
    form=st.sampled_from(FORMS),
    engine=st.sampled_from(ENGINES),
    paged=st.sampled_from(PAGES),
)
@settings(max_examples=100, deadline=None)
def test_every_form_stores_what_binding_each_cell_stores(
    *, sample: Sample, form: Pack, engine: Engine, paged: Paged
) -> None:
    plan = sample.plan
    database = LimitedSqlite(plan.create_sql, plan.create_sql.replace('"t"', '"reference"'))
    database.bind(plan, sample.rows, "reference")
    layout = layout_of(plan, form, engine=engine)
    page = paged(sample.rows)

    chunks = packed(layout, page)

    assert database.write(chunks) == len(sample.rows)
    assert database.cells(plan) == database.cells(plan, table="reference")
    assert database.write(chunks) == 0


@pytest.mark.parametrize("form", FORMS)
def test_a_changed_row_is_updated_and_the_others_cost_nothing(form: Pack) -> None:
    plan = table_plan([column("k", Storage.INTEGER), column("a"), column("b", Storage.BLOB)])
    database = LimitedSqlite(plan.create_sql)
    layout = layout_of(plan, form)
    database.write(packed(layout, page_of([("1", "x", "00"), ("2", None, None), ("3", "", "")])))

    changes = database.write(
        packed(layout, page_of([("1", "x", "00"), ("2", "", ""), ("3", "", None)]))
    )

    assert changes == 2
    assert database.rows("SELECT * FROM t") == [(1, "x", b"\0"), (2, "", b""), (3, "", None)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("without_rowid", [False, True])
def test_a_hundred_columns_with_the_longest_names_fit_every_form(
    *, form: Pack, without_rowid: bool
) -> None:
    columns = [column("k", Storage.INTEGER)]
    columns += [column('"' * 60 + f"{n:03}", Storage.REAL) for n in range(99)]
    plan = table_plan(columns, name='"' * 63, without_rowid=without_rowid)
    database = LimitedSqlite(plan.create_sql)
    layout = layout_of(plan, form, engine=Engine(exact_floats=False))
    rows = [(str(k), *(f"{k}.5e-200" for _ in range(99))) for k in range(3)]

    chunks = packed(layout, page_of(rows))

    assert max(len(s.sql) for c in chunks for s in c.statements) <= limits.STATEMENT_BYTES
    assert database.write(chunks) == 3
    assert database.write(chunks) == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_each_row_is_made_once_and_none_is_kept(engine: Engine) -> None:
    plan = table_plan([column("k"), column("a"), column("b")])
    database = LimitedSqlite(plan.create_sql)
    layout = layout_of(plan, engine=engine)
    comparison = Comparison.of_table(plan, engine=engine)

    for sql in (layout.json_sql, comparison.json_sql):
        steps = [str(step[3]) for step in database.rows(f"EXPLAIN QUERY PLAN {sql}", "[]")]
        assert steps[0] == "CO-ROUTINE s"
        assert not [step for step in steps if step.startswith("MATERIALIZE")]


def test_names_that_take_a_statement_beyond_its_limit_are_refused() -> None:
    columns = [column("k"), *(column("é" * 150 + str(n)) for n in range(99))]

    with pytest.raises(RefusedError, match=r"public\.t: the statement .* 100,000 bytes"):
        layout_of(table_plan(columns))


@pytest.mark.parametrize("form", FORMS)
def test_a_table_of_keys_only_takes_its_rows_twice(form: Pack) -> None:
    plan = table_plan([column("a"), column("b", Storage.INTEGER)], ("b", "a"), without_rowid=True)
    database = LimitedSqlite(plan.create_sql)
    chunks = packed(layout_of(plan, form), page_of([("x", "1"), ("y", "1")], key=(1, 0)))

    assert (database.write(chunks), database.write(chunks)) == (2, 0)


LOOSE = [("NOCASE", "alice", "Alice"), ("RTRIM", "alice  ", "alice")]  # equal by collation


@pytest.mark.parametrize("form", FORMS)
def test_case_alone_is_a_difference_even_where_the_column_ignores_it(form: Pack) -> None:
    plan = table_plan(
        [column("k", nocase=True), column("a", nocase=True)], without_rowid=form is Pack.ROWS
    )
    database = LimitedSqlite(plan.create_sql)
    layout = layout_of(plan, form)
    database.write(packed(layout, page_of([("ab", "x"), ("c", "x")])))

    changes = database.write(packed(layout, page_of([("AB", "x"), ("c", "X")])))

    assert changes == 2
    assert database.rows("SELECT * FROM t ORDER BY k") == [("AB", "x"), ("c", "X")]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("collation", "held", "sent"), LOOSE)
def test_texts_that_a_table_of_another_hand_calls_equal_are_written(
    form: Pack, collation: str, held: str, sent: str
) -> None:
    plan = table_plan([column("k", Storage.INTEGER), column("a")])
    database = LimitedSqlite(plan.create_sql.replace('"a" TEXT', f'"a" TEXT COLLATE {collation}'))
    layout = layout_of(plan, form)
    database.write(packed(layout, page_of([("1", held), ("2", "same")])))

    changes = database.write(packed(layout, page_of([("1", sent), ("2", "same")])))

    assert changes == 1
    assert database.rows("SELECT a FROM t ORDER BY k") == [(sent,), ("same",)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("collation", "held", "sent"), LOOSE)
def test_a_second_pass_writes_texts_that_a_table_of_another_hand_calls_equal(
    form: Pack, collation: str, held: str, sent: str
) -> None:
    plan = table_plan([column("k", Storage.INTEGER), column("up")], deferred=["up"])
    database = LimitedSqlite(plan.create_sql.replace('"up" TEXT', f'"up" TEXT COLLATE {collation}'))
    database.rows("INSERT INTO t VALUES (1, ?)", held)

    database.write(packed(layout_of(plan, form, kind=StepKind.EDGES), page_of([("1", sent)])))

    assert database.rows("SELECT up FROM t") == [(sent,)]


@pytest.mark.parametrize("form", FORMS)
def test_the_first_pass_leaves_deferred_columns_empty_and_a_replay_cannot_blank_them(
    form: Pack,
) -> None:
    plan = table_plan(
        [column("k", Storage.INTEGER), column("boss", Storage.INTEGER), column("a")],
        deferred=["boss"],
        constraints=["FOREIGN KEY(boss) REFERENCES t(k)"],
    )
    database = LimitedSqlite(plan.create_sql)
    rows = packed(layout_of(plan, form), page_of([("1", "2", "x"), ("2", "1", "y")]))
    edges = packed(layout_of(plan, form, kind=StepKind.EDGES), page_of([("1", "2"), ("2", "1")]))

    assert database.write(rows) == 2
    assert database.rows("SELECT boss FROM t") == [(None,), (None,)]
    assert (database.write(edges), database.write(edges)) == (2, 0)
    assert database.write(rows) == 0
    assert database.rows("SELECT * FROM t") == [(1, 2, "x"), (2, 1, "y")]


def test_a_default_does_not_fill_a_deferred_column() -> None:
    plan = table_plan([column("k"), column("d")], deferred=["d"])
    database = LimitedSqlite(plan.create_sql.replace('"d" TEXT', "\"d\" TEXT DEFAULT 'filled'"))

    database.write(packed(layout_of(plan), page_of([("1", "x")])))

    assert database.rows("SELECT d FROM t") == [(None,)]


EDGE_KEYS = [
    ([column("k", Storage.INTEGER)], ["7"], False),
    ([column("k", Storage.BLOB)], ["00ff"], True),
    ([column("k", Storage.REAL)], ["0.1"], True),
    ([column("k", nocase=True), column("k2", Storage.REAL)], ["é\"'", "-1.5e-300"], True),
    ([column("k"), column("k2", Storage.INTEGER)], ["007", "7"], False),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("keys", "cells", "without_rowid"), EDGE_KEYS)
def test_edges_find_their_row_by_the_key_index_whatever_its_type(
    *, form: Pack, engine: Engine, keys: list, cells: list[str], without_rowid: bool
) -> None:
    storages = list(Storage)
    extra = [column(f"d{s.value}", s) for s in storages]
    plan = table_plan(
        [*keys, *extra],
        [c.target for c in keys],
        deferred=[c.target for c in extra],
        without_rowid=without_rowid,
    )
    database = LimitedSqlite(plan.create_sql)
    key_cells = range(len(keys))
    values = ["9007199254740993", "2.5e-300", "12", "00ff"]
    page = page_of([(*cells, *values)], key=key_cells)
    database.write(packed(layout_of(plan, form, engine=engine), page))
    layout = layout_of(plan, form, kind=StepKind.EDGES, engine=engine)

    chunks = packed(layout, page)

    statement = chunks[0].statements[0]
    params = orjson.loads(statement.params)
    steps = database.rows(f"EXPLAIN QUERY PLAN {statement.sql}", *params)
    assert any(str(step[3]).startswith("SEARCH o USING") for step in steps)
    assert (database.write(chunks), database.write(chunks)) == (1, 0)
    stored = database.rows("SELECT dINTEGER, dREAL, dTEXT, dBLOB FROM t")
    assert stored == [(9007199254740993, 2.5e-300, "12", b"\0\xff")]


def test_the_edges_step_reads_the_key_and_the_deferred_columns() -> None:
    plan = table_plan([column("a"), column("d"), column("k")], deferred=["d"])

    assert [c.target for c in step_columns(plan, StepKind.EDGES)] == ["k", "d"]
    assert [c.target for c in step_columns(plan, StepKind.ROWS)] == ["a", "d", "k"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("names", [("a", "b"), ("RowId", "b"), ("rowid", "_rowid_")])
def test_rows_without_a_key_are_told_apart_by_their_row_number(
    form: Pack, names: tuple[str, str]
) -> None:
    plan = table_plan([column(name) for name in names], ())
    database = LimitedSqlite(plan.create_sql)
    layout = layout_of(plan, form)
    chunks = packed(layout, page_of([("65537", "x", "y"), ("65538", "x", "y")]))

    assert (database.write(chunks), database.write(chunks)) == (2, 0)

    alias = layout.columns[0].target
    assert database.rows(f"SELECT {alias}, * FROM t") == [(65537, "x", "y"), (65538, "x", "y")]


def test_another_unique_value_of_a_row_without_a_key_is_an_error_not_a_lost_row() -> None:
    plan = table_plan([column("a")], (), constraints=["UNIQUE(a)"])
    database = LimitedSqlite(plan.create_sql)
    chunks = packed(layout_of(plan), page_of([("1", "x"), ("2", "x")]))

    with pytest.raises(Exception, match=r"UNIQUE constraint failed: t\.a"):
        database.write(chunks)


def test_a_row_number_with_a_column_of_its_own_is_written_there() -> None:
    names = ("rowid", "OID", "_rowid_")
    plan = table_plan([column(name) for name in names], ())
    ddl = 'CREATE TABLE t(_streamer_row INTEGER PRIMARY KEY, "rowid" TEXT, "OID" TEXT, "_rowid_" TEXT)'
    database = LimitedSqlite(ddl)
    chunks = packed(layout_of(plan), page_of([("65537", "x", "y", "z")]))

    assert (database.write(chunks), database.write(chunks)) == (1, 0)
    assert database.rows("SELECT * FROM t") == [(65537, "x", "y", "z")]


@pytest.mark.parametrize("name", ["s", "o", "excluded", "_streamer", "select"])
@pytest.mark.parametrize("form", FORMS)
def test_no_name_of_a_table_or_column_confuses_the_statement(name: str, form: Pack) -> None:
    plan = table_plan([column("v"), column("value"), column(name)], ("v",), name=name)
    database = LimitedSqlite(plan.create_sql)
    chunks = packed(layout_of(plan, form), page_of([("1", "2", "3")]))

    assert (database.write(chunks), database.write(chunks)) == (1, 0)

    later = table_plan(
        [column("v"), column("value"), column(name)], ("v",), name=name, deferred=[name]
    )
    edges = packed(layout_of(later, form, kind=StepKind.EDGES), page_of([("1", "4")]))

    assert (database.write(edges), database.write(edges)) == (1, 0)


def test_a_staged_table_is_written_to_its_stage() -> None:
    plan = table_plan([column("k")], stage="t_stage")

    assert 'INSERT INTO "t_stage"' in layout_of(plan, into_stage=True).json_sql
    assert re.search(r'INSERT INTO "t" ', layout_of(plan).json_sql)


def test_a_stage_is_published_by_an_upsert_that_can_be_sent_again() -> None:
    plan = table_plan([column("k"), column("a")], stage="t_stage")
    database = LimitedSqlite(plan.create_sql, plan.create_sql.replace('"t"', '"t_stage"'))
    staged = packed(layout_of(plan, into_stage=True), page_of([("1", "x"), ("2", None)]))
    database.write(staged)
    publish = [Statement(layout_of(plan).copy_sql(plan.stage))]

    assert (database.request(publish), database.request(publish)) == (2, 0)
    assert database.rows("SELECT * FROM t") == [("1", "x"), ("2", None)]
