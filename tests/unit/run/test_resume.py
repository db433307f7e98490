"""What a resumed run checks, and what it does over, before it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from checkpoints import RunRecord
from streamer.config import RunSettings
from streamer.errors import SourceChangedError, UsageError
from streamer.model import IfExists, Plan, TablePlan
from streamer.run import resume, steps
from streamer.run.identity import table_facts
from streamer.run.journal import Journal
from streamer.run.schema import create
from streamer.run.states import RunState, Start, State, Work
from streamer.run.survey import Survey, survey
from tests.engines.catalogs import INT4, TEXT, column, identified, index, plan_of, refers, table
from tests.engines.sqlite_database import SqliteDatabase
from tests.fakes.memory_checkpoint import MemoryCheckpoint, Place

SHOP = identified("shop", column("name", TEXT))
LOOP = identified("loop", column("up", INT4), keys=[refers("f", "up", "loop")])
HEN = identified("hen", column("egg", INT4, not_null=True), keys=[refers("f", "egg", "egg")])
EGG = identified("egg", column("hen", INT4, not_null=True), keys=[refers("f", "hen", "hen")])
LOG = table("log", column("line", TEXT))
PLAN = plan_of(SHOP, LOOP, HEN, EGG, LOG)


def called(plan: Plan, name: str) -> TablePlan:
    return next(t for t in plan.tables if t.target == name)


async def journal_of(plan: Plan) -> Journal:
    """The journal of a run that has just begun."""
    journal = Journal(await MemoryCheckpoint.open(Place()), None)
    facts = {steps.rows_step(t): table_facts(t) for t in plan.tables}
    await journal.begin(
        RunRecord("run", RunState.RUNNING, 1, {}),
        steps.named(plan.tables),
        Start(facts, frozenset()),
    )
    return journal


async def finished(journal: Journal, *tables: TablePlan) -> None:
    """All steps of these tables are done."""
    names = {str(t.name) for t in tables}
    await journal.mark_all([n for n in journal.steps if n.table in names], State.DONE)


async def empty_target(made: Sequence[TablePlan] = (), *sql: str) -> Survey:
    database = SqliteDatabase()
    await create(database, made)
    for one in sql:
        database.rows(one)
    return await survey(database)


async def test_a_run_goes_on_only_with_all_of_its_tables() -> None:
    journal = await journal_of(PLAN)

    resume.check_tables_are_there(journal, PLAN.tables)
    with pytest.raises(UsageError, match=r"public\.hen, public\.log") as caught:
        resume.check_tables_are_there(
            journal, [t for t in PLAN.tables if t.target not in {"hen", "log"}]
        )

    assert "--restart" in caught.value.hint


async def test_unchanged_tables_go_on_without_a_word() -> None:
    journal = await journal_of(PLAN)
    await finished(journal, *PLAN.tables)

    assert resume.verdicts(journal, PLAN.tables) == ([], [])


def changed(*others: str) -> Plan:
    """PLAN, with a column more in these tables."""
    tables = [SHOP, LOOP, HEN, EGG, LOG]
    return plan_of(
        *[
            replace(t, columns=(*t.columns, column("more", TEXT))) if t.name.name in others else t
            for t in tables
        ]
    )


async def test_fault_21_every_table_that_changed_is_named_at_once() -> None:
    journal = await journal_of(PLAN)
    await finished(journal, *PLAN.tables)

    with pytest.raises(SourceChangedError) as caught:
        resume.verdicts(journal, changed("shop", "log").tables)

    assert "public.shop changed" in caught.value.what
    assert "public.log changed" in caught.value.what
    assert "hen" not in caught.value.what


async def test_a_table_that_starts_over_is_told_with_the_reason() -> None:
    journal = await journal_of(PLAN)
    await finished(journal, *PLAN.tables)
    await journal.mark(steps.rows_step(called(PLAN, "log")), State.DOING)
    anew = plan_of(SHOP, LOOP, HEN, EGG, replace(LOG, relfilenode=99))

    again, warnings = resume.verdicts(journal, anew.tables)

    assert [t.target for t in again] == ["log"]
    assert [w for w in warnings if "public.log" in w] == warnings != []


def indexed(*columns: str, early: bool = False) -> TablePlan:
    """A table with an index on each of these columns."""
    indexes = [index(name, name) for name in columns]
    table = identified("shop", column("name", TEXT), column("code", TEXT), indexes=indexes)
    (planned,) = plan_of(table).tables
    return replace(planned, indexes=tuple(replace(one, early=early) for one in planned.indexes))


@pytest.mark.parametrize("then_early", [False, True])
@pytest.mark.parametrize("now_early", [False, True])
async def test_an_index_comes_as_when_the_run_began_and_a_new_one_late(
    *, then_early: bool, now_early: bool
) -> None:
    then, now = indexed("name", early=then_early), indexed("name", "code", early=now_early)
    journal = await journal_of(replace(PLAN, tables=(then,)))
    await journal.mark(steps.schema_step(then), State.DONE)

    (planned,) = resume.with_indexes_as_begun(journal, [now])
    await resume.adopt_new_tables(journal, [planned], await empty_target([then]), RunSettings())

    old, new = planned.indexes
    assert (old.early, new.early) == (then_early, False)
    late = [name.which for name in journal.steps if name.work is Work.INDEX]
    assert late == [one.name for one in planned.indexes if not one.early]


async def test_an_index_of_a_table_that_is_to_be_made_comes_as_planned_now() -> None:
    journal = await journal_of(replace(PLAN, tables=(indexed("name", early=True),)))

    (planned,) = resume.with_indexes_as_begun(journal, [indexed("name", "code", early=True)])

    assert [one.early for one in planned.indexes] == [True, True]


async def test_a_table_in_d1_that_no_rows_could_go_into_any_more_is_refused_and_named() -> None:
    journal = await journal_of(PLAN)
    (other,) = plan_of(identified("shop", column("name", INT4))).tables
    seen = await empty_target(PLAN.tables)

    resume.check_there_as_planned(journal, PLAN.tables, seen)
    with pytest.raises(UsageError, match="shop: in D1 with columns of another type") as caught:
        resume.check_there_as_planned(journal, [other], seen)

    assert "--restart" in caught.value.hint
    await journal.mark(steps.schema_step(other), State.DONE)
    resume.check_there_as_planned(journal, [other], seen)  # `verdicts` has looked at that


async def test_a_table_that_is_made_anew_may_be_other_than_it_is() -> None:
    journal = await journal_of(PLAN)
    (other,) = plan_of(identified("shop", column("name", INT4))).tables
    await journal.describe({steps.rows_step(other): {"remade": True}})

    resume.check_there_as_planned(journal, [other], await empty_target(PLAN.tables))


async def test_starting_over_undoes_every_step_that_depends_on_the_rows() -> None:
    journal = await journal_of(PLAN)
    await finished(journal, *PLAN.tables)

    await resume.start_over(journal, PLAN.tables, [called(PLAN, "loop")])

    open_steps = {name for name in journal.steps if not journal.is_done(name)}
    loop = called(PLAN, "loop")
    assert open_steps == {steps.rows_step(loop), steps.edges_step(loop), steps.check_step(loop)}


async def test_a_member_of_a_cycle_that_starts_over_takes_the_cycle_with_it() -> None:
    journal = await journal_of(PLAN)
    await finished(journal, *PLAN.tables)

    await resume.start_over(journal, PLAN.tables, [called(PLAN, "egg")])

    hen, egg = called(PLAN, "hen"), called(PLAN, "egg")
    assert {name for name in journal.steps if not journal.is_done(name)} == {
        steps.publish_step([hen, egg]),
        *(
            step(t)
            for t in (hen, egg)
            for step in (steps.schema_step, steps.rows_step, steps.check_step)
        ),
    }


async def test_tables_that_came_since_are_moved_too() -> None:
    journal = await journal_of(plan_of(SHOP))
    plan = plan_of(SHOP, LOOP)

    await resume.adopt_new_tables(journal, plan.tables, await empty_target(), RunSettings())

    loop = called(plan, "loop")
    assert set(journal.steps) == set(steps.named(plan.tables))
    assert journal.is_done(steps.empty_step(loop))
    assert not journal.is_done(steps.rows_step(loop))
    assert journal.steps[steps.rows_step(loop)].document["oid"] == LOOP.oid


async def test_a_table_that_came_since_must_not_hold_rows_in_d1() -> None:
    journal = await journal_of(plan_of(SHOP))
    plan = plan_of(SHOP, LOOP)
    seen = await empty_target(plan.tables, "INSERT INTO shop(id) VALUES (1)")
    full = await empty_target(plan.tables, "INSERT INTO loop(id) VALUES (1)")

    with pytest.raises(UsageError, match="loop: already in D1"):
        await resume.adopt_new_tables(journal, plan.tables, full, RunSettings())
    await resume.adopt_new_tables(journal, plan.tables, seen, RunSettings())


async def test_a_table_that_came_since_is_emptied_where_rows_are_to_be_replaced() -> None:
    journal = await journal_of(plan_of(SHOP))
    plan = plan_of(SHOP, LOOP)
    full = await empty_target(plan.tables, "INSERT INTO loop(id) VALUES (1)")

    settings = RunSettings(if_exists=IfExists.REPLACE)
    await resume.adopt_new_tables(journal, plan.tables, full, settings)

    assert not journal.is_done(steps.empty_step(called(plan, "loop")))


async def test_a_run_that_only_has_to_finish_takes_no_more_tables() -> None:
    journal = await journal_of(plan_of(SHOP))
    await finished(journal, called(PLAN, "shop"))
    await journal.note(RunState.FINISHING)

    nothing_new = resume.without_new(journal, plan_of(SHOP).tables)
    tables, warning = resume.without_new(journal, plan_of(SHOP, LOOP).tables)

    assert nothing_new[1] == ""
    assert [table.target for table in tables] == ["shop"]
    assert "public.loop" in warning


async def test_a_table_that_was_made_must_not_have_changed_even_if_no_row_came() -> None:
    journal = await journal_of(PLAN)
    await journal.mark(steps.schema_step(called(PLAN, "shop")), State.DONE)

    with pytest.raises(SourceChangedError, match=r"public\.shop"):
        resume.verdicts(journal, changed("shop").tables)


async def test_a_table_that_was_not_made_yet_is_taken_as_it_is_now() -> None:
    journal = await journal_of(PLAN)
    now = changed("shop").tables

    before = resume.verdicts(journal, now)
    await resume.renew_facts(journal, now)
    await journal.mark(steps.schema_step(called(PLAN, "shop")), State.DONE)

    assert before == ([], [])
    assert resume.verdicts(journal, now) == ([], [])
