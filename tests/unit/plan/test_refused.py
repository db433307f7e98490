"""What becomes of a plan when rows keep a table from being moved."""

from streamer.model import (
    ColumnOptions,
    Finding,
    Loading,
    PgType,
    Severity,
    Shaping,
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
    identified,
    plan_of,
    qualified,
    refers,
    said,
)

TOO_BIG = Finding(Severity.REFUSAL, "public.p", "2 rows are longer than D1 takes")
PARENT = identified("p")
CHILD = identified("c", column("ref", INT4), keys=[refers("fk", "ref", "p")])


def test_a_table_that_its_rows_refuse_is_not_planned_and_its_children_know():
    options = PlanOptions(refused={qualified("p"): TOO_BIG})

    plan = plan_of(PARENT, CHILD, options=options)

    assert [str(t.name) for t in plan.tables] == ["public.c"]
    assert plan.refusals == (TOO_BIG,)
    assert not plan.tables[0].foreign_keys
    assert "public.c.fk: the foreign key to public.p is left out" in said(plan.warnings)


def test_a_refusal_of_a_table_that_is_not_selected_is_not_said():
    plan = plan_of(CHILD, options=PlanOptions(refused={qualified("p"): TOO_BIG}))

    assert not plan.refusals


def test_labels_of_an_enum_stay_behind_with_the_last_table_that_refers_to_them():
    mood = PgType(77, "public", "mood", "public.mood", TypeKind.ENUM, labels=("sad", "ok"))
    sick = identified("q", column("m", mood), column("tree", base("pg_node_tree")))
    tables = [identified("p", column("m", mood)), identified("c"), sick]
    shaping = Shaping(types=TypeOptions(enums="lookup"))
    refused = PlanOptions(shaping=shaping, refused={qualified("p"): TOO_BIG})

    whole = plan_of(*tables, options=PlanOptions(shaping=shaping))
    plan = plan_of(*tables, options=refused)

    assert {str(t.name) for t in whole.tables} == {"public.c", "public.mood", "public.p"}
    assert [str(t.name) for t in plan.tables] == ["public.c"]
    assert TOO_BIG in plan.refusals


def test_a_cycle_without_one_of_its_tables_is_none():
    other = identified("p", column("c", INT4, not_null=True), keys=[refers("back", "c", "c")])
    child = identified("c", column("ref", INT4, not_null=True), keys=[refers("fk", "ref", "p")])

    whole = plan_of(other, child)
    plan = plan_of(other, child, options=PlanOptions(refused={qualified("p"): TOO_BIG}))

    assert [t.loading for t in whole.tables] == [Loading.STAGED, Loading.STAGED]
    assert [t.loading for t in plan.tables] == [Loading.DIRECT]


def test_what_is_said_of_a_table_is_said_with_it():
    made = identified("t", column("a", TEXT, default="'x'::text"))
    asked = {"t": TableOptions(column={"a": ColumnOptions(mask="redact")})}

    plan = plan_of(made, options=PlanOptions(shaping=Shaping(tables=asked)))

    assert "public.t.a: its values are made by the mask redact" in said(plan.tables[0].said)
    assert set(plan.tables[0].said) <= set(plan.findings)
