"""Keys, row numbers and indexes: how rows are told apart, and what is made when."""

import pytest

from streamer.model import IndexTiming, KeyKind
from streamer.plan import PlanOptions
from tests.engines.catalogs import (
    CITEXT,
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


def test_indexes_that_foreign_keys_need_are_early_and_the_size_decides_for_the_others():
    small = index("small", "name", bytes=1_000)
    large = index("large", "name", "code", bytes=500_000_000)
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


def test_keys_of_an_extension_s_type_are_read_by_its_operators():
    made = table("t", column("mail", CITEXT, not_null=True), indexes=[primary("mail")])

    plan = plan_of(made)

    (planned,) = plan.tables
    assert (planned.key.kind, planned.key.casts) == (KeyKind.PRIMARY, ("public.citext",))
    assert planned.columns[0].operators == "public"
    assert "physical position" not in said(plan.warnings)


def test_keys_of_a_domain_are_cast_to_the_type_below_it():
    kind = domain(domain(TEXT))
    coded = table("coded", column("k", kind, not_null=True), indexes=[primary("k")])

    assert plan_of(coded).tables[0].key.casts == (TEXT.formatted,)


def test_keys_of_types_without_an_order_to_resume_by_are_not_read_by():
    made = table("t", column("m", base("money"), not_null=True), indexes=[primary("m")])

    plan = plan_of(made)

    assert plan.tables[0].key.kind is KeyKind.PHYSICAL
    assert "its primary key's type money" in said(plan.warnings)


def test_oid_and_money_keys_do_not_confuse_the_row_number():
    oids = table("t", column("o", base("oid"), not_null=True), indexes=[primary("o")])
    money = table("u", column("m", base("money"), not_null=True), indexes=[primary("m")])

    plan = plan_of(oids, money)

    assert [t.key.kind for t in plan.tables] == [KeyKind.PRIMARY, KeyKind.PHYSICAL]
    create(plan)
