"""Whole plans: their DDL in a real SQLite, their order, what they refuse and what they say."""

from dataclasses import replace

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import limits
from streamer.config import Selection
from streamer.model import (
    Check,
    IndexTiming,
    KeyKind,
    Loading,
    PgType,
    Plan,
    QualifiedName,
    Table,
    TableKind,
    TypeKind,
)
from streamer.plan import PlanOptions, make_plan
from streamer.translate.names import fold, quote
from tests.engines.catalogs import (
    BOOL,
    BYTEA,
    CITEXT,
    FLOAT8,
    INT4,
    INT8,
    JSONB,
    NUMERIC,
    TEXT,
    array,
    base,
    catalog,
    column,
    domain,
    identified,
    index,
    numeric,
    plan_of,
    primary,
    refers,
    said,
    table,
)

NAMES = st.sampled_from(
    ["id", "ID", "a", "order", 'q"q', "x.y", "é", "É", "group", "rowid", "_rowid_", "oid", "?1"]
)
TYPES = st.sampled_from(
    [INT4, INT8, TEXT, BOOL, BYTEA, JSONB, FLOAT8, NUMERIC, CITEXT, numeric(10, 2), array(INT4)]
)


def limited() -> apsw.Connection:
    """SQLite with the limits of D1 that DDL can meet, foreign keys on."""
    database = apsw.Connection(":memory:")
    database.limit(apsw.SQLITE_LIMIT_COLUMN, limits.COLUMNS)
    database.limit(apsw.SQLITE_LIMIT_SQL_LENGTH, limits.STATEMENT_BYTES)
    database.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    database.execute("PRAGMA foreign_keys = on")
    return database


def create(plan: Plan) -> apsw.Connection:
    database = limited()
    for planned in plan.tables:
        database.execute(planned.create_sql)
        if planned.stage_sql:
            database.execute(planned.stage_sql)
    for planned in plan.tables:
        for planned_index in planned.indexes:
            database.execute(planned_index.sql)
    return database


@st.composite
def tables(draw: st.DrawFn) -> list[Table]:
    names = draw(
        st.lists(
            st.sampled_from(["t", "T", "u", "s.t", "s.u", "S.t", "v w", "_cf_x", "s__t"]),
            min_size=1,
            max_size=6,
            unique=True,
        )
    )
    made: list[Table] = []
    for name in names:
        columns = [
            column(column_name, draw(TYPES), not_null=draw(st.booleans()))
            for column_name in draw(st.lists(NAMES, max_size=5, unique=True))
        ]
        indexes = [
            index(
                f"i{number}",
                *draw(
                    st.lists(st.sampled_from([c.name for c in columns]), min_size=1, unique=True)
                ),
                unique=draw(st.booleans()),
            )
            for number in range(draw(st.integers(0, 3)) if columns else 0)
        ]
        if columns and draw(st.booleans()):
            key = draw(
                st.lists(st.sampled_from([c.name for c in columns]), min_size=1, unique=True)
            )
            indexes.append(primary(*key, immediate=draw(st.booleans())))
        made.append(
            replace(
                table(name, rows=draw(st.sampled_from([-1, 0, 10_000]))),
                columns=tuple(columns),
                indexes=tuple(indexes),
            )
        )
    linked: list[Table] = []
    for child in made:
        keys = []
        for number, parent in enumerate(made):
            uniques = [i.columns for i in parent.indexes if i.unique]
            if not uniques or not draw(st.booleans()):
                continue
            to = draw(st.sampled_from(uniques))
            found = [c.name for c in child.columns if c.type is parent.column(str(to[0])).type]
            if len(to) == 1 and found:
                keys.append(refers(f"fk{number}", found[0], str(parent.name), to))
        linked.append(replace(child, foreign_keys=tuple(keys)))
    return linked


@given(tables())
def test_sqlite_accepts_the_ddl_of_any_plan(made: list[Table]):
    plan = plan_of(*made)

    database = create(plan)

    # A foreign key whose parent isn't unique would fail here, as "foreign key mismatch".
    for planned in plan.tables:
        database.execute(f"DELETE FROM {quote(planned.target)}")
        listed = database.execute(f"PRAGMA table_xinfo({quote(planned.target)})").fetchall()
        stored = [(row[1], row[2]) for row in listed if not row[1].startswith("_streamer_")]
        assert stored == [(c.target, c.storage) for c in planned.columns]
    assert list(database.execute("PRAGMA foreign_key_check")) == []


@given(tables())
def test_every_table_is_planned_or_refused_and_no_two_share_a_name(made: list[Table]):
    plan = plan_of(*made)

    planned = {t.name for t in plan.tables}
    refused = {t.name for t in made} - planned
    assert all(any(f.object.startswith(str(name)) for f in plan.refusals) for name in refused)
    names = [t.target for t in plan.tables] + [i.name for t in plan.tables for i in t.indexes]
    assert len({fold(name) for name in names}) == len(names)


@given(tables())
def test_parents_come_before_children_in_any_plan(made: list[Table]):
    seen: set[QualifiedName] = set()
    cycles: dict[int, set[QualifiedName]] = {}
    plan = plan_of(*made)
    for planned in plan.tables:
        cycles.setdefault(planned.cycle, set()).add(planned.name)

    for planned in plan.tables:
        assert set(planned.parents) <= seen
        assert planned.name not in planned.parents
        assert bool(planned.deferred) == (planned.loading is Loading.TWO_PASS)
        assert bool(planned.stage) == (planned.loading is Loading.STAGED) == (planned.cycle >= 0)
        seen.add(planned.name)


def test_an_integer_key_is_spelled_so_that_it_is_the_row_s_number():
    made = identified("t", column("name", TEXT, not_null=True), column("mail", CITEXT))

    assert plan_of(made).tables[0].create_sql == (
        'CREATE TABLE "t" (\n'
        '  "id" INTEGER PRIMARY KEY,\n'
        '  "name" TEXT NOT NULL,\n'
        '  "mail" TEXT COLLATE NOCASE\n'
        ")"
    )


@pytest.mark.parametrize(
    ("rows", "size", "without"), [(1_000, 199_000, True), (1_000, 200_000, False), (-1, 99, False)]
)
def test_other_keys_do_without_rowid_where_rows_are_known_to_be_small(
    rows: int, size: int, *, without: bool
):
    columns = (column("b", TEXT, not_null=True), column("a", INT4, not_null=True))
    made = table("t", *columns, indexes=[primary("a", "b")], rows=rows, size=size)

    planned = plan_of(made).tables[0]

    assert planned.without_rowid == without
    assert planned.create_sql.endswith(") WITHOUT ROWID" if without else ")")
    assert 'PRIMARY KEY ("a", "b")' in planned.create_sql


def test_a_deferrable_integer_key_leaves_the_row_number_to_the_physical_position():
    made = table("t", column("id", INT4, not_null=True), indexes=[primary("id", immediate=False)])

    plan = plan_of(made)

    planned = plan.tables[0]
    assert planned.key.kind is KeyKind.PHYSICAL
    assert 'UNIQUE ("id")' in planned.create_sql
    assert "PRIMARY KEY" not in planned.create_sql
    assert "DEFERRABLE" in said(plan.warnings)


def test_a_keyless_table_whose_columns_hide_the_row_number_gets_a_column_for_it():
    made = table("t", column("rowid"), column("_rowid_"), column("OID"))

    plan = plan_of(made)

    assert plan.tables[0].key.rowid == "_streamer_row"
    assert '"_streamer_row" INTEGER PRIMARY KEY' in plan.tables[0].create_sql
    assert "_streamer_row is added" in said(plan.warnings)


def test_a_keyless_table_may_have_one_column_less():
    columns = [column(f"c{n}", INT4) for n in range(100)]

    assert "may have 99" in said(plan_of(table("t", *columns)).refusals)
    assert plan_of(table("t", *columns[:99])).tables
    assert plan_of(table("t", *columns, indexes=[primary("c0")])).tables


def test_a_nullable_self_reference_is_set_in_a_second_pass():
    made = identified("t", column("boss", INT4), keys=[refers("fk", "boss", "t")])

    planned = plan_of(made).tables[0]

    assert (planned.loading, planned.deferred) == (Loading.TWO_PASS, ("boss",))
    assert planned.parents == ()


def test_a_not_null_or_unique_self_reference_is_staged():
    strict = identified("t", column("boss", INT4, not_null=True), keys=[refers("f", "boss", "t")])
    unique = identified(
        "t",
        column("boss", INT4),
        keys=[refers("f", "boss", "t")],
        indexes=[index("u", "boss", unique=True)],
    )

    for made in (strict, unique):
        planned = plan_of(made).tables[0]
        assert planned.loading is Loading.STAGED
        assert planned.stage == "_streamer_stage_t"
        assert "REFERENCES" not in planned.stage_sql
        assert '"id" INTEGER PRIMARY KEY' in planned.stage_sql


def test_one_nullable_column_of_a_composite_reference_is_deferred():
    columns = (column("a", INT4, not_null=True), column("b", INT4, not_null=True))
    made = table(
        "t",
        *columns,
        column("up", INT4),
        indexes=[primary("a", "b")],
        keys=[refers("fk", ["a", "up"], "t", ["a", "b"])],
    )

    assert plan_of(made).tables[0].deferred == ("up",)


def test_a_staged_cycle_gets_the_indexes_that_publishing_it_needs():
    tables = [
        identified("a", column("b_id", INT4, not_null=True), keys=[refers("ab", "b_id", "b")]),
        identified(
            "b",
            column("a_id", INT4, not_null=True),
            keys=[refers("ba", "a_id", "a")],
            indexes=[index("by_a", "a_id")],
        ),
    ]

    plan = plan_of(*tables)

    assert [(i.name, i.early) for t in plan.tables for i in t.indexes] == [
        ("a_ab", True),
        ("b_by_a", True),
    ]
    assert "an index on b_id is added" in said(plan.warnings)
    assert {t.cycle for t in plan.tables} == {0}


def test_a_cycle_too_big_to_publish_at_once_is_refused_with_what_can_be_done():
    def huge(name: str, other: str) -> Table:
        key = refers(f"to_{other}", "ref", other)
        ref = column("ref", INT4, not_null=True)
        return identified(name, ref, keys=[key], rows=1_000_000, size=60_000_000)

    child = identified("c", column("ref", INT4), keys=[refers("fk", "ref", "a")])
    cycle = [huge("a", "b"), huge("b", "a")]

    plan = plan_of(*cycle, child)

    assert [str(t.name) for t in plan.tables] == ["public.c"]
    assert "public.a.to_b, public.b.to_a" in said(plan.refusals)
    assert "the foreign key to public.a is left out" in said(plan.warnings)
    relieved = plan_of(*cycle, options=PlanOptions(left_out=frozenset({"public.a.to_b"})))
    assert [t.target for t in relieved.tables] == ["a", "b"]
    assert not relieved.refusals


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
    assert "row-level security" in said(plan_of(identified("t", rows_hidden=True)).refusals)


def test_colliding_tables_are_refused_and_name_each_other():
    text = said(plan_of(identified("s.orders"), identified("S.orders"), identified("t")).refusals)

    assert "s.orders: would be called s__orders, and so would S.orders" in text
    assert "S.orders: would be called S__orders, and so would s.orders" in text


def test_indexes_that_foreign_keys_need_are_early_and_the_size_decides_for_the_others():
    small = index("small", "name", bytes=1_000)
    large = index("large", "name", bytes=500_000_000)
    parent = identified(
        "p",
        column("code", TEXT),
        column("name", TEXT),
        indexes=[index("u", "code", unique=True), small, large],
    )
    child = identified("c", column("ref", TEXT), keys=[refers("fk", "ref", "p", "code")])

    def early(timing: IndexTiming) -> dict[str, bool]:
        plan = plan_of(parent, child, options=PlanOptions(indexes=timing))
        return {i.name: i.early for t in plan.tables for i in t.indexes}

    assert early(IndexTiming.AUTO) == {"p_u": True, "p_small": False, "p_large": True}
    assert early(IndexTiming.AFTER) == {"p_u": True, "p_small": False, "p_large": False}
    assert early(IndexTiming.BEFORE) == {"p_u": True, "p_small": True, "p_large": True}


def test_a_unique_index_that_stands_in_for_the_key_is_early():
    made = table("t", column("a", INT4, not_null=True), indexes=[index("u", "a", unique=True)])

    planned = plan_of(made).tables[0]

    assert planned.key.kind is KeyKind.UNIQUE
    assert planned.indexes[0].early
    assert planned.indexes[0].sql == 'CREATE UNIQUE INDEX "t_u" ON "t" ("a")'


def test_what_is_not_carried_over_is_named():
    made = identified(
        "t",
        column("a", INT4, default="42"),
        column("b", TEXT, collation='pg_catalog."de-x-icu"'),
        column("c", INT4, generated="s", default="a + 1"),
        column("d", domain(TEXT, not_null=True)),
        column("e", TEXT, collation='pg_catalog."C"'),
        column("f", domain(replace(domain(INT4), default="77"))),
        checks=(Check("positive", "CHECK (a > 0)"),),
        triggers=("audit",),
        exclusion_constraints=("no_overlap",),
        row_security=True,
        kind=TableKind.PARTITIONED,
        inherits=(QualifiedName("public", "old"),),
        indexes=[
            index("by_expr", None),
            index("part", "a", predicate="a > 0", unique=True),
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
        "a (42)",
        "f (77)",
        "de-x-icu",
        "generated columns become plain ones that hold the values: c",
        "positive CHECK (a > 0)",
        "audit",
        "EXCLUDE constraints are not moved: no_overlap",
        "row level security",
        "partitions become one table",
        "public.old",
        "t.by_expr: the index is left out: expressions",
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

    assert [f.object for f in plan.warnings] == ["public.u"]
    assert "n (identity)" in plan.warnings[0].what


def test_sizes_and_other_tables_leave_the_fingerprint_and_a_new_type_changes_it():
    made = identified("t", column("a", INT4))

    prints = [
        plan_of(replace(made, rows=5, bytes=5), identified("u")).tables[0].fingerprint,
        plan_of(made).tables[0].fingerprint,
        plan_of(identified("t", column("a", INT8))).tables[0].fingerprint,
    ]

    assert prints[0] == prints[1] != prints[2]


@given(tables(), st.data())
def test_statistics_never_change_how_a_table_gets_in(made: list[Table], data: st.DataObject):
    later = [replace(t, rows=data.draw(st.sampled_from([-1, 0, 7, 10**6]))) for t in made]

    plans = plan_of(*made), plan_of(*later)

    before, after = (
        [(t.name, t.loading, t.deferred, t.cycle, t.parents, t.fingerprint) for t in plan.tables]
        for plan in plans
    )
    assert before == after


def test_a_database_without_a_declared_encoding_is_warned_about():
    plan = make_plan(catalog(identified("t"), encoding="SQL_ASCII"), Selection())

    assert "SQL_ASCII" in said(plan.warnings)


def test_keys_of_an_extension_s_type_are_not_read_by():
    made = table("t", column("mail", CITEXT, not_null=True), indexes=[primary("mail")])

    plan = plan_of(made)

    assert plan.tables[0].key.kind is KeyKind.PHYSICAL
    assert "public.citext" in said(plan.warnings)


def test_oid_and_money_keys_do_not_confuse_the_row_number():
    oids = table("t", column("o", base("oid"), not_null=True), indexes=[primary("o")])
    money = table("u", column("m", base("money"), not_null=True), indexes=[primary("m")])

    plan = plan_of(oids, money)

    assert [t.key.kind for t in plan.tables] == [KeyKind.PRIMARY, KeyKind.PHYSICAL]
    create(plan)
