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
from streamer.frozen import frozen
from streamer.model import IndexPlan, Statement, StepKind, TablePlan
from streamer.model.plan import ViewPlan
from streamer.pack import LedgerStep
from streamer.pipeline import Position
from streamer.progress import Events
from streamer.run import steps
from streamer.run.admission import Found
from streamer.run.finish import (
    OPTIMIZE,
    Checked,
    after_problem,
    after_task,
    build_index,
    check,
    check_behind,
    check_groups,
    check_load,
    check_statement,
    found_behind,
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


_LEAVING = 10  # statements that refresh statistics and take a run's marks away


@frozen
class Last:
    """Indexes to be built and tables to be checked in one request, and how far their rows came."""

    tasks: Sequence[Task[tuple[TablePlan, IndexPlan]]]
    tables: Sequence[tuple[TablePlan, Position]]

    @property
    def built(self) -> list[Statement]:
        """What builds the indexes."""
        return [statement for task in self.tasks for statement in task.statements]

    @property
    def targets(self) -> list[TablePlan]:
        """The tables to be checked."""
        return [table for table, _ in self.tables]

    @property
    def statements(self) -> list[Statement]:
        """All that is to be executed; the results of the checks are the last ones."""
        return [*self.built, *map(check_statement, self.targets)]

    def is_at_once(self, beside: int = 0) -> bool:
        """Whether one request has the time, and the room for so many statements `beside`."""
        load = sum(task.load for task in self.tasks) + check_load(self.tables)
        count = len(self.tasks) + len(self.tables) + beside
        alone = len(check_groups(self.tables)) == 1
        return alone and load <= 1.0 and count <= limits.BATCH_STATEMENTS


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
        """Do all that is left to do, but for what is `last`."""
        await self._do_after()
        if self.last() is None:
            await self.carry_out_alone()

    async def carry_out_alone(self) -> None:
        """Build, check and make views, each group of them in a request of its own."""
        await self._build_and_check_at_once()
        await self._build_indexes()
        await self._check()
        await self._make_views()

    def last(self) -> Last | None:
        """All that is left to do, where it can share the request that ends the run; None: there is no such.

        Without its marks a run writes no rows any more, and so can't mend what keeps a unique index from
        being built.
        """
        tasks, tables = self._index_tasks(), self._unchecked()
        if not tables or self._open_views() or any(task.of[1].unique for task in tasks):
            return None
        last = Last(tasks, tables)
        return last if last.is_at_once(_LEAVING) else None

    async def finish(self) -> None:
        """Take the run's marks away, together with what is `last`."""
        names = [table.target for table in self._tables]
        if (last := self.last()) is not None:
            self._events.phase("checking, finishing")
            results = await self._ownership.leave_at_once(names, [*last.statements, OPTIMIZE])
            if results is not None:
                counted = found_behind(results, len(last.built), last.targets)
                await self._record(last, counted)
                return
        # An earlier start may have left to its last request what this one has no such request for: sizes
        # and settings may be others by now.
        await self.carry_out_alone()
        self._events.phase("finishing")
        await self._ownership.leave(names, along=[OPTIMIZE])

    def _is_open(self, step: steps.StepName) -> bool:
        return step in self._journal.steps and not self._journal.is_done(step)

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
        for view in self._open_views():
            name = steps.view_step(view)
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

    def _open_views(self) -> list[ViewPlan]:
        views = self._views if self._create_schema else ()
        return [view for view in views if self._is_open(steps.view_step(view))]

    async def _build_and_check_at_once(self) -> None:
        """Do both in one request, where one has the time; if it fails, each does what it can by itself."""
        both = Last(self._index_tasks(), self._unchecked())
        if not (both.tasks and both.tables and both.is_at_once()):
            return
        self._heed_stop()
        self._events.phase("building indexes, checking")
        try:
            counted = await check_behind(self._database, both.built, both.targets)
        except (BadRowsError, TooLargeError):
            return
        await self._record(both, counted)

    async def _record(self, done: Last, counted: Mapping[str, Checked]) -> None:
        indexes = [steps.index_step(*task.of) for task in done.tasks]
        if indexes:
            await self._journal.mark_all(indexes, State.DONE)
        await self._judge(done.tables, counted)

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
