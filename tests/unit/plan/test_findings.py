"""What a plan refuses, what it warns of, and when its fingerprint changes."""

from dataclasses import replace

from streamer.config import Selection
from streamer.model import Check, PgType, QualifiedName, Shaping, TableKind, TypeKind
from streamer.plan import PlanOptions, make_plan
from tests.engines.catalogs import (
    INT4,
    INT8,
    TEXT,
    catalog,
    column,
    domain,
    identified,
    index,
    plan_of,
    primary,
    said,
    table,
)


def test_an_unsupported_type_refuses_its_table_and_no_other():
    odd = PgType(1, "public", "complex", "public.complex", TypeKind.BASE)

    plan = plan_of(identified("t", column("c", odd), column("d", odd)), identified("u"))

    assert [t.target for t in plan.tables] == ["u"]
    assert [f.object for f in plan.refusals] == ["public.t.c", "public.t.d"]
    assert "public.complex" in plan.refusals[0].what
    assert "--skip-refused" in plan.refusals[0].hint


def test_a_table_that_the_role_may_not_read_is_refused():
    assert "SELECT" in said(plan_of(identified("t", readable=False)).refusals)


def test_a_table_whose_rows_a_policy_may_hide_is_refused():
    (refusal,) = plan_of(identified("t", rows_hidden=True)).refusals

    assert "row-level security" in refusal.what
    assert "BYPASSRLS" in refusal.hint


def test_a_materialized_view_that_was_never_filled_is_refused():
    shaping = Shaping(matviews="as-tables")
    empty = identified("m", kind=TableKind.MATERIALIZED_VIEW, populated=False)

    plan = plan_of(identified("t"), empty, options=PlanOptions(shaping=shaping))

    assert [table.target for table in plan.tables] == ["t"]
    assert "REFRESH MATERIALIZED VIEW public.m" in said(plan.refusals)


def test_colliding_tables_are_refused_and_name_each_other():
    text = said(plan_of(identified("s.orders"), identified("S.orders"), identified("t")).refusals)

    assert "s.orders: would be called s__orders, and so would S.orders" in text
    assert "S.orders: would be called S__orders, and so would s.orders" in text


def test_a_collation_of_the_users_own_is_no_byte_order_whatever_it_is_called():
    made = identified("t", column("a", TEXT, collation='app."C"'))

    assert 'the collation app."C" isn\'t carried over' in said(plan_of(made).warnings)


def test_what_is_not_carried_over_is_named():
    made = identified(
        "t",
        column("a", INT4, default="odd(42)"),
        column("b", TEXT, collation='pg_catalog."de-x-icu"'),
        column("c", INT4, generated="s", default="odd(a)"),
        column("d", domain(TEXT, not_null=True)),
        column("e", TEXT, collation='pg_catalog."C"'),
        column("f", domain(replace(domain(INT4), default="odd(77)"))),
        checks=(
            Check("positive", "CHECK (odd(a))"),
            Check("late", "CHECK (a > 0)", validated=False),
        ),
        triggers=("audit",),
        rules=("redirect",),
        exclusion_constraints=("no_overlap",),
        row_security=True,
        kind=TableKind.PARTITIONED,
        inherits=(QualifiedName("public", "old"),),
        indexes=[
            index("by_expr", None, expressions=("odd(b)",)),
            index("part", "a", predicate="odd(a)", unique=True),
            index("words", "b", method="gin"),
            index("h", "a", method="hash"),
            index("nnd", "a", unique=True, nulls_not_distinct=True),
            index("def", "a", unique=True, immediate=False),
            index("odd", "b", operator_classes_default=False, nulls_first=(True,)),
            index("broken", "a", valid=False),
        ],
    )

    plan = plan_of(made, identified("v", kind=TableKind.VIEW))

    text = said(plan.warnings)
    for words in (
        "t.a: the default odd(42) is not translated",
        "t.f: the default odd(77) is not translated",
        't.b: the collation pg_catalog."de-x-icu" isn\'t carried over',
        "t.c: the generated column becomes a plain one that holds the values",
        "t.positive: the CHECK positive (odd(a)) is not translated",
        "t.late: the CHECK late (a > 0) is not translated: it is NOT VALID",
        "t.audit: the trigger isn't moved",
        "t.redirect: the rule isn't moved",
        "t.no_overlap: the EXCLUDE constraint isn't moved",
        "row level security",
        "partitions become one table",
        "public.old",
        "t.by_expr: the index is left out: its expression odd(b) isn't translated",
        "t.part: the unique index is left out",
        "D1 has no gin indexes",
        "hash index becomes an ordinary one",
        "NULLS NOT DISTINCT",
        "DEFERRABLE",
        "operator class",
        "NULLS FIRST",
        "invalid in PostgreSQL",
        "public.v: the view isn't moved",
    ):
        assert words in text
    assert '"C"' not in text
    assert plan.tables[0].columns[4].not_null
    assert not plan.refusals


def test_a_serial_key_needs_no_warning_and_another_sequence_does():
    key = column("id", INT4, not_null=True, default="nextval('t_id_seq'::regclass)")
    made = table("t", key, indexes=[primary("id")])
    other = identified("u", column("n", INT8, identity="a"))

    plan = plan_of(made, other)

    assert [f.object for f in plan.warnings] == ["public.u.n"]
    assert "the identity isn't carried over" in plan.warnings[0].what


def test_sizes_and_other_tables_leave_the_fingerprint_and_a_new_type_changes_it():
    made = identified("t", column("a", INT4))

    prints = [
        plan_of(replace(made, rows=5, bytes=5), identified("u")).tables[0].fingerprint,
        plan_of(made).tables[0].fingerprint,
        plan_of(identified("t", column("a", INT8))).tables[0].fingerprint,
    ]

    assert prints[0] == prints[1] != prints[2]


def test_a_database_without_a_declared_encoding_is_warned_about():
    plan = make_plan(catalog(identified("t"), encoding="SQL_ASCII"), Selection())

    assert "SQL_ASCII" in said(plan.warnings)
