"""What tables and columns are called in the target, and what is said where that may surprise."""

from dataclasses import replace

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.model import ColumnOptions, Plan, QualifiedName, Shaping, Table, TableOptions
from streamer.plan import PlanOptions
from streamer.translate.names import fold, quote
from tests.engines.catalogs import (
    INT4,
    TEXT,
    column,
    identified,
    index,
    plan_of,
    primary,
    refers,
    said,
    table,
)
from tests.unit.plan.ddl import create


def renamed(*tables: Table, **rename: str) -> Plan:
    names = {old.replace("__", "."): new for old, new in rename.items()}
    return plan_of(*tables, options=PlanOptions(shaping=Shaping(rename=names)))


def about(plan: Plan, name: str) -> str:
    return said([finding for finding in plan.findings if finding.object.startswith(name)])


def test_every_part_of_the_ddl_goes_by_the_new_names():
    parent = table(
        "p",
        column("a", INT4, not_null=True),
        column("b", TEXT, not_null=True),
        indexes=[primary("a", "b"), index("p_b", "b")],
    )
    child = identified(
        "c",
        column("pa", INT4),
        column("pb", TEXT),
        keys=[refers("fk", ["pa", "pb"], "p", ["a", "b"]), refers("self", "pa", "c")],
    )

    plan = renamed(parent, child, p="P2", c="C2", p__a="x", c__pa="y", c__id="key")

    assert [t.target for t in plan.tables] == ["P2", "C2"]
    assert plan.tables[0].key.columns == ("a", "b")
    assert plan.tables[0].key.targets == ("x", "b")
    made = plan.tables[1]
    assert made.key.targets == ("key",)
    assert made.foreign_keys[0].columns == ("y", "pb")
    assert made.foreign_keys[0].parent == "P2"
    assert made.foreign_keys[0].parent_columns == ("x", "b")
    assert made.deferred == ("y",)
    assert [c.read_sql for c in made.columns] == ['t."id"::text', 't."pa"::text', 't."pb"::text']
    database = create(plan)
    keys = list(database.execute('PRAGMA foreign_key_list("C2")'))
    assert {(row[2], row[3], row[4]) for row in keys} == {
        ("P2", "y", "x"),
        ("P2", "pb", "b"),
        ("C2", "y", "key"),
    }
    assert list(database.execute("PRAGMA foreign_key_check")) == []


def test_a_cycle_that_is_published_together_goes_by_the_new_names():
    a = identified("a", column("b_id", INT4, not_null=True), keys=[refers("fk_b", "b_id", "b")])
    b = identified("b", column("a_id", INT4, not_null=True), keys=[refers("fk_a", "a_id", "a")])

    plan = renamed(a, b, a="x", a__b_id="other", b__id="number")

    stage = plan.tables[0]
    assert stage.stage == "_streamer_stage_x"
    assert '"other"' in stage.stage_sql
    create(plan)


def test_a_row_s_number_goes_by_a_name_that_no_renamed_column_takes():
    made = table("t", column("a"), column("b"), column("c"))

    plan = renamed(made, t__a="rowid", t__b="OID")

    assert plan.tables[0].key.rowid == "_rowid_"


def test_a_foreign_key_to_a_renamed_table_that_the_target_holds_already_is_kept():
    child = identified("c", column("ref", INT4), keys=[refers("fk", "ref", "s.p")])
    hidden = identified("s.p", readable=False)
    shaping = Shaping(rename={"s.p": "parents", "s.p.id": "number"})

    plan = plan_of(
        child,
        hidden,
        options=PlanOptions(shaping=shaping, existing_parents=frozenset({"Parents"})),
    )

    assert 'REFERENCES "parents" ("number")' in plan.tables[0].create_sql


def test_tables_that_differ_in_case_alone_are_refused_with_what_to_type():
    plan = plan_of(identified("Sales.orders"), identified("sales.orders"))

    assert not plan.tables
    text = about(plan, "Sales.orders")
    assert "would be called Sales__orders, and so would sales.orders" in text
    assert "ignores the case" in text
    assert "--rename Sales.orders=NEW_NAME" in text


def test_a_new_name_settles_a_collision():
    plan = renamed(identified("Sales.orders"), identified("sales.orders"), Sales__orders="other")

    assert {t.target for t in plan.tables} == {"other", "sales__orders"}
    assert not plan.refusals


def test_a_new_name_may_not_be_another_s():
    plan = renamed(identified("a"), identified("b"), a="B")

    assert {f.object for f in plan.refusals} == {"public.a", "public.b"}


def test_two_tables_may_swap_their_names():
    plan = renamed(identified("a"), identified("b"), a="b", b="a")

    assert {str(t.name): t.target for t in plan.tables} == {"public.a": "b", "public.b": "a"}


def test_columns_that_differ_in_case_alone_are_refused_until_one_is_renamed():
    made = identified("t", column("A", INT4), column("a", INT4))

    plan = plan_of(made)

    assert 'one when case is ignored: "A", "a"' in said(plan.refusals)
    assert "--rename public.t.a=NEW_NAME" in said(plan.refusals)
    assert not renamed(made, t__a="b").refusals


def test_a_table_with_too_many_columns_is_refused_until_one_is_left_out():
    made = identified("t", *(column(f"c{n}") for n in range(100)))

    refused = said(plan_of(made).refusals)
    asked = Shaping(tables={"t": TableOptions(exclude_columns=("c7",))})

    assert "has 101 columns, D1 allows 100" in refused
    assert "--exclude-columns public.t.COLUMN" in refused
    assert len(plan_of(made, options=PlanOptions(shaping=asked)).tables[0].columns) == 100


def test_a_table_without_columns_is_refused():
    made = replace(table("t", indexes=[index("x", "id")]), columns=(), indexes=())

    assert "no columns" in said(plan_of(made).refusals)


@pytest.mark.parametrize(
    "name", ["_cf_kv", "sqlite_thing", "_streamer_x", "json_each", "jsonb_each"]
)
def test_a_table_that_may_not_keep_its_name_moves_under_another(name: str):
    refused = plan_of(identified(name))
    shaping = Shaping(rename={name: "fine"})

    assert f"--rename public.{name}=NEW_NAME" in said(refused.refusals)
    plan = plan_of(identified(name), options=PlanOptions(shaping=shaping))
    assert [t.target for t in plan.tables] == ["fine"]


def test_a_reserved_name_that_a_schema_makes_harmless_is_mentioned():
    text = about(plan_of(identified("refuse._cf_kv")), "refuse._cf_kv")

    assert "its name in D1 is refuse___cf_kv, since names that start with _cf_ are reserved" in text


def test_names_that_look_alike_are_pointed_out():
    plan = plan_of(
        identified("sales.orders"),
        identified("sales_orders"),
        identified("a.b_c"),
        identified("a_b.c"),
    )

    assert not plan.refusals
    text = about(plan, "sales.orders")
    assert "sales__orders, not to be confused with sales_orders (from public.sales_orders)" in text
    assert "--rename sales.orders=NEW_NAME" in text
    text = about(plan, "a.b_c")
    assert "a__b_c, not to be confused with a_b__c (from a_b.c)" in text
    assert "a_b_c" in text
    assert "a__b_c (from a.b_c)" in about(plan, "a_b.c")


def test_a_schema_in_names_is_mentioned_once():
    plan = renamed(identified("s.a"), identified("s.b"), identified("t.c"), t__c="c")

    assert [f.object for f in plan.warnings] == ["s"]
    assert "s.a is called s__a there, and so on for 2 tables" in plan.warnings[0].what


def test_what_to_type_is_quoted_where_it_must_be():
    plan = plan_of(identified("o'r d.e"), identified("O'r d.e"))

    assert """--rename '"o'"'"'r d".e=NEW_NAME'""" in said(plan.refusals)


NAMES = st.sampled_from(["t", "T", "u", "s__t", "_cf_x", "rowid", "é", "É", "a b", "sqlite_x"])


@given(
    st.lists(
        st.sampled_from(["t", "T", "u", "s.t", "S.t", "s__t", "x.y"]), min_size=1, unique=True
    ),
    st.dictionaries(st.integers(0, 6), NAMES),
    st.dictionaries(st.sampled_from(["a", "A", "b"]), NAMES),
)
def test_no_two_things_of_a_plan_share_a_name(
    tables: list[str], new: dict[int, str], columns: dict[str, str]
):
    asked: dict[str, TableOptions] = {}
    wanted = {name: ColumnOptions(rename=target) for name, target in columns.items()}
    for number, name in enumerate(tables):
        target = new.get(number, "")
        allowed = not fold(target).startswith(("_cf_", "sqlite_"))
        asked[name] = TableOptions(rename=target if allowed else "", column=wanted)
    made = [
        identified(name, column("a"), column("A"), column("b"), indexes=[index("i", "a", "A")])
        for name in tables
    ]

    plan = plan_of(*made, options=PlanOptions(shaping=Shaping(tables=asked)))

    names = [t.target for t in plan.tables] + [i.name for t in plan.tables for i in t.indexes]
    assert len({fold(name) for name in names}) == len(names)
    refused = {f.object for f in plan.refusals}
    assert {str(t.name) for t in plan.tables}.isdisjoint(refused)
    assert {t.name for t in plan.tables} | {QualifiedName(*r.split(".")) for r in refused} == {
        t.name for t in made
    }
    database = create(plan)
    for planned in plan.tables:
        columns_now = [
            r[1] for r in database.execute(f"PRAGMA table_info({quote(planned.target)})")
        ]
        assert columns_now == [c.target for c in planned.columns]
    assert isinstance(database, apsw.Connection)
