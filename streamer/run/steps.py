"""The steps of a run, in the order in which they are done."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.model import IndexPlan, Loading, StepKind, TablePlan
from streamer.model.plan import ViewPlan
from streamer.run.journal import Journal
from streamer.run.states import StepName, Work


def rows_step(table: TablePlan) -> StepName:
    """The step that moves a table's rows."""
    return StepName(str(table.name), Work.ROWS)


def edges_step(table: TablePlan) -> StepName:
    """The step that sets a table's deferred columns."""
    return StepName(str(table.name), Work.EDGES)


def schema_step(table: TablePlan) -> StepName:
    """The step that makes a table."""
    return StepName(str(table.name), Work.SCHEMA)


def empty_step(table: TablePlan) -> StepName:
    """The step that empties a table before its rows come."""
    return StepName(str(table.name), Work.EMPTY)


def publish_step(cycle: Sequence[TablePlan]) -> StepName:
    """The step that publishes the staged tables of one cycle."""
    return StepName(str(min(table.name for table in cycle)), Work.PUBLISH)


def index_steps(table: TablePlan) -> list[StepName]:
    """The steps that build a table's indexes after its rows."""
    return [index_step(table, index) for index in table.indexes if not index.early]


def index_step(table: TablePlan, index: IndexPlan) -> StepName:
    """The step that builds one of a table's indexes after its rows."""
    return StepName(str(table.name), Work.INDEX, index.name)


def after_step(table: TablePlan) -> StepName:
    """The step that does what is to be done once the table's rows are there."""
    return StepName(str(table.name), Work.AFTER)


def view_step(view: ViewPlan) -> StepName:
    """The step that makes a view."""
    return StepName(str(view.source), Work.VIEW)


def check_step(table: TablePlan) -> StepName:
    """The step that counts a table's rows and looks for missing parents."""
    return StepName(str(table.name), Work.CHECK)


def of_rows(table: TablePlan) -> list[tuple[StepName, StepKind]]:
    """The steps that read the table."""
    second = [(edges_step(table), StepKind.EDGES)] if table.loading is Loading.TWO_PASS else []
    return [(rows_step(table), StepKind.ROWS), *second]


def rows_are_there(table: TablePlan, journal: Journal) -> bool:
    """Whether the table isn't read any more, so that where its rows lie doesn't matter."""
    return all(journal.is_done(name) for name, _ in of_rows(table))


def cycles(tables: Sequence[TablePlan]) -> list[tuple[TablePlan, ...]]:
    """The groups of staged tables that are published together."""
    numbers = sorted({table.cycle for table in tables if table.loading is Loading.STAGED})
    return [tuple(t for t in tables if t.cycle == number) for number in numbers]


def named(tables: Sequence[TablePlan], views: Sequence[ViewPlan] = ()) -> list[StepName]:
    """All steps of a run over `tables`, and of making `views`."""
    steps: list[StepName] = []
    for table in tables:
        steps += [empty_step(table), schema_step(table), rows_step(table)]
        if table.loading is Loading.TWO_PASS:
            steps.append(edges_step(table))
        if table.after_sql:
            steps.append(after_step(table))
        steps += index_steps(table)
        steps.append(check_step(table))
    steps += [publish_step(cycle) for cycle in cycles(tables)]
    return [*steps, *map(view_step, views)]
