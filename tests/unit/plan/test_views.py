"""Which views the target gets: in order, under names of their own, or named with the reason."""

from dataclasses import replace

import pytest

from streamer.config import Selection
from streamer.model import ColumnOptions, Plan, Shaping, Table, TableKind, TableOptions
from streamer.plan import PlanOptions, make_plan
from tests.engines.catalogs import (
    INT4,
    TEXT,
    catalog,
    column,
    identified,
    index,
    plan_of,
    said,
    table,
)
from tests.unit.plan.ddl import create

T = identified("t", column("a", TEXT), column("b", INT4))


def view(name: str, definition: str, *columns: str) -> Table:
    made = [column(c, INT4 if c in {"id", "b"} else TEXT) for c in columns]
    return replace(
        table(name, *made), kind=TableKind.VIEW, indexes=(), leaves=(), definition=definition
    )


def planned(*tables: Table, tables_options: dict[str, TableOptions] | None = None) -> Plan:
    shaping = Shaping(views="create", tables=tables_options or {})
    return plan_of(*tables, options=PlanOptions(shaping=shaping))


V = view("v", " SELECT id,\n    a\n   FROM public.t\n  WHERE (b > 0);", "id", "a")
OVER = view("over", " SELECT id\n   FROM public.v;", "id")


def test_views_are_made_after_those_that_they_are_made_of():
    late = replace(V, oid=OVER.oid + 1)  # CREATE OR REPLACE may turn the order round

    for first in (V, late):
        plan = planned(T, OVER, first)

        assert [str(made.source) for made in plan.views] == ["public.v", "public.over"]
        assert plan.warnings == ()
        database = create(plan)
        for made in plan.views:
            database.execute(made.create_sql)
        database.execute("INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 0)")
        assert database.execute('SELECT * FROM "over"').fetchall() == [(1,)]
        assert database.execute('SELECT * FROM "v"').fetchall() == [(1, "x")]


def test_a_view_of_rows_of_tables_that_inherit_is_left_out_and_one_of_a_table_s_own_rows_is_made():
    parent = replace(T, has_children=True)
    own = view("own", " SELECT id,\n    a\n   FROM ONLY public.t;", "id", "a")

    plan = planned(parent, V, own)

    assert [str(made.source) for made in plan.views] == ["public.own"]
    (warning,) = plan.warnings
    assert warning.object == "public.v"
    assert "with the rows of tables that inherit from it, which D1 has apart" in warning.what
    database = create(plan)
    database.execute(plan.views[0].create_sql)
    database.execute("INSERT INTO t VALUES (1, 'x', 1)")
    assert database.execute('SELECT * FROM "own"').fetchall() == [(1, "x")]


@pytest.mark.parametrize(("encoding", "made"), [("UTF8", ["v", "low"]), ("KOI8R", ["v"])])
def test_a_view_over_a_view_that_sorts_by_another_encoding_s_bytes_is_left_out(
    encoding: str, made: list[str]
):
    ordered = replace(T, columns=(T.columns[0], column("a", TEXT, collation='pg_catalog."C"')))
    over = view("v", " SELECT id,\n    a\n   FROM public.t;", "id", "a")
    over = replace(over, columns=(over.columns[0], ordered.columns[1]))
    low = view("low", " SELECT id\n   FROM public.v\n  WHERE (a < 'm'::text);", "id")
    options = PlanOptions(shaping=Shaping(views="create"))

    plan = make_plan(catalog(ordered, over, low, encoding=encoding), Selection(), options)

    assert [one.target for one in plan.views] == made


def test_what_a_view_has_beside_its_query_is_named_as_lost_where_it_moves():
    guarded = replace(
        V,
        view_options=("security_barrier=true", "check_option=cascaded"),
        triggers=("audit",),
        rules=("redirect",),
    )

    plan = planned(T, guarded)

    assert [str(made.source) for made in plan.views] == ["public.v"]
    (warning,) = plan.warnings
    assert warning.object == "public.v"
    assert warning.what == (
        "the view is made without security_barrier=true, check_option=cascaded,"
        " the trigger audit, the rule redirect: D1 has no roles, and its views can only be read"
    )


def test_views_are_left_out_unless_they_are_asked_for():
    plan = plan_of(T, V)

    assert plan.views == ()
    assert 'public.v: the view isn\'t moved views = "create"' in said(plan.warnings)


def test_a_view_that_is_not_translated_takes_those_over_it_along():
    odd = view("v", " SELECT id,\n    odd(a) AS a\n   FROM public.t;", "id", "a")

    plan = planned(T, odd, OVER)

    assert plan.views == ()
    assert {f.object for f in plan.warnings} == {"public.v", "public.over"}
    assert all("the view isn't moved: " in f.what for f in plan.warnings)


def test_a_view_s_name_may_be_taken_by_case_or_by_being_reserved():
    same = view("T", V.definition, "id", "a")
    reserved = view("_cf_v", V.definition, "id", "a")

    plan = planned(T, same, reserved)

    assert plan.views == ()
    assert "public.T: the view isn't moved: it would be called T, as something else is" in said(
        plan.warnings
    )
    assert "public._cf_v: the view isn't moved: it would be called _cf_v" in said(plan.warnings)


def test_no_index_takes_a_view_s_name():
    indexed = identified("t", column("a", TEXT), column("b", INT4), indexes=[index("v", "b")])
    named = view("t_v", V.definition, "id", "a")

    plan = planned(indexed, named)

    assert [made.target for made in plan.views] == ["t_v"]
    assert [i.name for i in plan.tables[0].indexes] == ["t_v_2"]


def test_a_view_over_what_a_mask_makes_or_what_is_not_moved_is_left_out():
    masked = TableOptions(column={"a": ColumnOptions(mask="hash")})
    excluded = TableOptions(exclude_columns=("b",))

    for options in (masked, excluded):
        plan = planned(T, V, tables_options={"t": options})

        assert plan.views == ()
        assert "public.v: the view isn't moved" in said(plan.warnings)


def test_a_view_follows_the_names_that_its_tables_have_in_d1():
    options = {"t": TableOptions(rename="new", column={"a": ColumnOptions(rename="c")})}

    plan = planned(T, V, tables_options=options)

    assert '("id", "a") AS SELECT' in plan.views[0].create_sql
    database = create(plan)
    database.execute(plan.views[0].create_sql)
    database.execute("INSERT INTO new VALUES (1, 'x', 1)")
    assert database.execute("SELECT id, a FROM v").fetchall() == [(1, "x")]


def test_a_view_that_d1_turned_out_not_to_take_is_named():
    options = PlanOptions(shaping=Shaping(views="create"), untranslatable=frozenset({"public.v"}))

    plan = plan_of(T, V, options=options)

    assert plan.views == ()
    assert "public.v: the view isn't moved: D1 doesn't accept its translation" in said(
        plan.warnings
    )
