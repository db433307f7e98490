"""Foreign keys in a circle: a second pass, or a stage that is published at once."""

from streamer.model import Loading, Table
from streamer.plan import PlanOptions
from tests.engines.catalogs import (
    INT4,
    column,
    identified,
    index,
    plan_of,
    primary,
    refers,
    said,
    table,
)


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
