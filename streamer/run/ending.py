"""What a run does once all rows are there: what they were needed for, indexes, checks, views.

Each step is written down when it is done; what couldn't be done is written down with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TypeVar

from streamer import limits
from streamer.d1 import TooLargeError
from streamer.errors import BadRowsError, StreamerError
from streamer.model import IndexPlan, Statement, StepKind, TablePlan
from streamer.model.plan import ViewPlan
from streamer.pack import LedgerStep
from streamer.pipeline import Position
from streamer.progress import Events
from streamer.run import steps
from streamer.run.admission import Found
from streamer.run.finish import (
    Checked,
    after_problem,
    after_task,
    build_index,
    check,
    check_behind,
    check_groups,
    check_load,
    index_problem,
    index_statement,
    view_problem,
    view_task,
)
from streamer.run.journal import Journal
from streamer.run.sharing import Task, index_load, together
from streamer.run.states import State
from streamer.run.survey import Database
from streamer.sinks import Duplicates, Ownership
from streamer.sinks.duplicates import Sharing
from streamer.sinks.uniqueness import Unique

T = TypeVar("T")


class Ending:
    """Carries out the steps that follow the rows of `tables`, and makes `views`.

    `heed_stop` raises where the run is to end early. Without `create_schema`, who made the tables
    makes all that belongs to them.
    """

    def __init__(
        self,
        database: Database,
        ownership: Ownership,
        journal: Journal,
        events: Events,
        *,
        tables: Sequence[TablePlan],
        views: Sequence[ViewPlan],
        create_schema: bool,
        heed_stop: Callable[[], None],
        duplicates: Duplicates | None = None,
    ) -> None:
        self._database = database
        self._ownership = ownership
        self._journal = journal
        self._events = events
        self._tables = tables
        self._views = views
        self._create_schema = create_schema
        self._heed_stop = heed_stop
        self._duplicates = duplicates

    async def carry_out(self) -> None:
        """Do all that is left to do."""
        await self._do_after()
        await self._build_and_check_at_once()
        await self._build_indexes()
        await self._check()
        await self._make_views()

    def _is_open(self, step: steps.StepName) -> bool:
        return not self._journal.is_done(step)

    async def _do_after(self) -> None:
        """Do what tables' rows had to be there for; who makes the tables does it too."""
        tables = [t for t in self._tables if t.after_sql and self._is_open(steps.after_step(t))]
        tasks = [after_task(t, self._guard(t)) for t in tables if self._create_schema]
        await self._carry_out(tasks, steps.after_step, after_problem)

    def _guard(self, table: TablePlan) -> Statement:
        return self._ownership.guard(LedgerStep(table.target, StepKind.ROWS))

    async def _make_views(self) -> None:
        """Make the views that weren't there; one that was stays as it is."""
        tasks: list[Task[ViewPlan]] = []
        for view in self._views if self._create_schema else ():
            name = steps.view_step(view)
            if self._journal.is_done(name):
                continue
            facts = self._journal.steps[name].document
            problem = ""
            if (there := str(facts.get("found"))) == Found.ABSENT:
                tasks.append(view_task(view, anew=bool(facts.get("remade"))))
                continue
            if there == "view":
                self._events.warning(
                    f"{view.source}: D1 had a view {view.target}; it stays as it was"
                )
            else:
                problem = f"{view.source}: the view wasn't made, D1 has a table {view.target}"
            await self._journal.mark(name, State.DONE, problem=problem)
        if tasks:
            self._events.phase("making views")
        await self._carry_out(tasks, steps.view_step, view_problem)

    async def _build_and_check_at_once(self) -> None:
        """Do both in one request, where one has the time; if it fails, each does what it can by itself."""
        tasks, tables = self._index_tasks(), self._unchecked()
        groups = check_groups(tables)
        if not (tasks and len(groups) == 1):
            return
        load = sum(task.load for task in tasks) + check_load(tables)
        if load > 1.0 or len(tasks) + len(tables) > limits.BATCH_STATEMENTS:
            return
        self._heed_stop()
        self._events.phase("building indexes, checking")
        built = [statement for task in tasks for statement in task.statements]
        try:
            counted = await check_behind(self._database, built, [table for table, _ in tables])
        except (BadRowsError, TooLargeError):
            return
        await self._journal.mark_all([steps.index_step(*task.of) for task in tasks], State.DONE)
        await self._judge(tables, counted)

    async def _build_indexes(self) -> None:
        tasks = self._index_tasks()
        if tasks:
            self._events.phase("building indexes")
        await self._carry_out(tasks, lambda of: steps.index_step(*of), self._index_problem)

    def _index_tasks(self) -> list[Task[tuple[TablePlan, IndexPlan]]]:
        """The indexes that are still to be built; who makes the tables makes their indexes."""
        return [
            Task(
                (table, index),
                (index_statement(index),),
                index_load(index, table, self._journal.position(steps.rows_step(table))),
            )
            for table in (self._tables if self._create_schema else ())
            for index in table.indexes
            if not index.early and self._is_open(steps.index_step(table, index))
        ]

    async def _index_problem(self, of: tuple[TablePlan, IndexPlan], error: StreamerError) -> str:
        """Why an index can't be built; '' where it could be in the end."""
        table, index = of
        if self._duplicates and index.unique and "UNIQUE constraint failed" in error.what:
            # Values may have moved between rows since the first of them was written.
            once = Unique(index.keys, index.where)
            if await self._duplicates.mend(table, once) is not Sharing.LEFT:
                return await build_index(self._database, index)
        return index_problem(index, error)

    async def _carry_out(
        self,
        tasks: Sequence[Task[T]],
        step_of: Callable[[T], steps.StepName],
        problem_of: Callable[[T, StreamerError], Awaitable[str]],
    ) -> None:
        """Carry out tasks in few requests, and write each down when its request is answered."""
        if tasks:
            self._heed_stop()
        async with aclosing(together(self._database, tasks)) as outcomes:
            async for outcome in outcomes:
                names = [step_of(task.of) for task in outcome.tasks]
                if outcome.error is None:
                    await self._journal.mark_all(names, State.DONE)
                else:
                    problem = await problem_of(outcome.tasks[0].of, outcome.error)
                    await self._journal.mark(names[0], State.DONE, problem=problem)
                self._heed_stop()

    async def _check(self) -> None:
        """Count every table and look for missing parents; what doesn't fit is named."""
        groups = check_groups(self._unchecked())
        if groups:
            self._heed_stop()
            self._events.phase("checking")
        for group in groups:
            counted = await check(self._database, [table for table, _ in group])
            await self._judge(group, counted)

    def _unchecked(self) -> list[tuple[TablePlan, Position]]:
        open_tables = [t for t in self._tables if self._is_open(steps.check_step(t))]
        return [(t, self._journal.position(steps.rows_step(t))) for t in open_tables]

    async def _judge(
        self, tables: Sequence[tuple[TablePlan, Position]], counted: Mapping[str, Checked]
    ) -> None:
        problems: dict[steps.StepName, Mapping[str, str]] = {}
        for table, position in tables:
            seen = counted[table.target]
            problem = seen.problem or self._verdict(table, position.rows, seen.rows, seen.orphans)
            problems[steps.check_step(table)] = {"problem": problem}
        await self._journal.mark_each(problems, State.DONE)

    def _verdict(self, table: TablePlan, sent: int, counted: int, orphans: int) -> str:
        if orphans:
            return f"{table.target}: {orphans:,} of its rows refer to rows that aren't there"
        name = steps.rows_step(table)
        most = sent + self._journal.parents_sent(name)
        least = sent - self._journal.count(name, "deleted")
        if counted < least or (counted > most and not self._journal.held_rows(name)):
            return (
                f"{table.target}: D1 holds {counted:,} rows, {sent:,} were moved; "
                "compare both sides, and mend them, with `streamer validate --full --repair`"
            )
        return ""
