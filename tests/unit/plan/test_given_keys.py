"""Keys that a user names, and what moves as a table because of them."""

from dataclasses import replace

import pytest

from streamer.errors import UsageError
from streamer.model import (
    ColumnOptions,
    Finding,
    KeyKind,
    Plan,
    Severity,
    Shaping,
    Table,
    TableKind,
    TableOptions,
)
from streamer.plan import PlanOptions
from streamer.plan.kinds import as_views
from streamer.plan.shape import shape
from tests.engines.catalogs import (
    INT4,
    JSONB,
    TEXT,
    column,
    identified,
    index,
    plan_of,
    primary,
    said,
    table,
)
from tests.unit.plan.ddl import create

KEYLESS = table("t", column("a", INT4), column("b", TEXT), column("j", JSONB))
AS_TABLES = Shaping(matviews="as-tables", foreign_tables="as-tables")


def keyed(*key: str, made: Table = KEYLESS, shaping: Shaping | None = None) -> Plan:
    asked = {str(made.name): TableOptions(key=key)}
    return plan_of(made, options=PlanOptions(shaping=replace(shaping or Shaping(), tables=asked)))


def test_a_given_key_becomes_a_unique_index_that_is_there_before_the_rows():
    plan = keyed("b", "a")

    planned = plan.tables[0]
    assert planned.key.kind is KeyKind.UNIQUE
    assert planned.key.columns == ("b", "a")
    assert planned.key.casts == ("text", "integer")
    assert [(i.sql, i.early) for i in planned.indexes] == [
        ('CREATE UNIQUE INDEX "t_key" ON "t" ("b", "a")', True)
    ]
    assert [c.not_null for c in planned.columns] == [True, True, False]
    assert "physical" not in said(plan.warnings)
    create(plan)


def test_a_given_key_goes_before_other_unique_indexes_that_could_not_be_read_by():
    made = replace(KEYLESS, indexes=(index("u", "b", unique=True), index("key", "a")))

    planned = keyed("a", made=made).tables[0]

    assert planned.key.columns == ("a",)
    assert planned.key.name == "key_"
    assert [i.name for i in planned.indexes] == ["t_u", "t_key", "t_key_"]


@pytest.mark.parametrize(
    ("key", "made", "words"),
    [
        (("j",), KEYLESS, "public.t: rows can't be read in the order of j (jsonb)."),
        (("b",), identified("t", column("b")), "it has a key already, id (pkey)."),
        (("x",), KEYLESS, "no column is called x"),
    ],
)
def test_what_cannot_be_a_key_is_a_problem(key: tuple[str, ...], made: Table, words: str):
    with pytest.raises(UsageError) as caught:
        keyed(*key, made=made)

    assert words in caught.value.what


def test_the_key_that_a_table_has_may_be_given_too():
    made = table("t", column("id", INT4, not_null=True), indexes=[primary("id")])

    assert keyed("id", made=made).tables[0].key.kind is KeyKind.PRIMARY


def test_a_materialized_view_moves_when_asked_by_position_or_by_a_given_key():
    made = replace(KEYLESS, kind=TableKind.MATERIALIZED_VIEW)
    unique = replace(made, indexes=(index("u", "a", unique=True),))

    assert not plan_of(made).tables
    plan = plan_of(unique, options=PlanOptions(shaping=AS_TABLES))
    assert plan.tables[0].key.kind is KeyKind.PHYSICAL
    assert keyed("a", made=unique, shaping=AS_TABLES).tables[0].key.kind is KeyKind.UNIQUE


def test_a_foreign_table_moves_by_a_given_key_alone():
    made = replace(KEYLESS, kind=TableKind.FOREIGN, leaves=())

    plan = plan_of(made, options=PlanOptions(shaping=AS_TABLES))

    assert [f.object for f in plan.refusals] == ["public.t"]
    assert 'key = ["…"] under [tables."public.t"]' in plan.refusals[0].hint
    assert keyed("a", made=made, shaping=AS_TABLES).tables[0].key.columns == ("a",)
    assert not keyed("a", made=made).tables


def test_a_view_moves_as_a_table_where_a_key_is_given():
    made = replace(KEYLESS, kind=TableKind.VIEW, leaves=())

    assert keyed("a", made=made).tables[0].key.columns == ("a",)
    assert not plan_of(made).tables


VIEW = replace(identified("v", column("a", INT4)), kind=TableKind.VIEW, indexes=())
CREATE = Shaping(views="create")


def views_of(asked: TableOptions) -> Plan:
    made = replace(VIEW, definition=" SELECT t.id,\n    t.a\n   FROM public.t;")
    shaping = replace(CREATE, tables={"v": asked})
    return plan_of(identified("t", column("a", INT4)), made, options=PlanOptions(shaping=shaping))


def test_a_view_that_only_gets_another_name_is_still_one():
    asked = Shaping(views="create", tables={"v": TableOptions(rename="w")})

    assert as_views(shape([VIEW], asked, {}).tables) == ([VIEW], [])


def test_a_view_that_settings_would_change_is_no_view():
    masked = TableOptions(column={"a": ColumnOptions(mask="null")})

    for asked in (masked, TableOptions(where="a > 5"), TableOptions(exclude_columns=("a",))):
        plan = views_of(asked)
        assert not plan.views
        assert "its settings can be followed in a table alone" in said(plan.warnings)


def test_a_view_whose_rows_refuse_its_key_is_no_view_either():
    why = Finding(Severity.REFUSAL, "public.v", "2 rows share a")
    shaping = replace(CREATE, tables={"v": TableOptions(key=("a",))})

    plan = plan_of(VIEW, options=PlanOptions(shaping=shaping, refused={VIEW.name: why}))

    assert not plan.views
    assert plan.refusals == (why,)
