"""What a target table has beside its columns and keys, and what is said of the rest."""

from dataclasses import replace

import pytest

from streamer.model import (
    Check,
    ColumnOptions,
    ForeignKeyAction,
    KeyKind,
    Loading,
    Plan,
    Secret,
    Shaping,
    Table,
    TableKind,
    TableOptions,
    TypeKind,
    TypeOptions,
)
from streamer.plan import PlanOptions
from tests.engines.catalogs import (
    INT4,
    TEXT,
    base,
    column,
    domain,
    identified,
    index,
    plan_of,
    primary,
    refers,
    said,
    table,
)
from tests.unit.plan.ddl import create


def shaped(*tables: Table, **options: object) -> Plan:
    """The plan of these tables with shaping options."""
    shaping = replace(Shaping(), **options)  # pyright: ignore[reportArgumentType]
    return plan_of(*tables, options=PlanOptions(shaping=shaping))


def check(name: str, condition: str, *, validated: bool = True) -> Check:
    return Check(name, f"CHECK ({condition})", validated)


def test_checks_defaults_and_generated_columns_are_carried_over():
    made = identified(
        "t",
        column("a", INT4, default="42"),
        column("b", INT4, generated="s", default="(a + 1)"),
        column("v", INT4, generated="v", default="(a + 2)"),
        checks=(check("positive", "(a > 0)"),),
    )

    plan = plan_of(made)

    sql = plan.tables[0].create_sql
    assert '"a" INTEGER DEFAULT 42' in sql
    assert 'CONSTRAINT "positive" CHECK ("a" > 0)' in sql
    assert [c.source for c in plan.tables[0].columns] == ["id", "a"]
    assert plan.tables[0].generated == ("b", "v")
    assert not plan.warnings
    database = create(plan)
    database.execute("INSERT INTO t (id) VALUES (1)")
    assert database.execute("SELECT a, b, v FROM t").get == (42, 43, 44)


def test_a_domain_s_checks_default_and_not_null_move_to_the_column():
    inner = replace(domain(INT4), checks=(check("inner_ck", "(VALUE < 9)"),), default="5")
    outer = replace(domain(inner, not_null=True), checks=(check("outer_ck", "(VALUE > 0)"),))

    sql = plan_of(identified("t", column("d", outer), column("e", outer, default="7"))).tables[0]

    assert '"d" INTEGER NOT NULL DEFAULT 5' in sql.create_sql
    assert '"e" INTEGER NOT NULL DEFAULT 7' in sql.create_sql
    for name in ("d", "e"):
        assert f'CONSTRAINT "inner_ck" CHECK ("{name}" < 9)' in sql.create_sql
        assert f'CONSTRAINT "outer_ck" CHECK ("{name}" > 0)' in sql.create_sql


def test_a_column_s_null_default_overrides_its_domain_s():
    five = replace(domain(INT4), default="5")

    plan = plan_of(identified("t", column("d", five, default="NULL::integer")))

    assert "DEFAULT" not in plan.tables[0].create_sql
    assert not plan.warnings


def test_checks_that_rows_may_break_are_left_out_and_named():
    made = identified(
        "t",
        column("a", INT4),
        checks=(check("late", "(a > 0)", validated=False), check("odd", "(odd(a))")),
    )

    plan = plan_of(made)

    assert "CHECK" not in plan.tables[0].create_sql
    assert [f.object for f in plan.warnings] == ["public.t.late", "public.t.odd"]
    assert "NOT VALID" in plan.warnings[0].what


def test_the_user_can_do_without_checks_and_defaults():
    made = identified("t", column("a", INT4, default="42"), checks=(check("c", "(a > 0)"),))

    plan = shaped(made, checks="none", defaults="none")

    assert "CHECK" not in plan.tables[0].create_sql
    assert "DEFAULT" not in plan.tables[0].create_sql
    assert {f.object for f in plan.warnings} == {"public.t.a", "public.t.c"}
    assert 'as asked by checks = "none"' in said(plan.warnings)


def test_a_transform_may_break_checks_and_generated_columns_so_they_go():
    made = identified(
        "t",
        column("a", INT4),
        column("b", INT4, generated="s", default="(a + 1)"),
        checks=(check("c", "(a > 0)"),),
    )

    plan = shaped(made, tables={"t": TableOptions(transform="module:function")})

    assert "CHECK" not in plan.tables[0].create_sql
    assert plan.tables[0].generated == ()
    assert said(plan.warnings).count("transform") == 2


def test_what_a_mask_makes_has_no_check_and_no_default():
    made = identified(
        "t", column("a", TEXT, default="'x'"), checks=(check("c", "(length(a) > 0)"),)
    )
    options = TableOptions(column={"a": ColumnOptions(mask="redact")})

    plan = shaped(made, tables={"t": options})

    assert "CHECK" not in plan.tables[0].create_sql
    assert "DEFAULT" not in plan.tables[0].create_sql
    assert {"public.t.a", "public.t.c"} <= {f.object for f in plan.warnings}


def test_a_generated_column_of_a_key_stays_a_plain_one():
    key = column("g", INT4, not_null=True, generated="s", default="(a + 1)")
    made = table("t", column("a", INT4), key, indexes=[primary("g")])

    plan = plan_of(made)

    assert plan.tables[0].generated == ()
    assert plan.tables[0].key.columns == ("g",)
    assert "a key or a foreign key is made of it" in said(plan.warnings)


def test_a_table_of_nothing_but_generated_columns_writes_them():
    made = table("t", column("g", INT4, generated="s", default="(1 + 1)"))

    assert [c.target for c in plan_of(made).tables[0].columns] == ["g"]


def test_a_default_of_the_row_s_number_has_no_use():
    made = table("t", column("id", INT4, not_null=True, default="7"), indexes=[primary("id")])

    plan = plan_of(made)

    assert "DEFAULT" not in plan.tables[0].create_sql
    assert "D1 numbers an INTEGER PRIMARY KEY by itself" in said(plan.warnings)


def test_an_insert_into_a_not_null_column_without_its_default_is_told_louder():
    made = identified(
        "t", column("a", TEXT, default="odd()"), column("b", TEXT, not_null=True, default="odd()")
    )

    text = said(plan_of(made).warnings)

    assert "t.a: the default odd() is not translated" in text
    assert text.count("NOT NULL, every INSERT must supply it") == 1


def test_partial_and_expression_indexes_are_carried_over():
    made = identified(
        "t",
        column("a", INT4),
        column("b", TEXT),
        indexes=[
            index("part", "a", predicate="(a > 0)", unique=True),
            index("expr", None, "a", expressions=("COALESCE(a, 0)", None)),
            index("wide", "b", unique=True, included=("a",)),
            index("odd", None, expressions=("odd(a)",), unique=True),
        ],
    )

    plan = plan_of(made)

    made_sql = {i.object: i.sql for i in plan.tables[0].indexes}
    assert made_sql["public.t.part"].endswith('("a") WHERE "a" > 0')
    assert "coalesce" in made_sql["public.t.expr"].lower()
    assert made_sql["public.t.wide"].endswith('("b")')
    assert [f.object for f in plan.warnings] == ["public.t.odd"]
    create(plan)


def test_a_unique_expression_index_goes_where_options_store_different_values_alike():
    moment = base("timestamp", "timestamp without time zone")
    expression = index("u", None, "at", unique=True, expressions=("COALESCE(a, 0)", None))
    made = identified("t", column("a", INT4), column("at", moment), indexes=[expression])

    exact, truncated = shaped(made), shaped(made, types=TypeOptions(timestamps="seconds"))

    assert [i.object for i in exact.tables[0].indexes] == ["public.t.u"]
    assert truncated.tables[0].indexes == ()
    assert "t.u: the unique index is left out: at is among its keys" in said(truncated.warnings)


def test_indexes_that_d1_could_not_tell_apart_are_made_once():
    made = identified(
        "t",
        column("a", TEXT),
        indexes=[
            index("one", "a"),
            index("hashed", "a", method="hash"),
            index("down", "a", descending=(True,), nulls_first=(True,)),
            index("u", "a", unique=True),
        ],
    )

    plan = plan_of(made)

    assert [i.name for i in plan.tables[0].indexes] == ["t_one", "t_down", "t_u"]
    assert "t.hashed: the index is left out: in D1 it would be the same as one" in said(
        plan.warnings
    )


@pytest.mark.parametrize(
    "part",
    [
        {"checks": (check("c", "((next IS NOT NULL) OR (id > 0))"),)},
        {"indexes": [index("u", "next", unique=True)]},
        {"indexes": [index("u", "id", unique=True, predicate="(next > 0)")]},
    ],
)
def test_a_self_reference_that_something_looks_at_is_not_null_for_a_while(
    part: dict[str, object],
):
    free = identified("t", column("next", INT4), keys=[refers("fk", "next", "t")])
    held = identified("t", column("next", INT4), keys=[refers("fk", "next", "t")], **part)

    assert plan_of(free).tables[0].loading is Loading.TWO_PASS
    assert plan_of(held).tables[0].loading is Loading.STAGED


def test_a_generated_column_over_a_self_reference_keeps_it_from_being_null():
    twice = column("twice", INT4, generated="s", default="(next + 1)")
    made = identified("t", column("next", INT4), twice, keys=[refers("fk", "next", "t")])

    planned = plan_of(made).tables[0]

    assert planned.loading is Loading.STAGED
    assert "twice" not in planned.stage_sql
    assert "GENERATED" in planned.create_sql


def test_a_staging_table_has_neither_checks_nor_defaults():
    made = identified(
        "t",
        column("next", INT4, not_null=True, default="1"),
        checks=(check("c", "(next > 0)"),),
        keys=[refers("fk", "next", "t")],
    )

    planned = plan_of(made).tables[0]

    assert "CHECK" in planned.create_sql
    assert "CHECK" not in planned.stage_sql
    assert "DEFAULT" not in planned.stage_sql


@pytest.mark.parametrize(("default", "told"), [("1", False), ("odd()", True), (None, False)])
def test_set_default_is_told_where_the_default_is_lost(default: str | None, *, told: bool):
    key = replace(refers("fk", "ref", "p"), on_delete=ForeignKeyAction.SET_DEFAULT)
    child = identified("c", replace(column("ref", INT4), default=default), keys=[key])

    plan = plan_of(identified("p"), child)

    assert "ON DELETE SET DEFAULT" in plan.tables[1].create_sql
    assert ("SET DEFAULT sets NULL" in said(plan.warnings)) == told


def test_everything_of_a_renamed_table_speaks_of_its_new_names():
    made = identified(
        "t",
        column("a", INT4, default="1"),
        column("g", INT4, generated="s", default="(a + 1)"),
        checks=(check("c", "(a > 0)"),),
        indexes=[index("i", "a", predicate="(g > 0)")],
    )

    plan = shaped(made, rename={"t": "new", "t.a": "b", "t.g": "h"})

    planned = plan.tables[0]
    assert planned.generated == ("h",)
    assert 'CHECK ("b" > 0)' in planned.create_sql
    assert planned.indexes[0].sql == 'CREATE INDEX "new_i" ON "new" ("b") WHERE "h" > 0'
    create(plan)


def test_a_partition_key_is_named_with_the_bounds_that_are_lost():
    made = identified("t", kind=TableKind.PARTITIONED, partition_key="RANGE (at)")

    assert "their bounds are not kept (RANGE (at))" in said(plan_of(made).warnings)


def test_texts_that_only_a_collation_takes_as_equal_are_told():
    loose = replace(column("a", TEXT, collation='public."ci"'), deterministic=False)
    made = identified("t", loose, indexes=[index("u", "a", unique=True)])

    plan = plan_of(made)

    assert plan.tables[0].key.kind is KeyKind.PRIMARY
    assert "takes texts as different that PostgreSQL takes as equal" in said(plan.warnings)
    assert "t.u: the collation of a takes more texts as equal than D1 does" in said(plan.warnings)


def test_a_check_of_what_a_type_allows_is_named_where_it_is_left_out():
    mood = replace(base("mood"), kind=TypeKind.ENUM, schema="public", labels=("sad", "ok"))
    made = identified("t", column("m", mood))
    masked = {"t": TableOptions(column={"m": ColumnOptions(mask="hash")})}

    by_transform = shaped(made, tables={"t": TableOptions(transform="m:f")})
    by_choice = shaped(made, checks="none")
    by_mask = shaped(made, tables=masked, hash_key=Secret("0123456789abcdef"))

    assert "CHECK" in plan_of(made).tables[0].create_sql
    for plan in (by_transform, by_choice, by_mask):
        assert "CHECK" not in plan.tables[0].create_sql
    assert "the CHECK of what mood allows is left out: the transform may" in said(
        by_transform.findings
    )
    assert 'is left out: as asked by checks = "none"' in said(by_choice.findings)
    assert "type's labels isn't carried over" in said(by_mask.findings)
