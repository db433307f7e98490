"""The steps of a run: what is to be done for each table, each under a name of its own."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from streamer.model import Loading
from streamer.run import steps
from streamer.run.states import StepName, Work
from tests.engines.catalogs import TEXT, column, identified, index, plan_of
from tests.engines.graphs import Reference, planned, references


@given(references)
def test_every_table_has_each_of_its_steps_once(edges: list[Reference]) -> None:
    plan = planned(edges)

    names = steps.named(plan.tables)

    assert len(set(names)) == len(names)
    for work in (Work.EMPTY, Work.SCHEMA, Work.ROWS, Work.CHECK):
        assert [n.table for n in names if n.work is work] == [str(t.name) for t in plan.tables]
    two_pass = [str(t.name) for t in plan.tables if t.loading is Loading.TWO_PASS]
    assert [n.table for n in names if n.work is Work.EDGES] == two_pass
    staged = {t.cycle for t in plan.tables if t.loading is Loading.STAGED}
    assert len([n for n in names if n.work is Work.PUBLISH]) == len(staged)


@given(references)
def test_a_cycle_has_all_of_its_members_and_a_name_that_no_order_changes(
    edges: list[Reference],
) -> None:
    plan = planned(edges)

    for cycle in steps.cycles(plan.tables):
        assert {t.cycle for t in cycle} == {cycle[0].cycle}
        assert steps.publish_step(cycle) == steps.publish_step(cycle[::-1])
    together = [t for cycle in steps.cycles(plan.tables) for t in cycle]
    assert {t.name for t in together} == {t.name for t in plan.tables if t.cycle >= 0}


def test_only_indexes_that_come_after_the_rows_have_steps() -> None:
    (made,) = plan_of(
        identified("t", column("a", TEXT), indexes=[index("x", "a"), index("y", "a", "id")])
    ).tables
    first, second = made.indexes
    made = replace(made, indexes=(replace(first, early=True), second))

    assert steps.index_steps(made) == [StepName("public.t", Work.INDEX, second.name)]
