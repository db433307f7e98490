"""What a run does once all rows are there: what they were needed for, indexes, checks, views.

Each step is written down when it is done; what couldn't be done is written down with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.model import StepKind, TablePlan
from streamer.model.plan import ViewPlan
from streamer.pack import LedgerStep
from streamer.progress import Events
from streamer.run import steps
from streamer.run.admission import Found
from streamer.run.duplicates import Duplicates
from streamer.run.finish import build_index, check, check_groups, do_after, make_view
from streamer.run.journal import Journal, State, Work
from streamer.run.survey import Database
from streamer.sinks import Ownership
from streamer.sinks.uniqueness import Unique


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
        await self._build_indexes()
        await self._check()
        await self._make_views()

    def _is_open(self, step: steps.StepName) -> bool:
        return not self._journal.is_done(step)

    async def _do_after(self) -> None:
        """Do what a table's rows had to be there for; who makes the tables does it too."""
        for table in self._tables if self._create_schema else ():
            name = steps.after_step(table)
            if not table.after_sql or self._journal.is_done(name):
                continue
            self._heed_stop()
            guard = self._ownership.guard(LedgerStep(table.target, StepKind.ROWS))
            problem = await do_after(self._database, table, guard)
            await self._journal.mark(name, State.DONE, problem=problem)

    async def _make_views(self) -> None:
        """Make the views that weren't there; one that was stays as it is."""
        for view in self._views if self._create_schema else ():
            name = steps.view_step(view)
            if self._journal.is_done(name):
                continue
            self._heed_stop()
            self._events.phase("making views")
            facts = self._journal.steps[name].document
            problem = ""
            if (there := str(facts.get("found"))) == Found.ABSENT:
                anew = bool(facts.get("remade"))
                problem = await make_view(self._database, view, anew=anew)
            elif there == "view":
                self._events.warning(
                    f"{view.source}: D1 had a view {view.target}; it stays as it was"
                )
            else:
                problem = f"{view.source}: the view wasn't made, D1 has a table {view.target}"
            await self._journal.mark(name, State.DONE, problem=problem)

    async def _build_indexes(self) -> None:
        if not self._create_schema:
            return  # who makes the tables makes their indexes
        for table in self._tables:
            for index in table.indexes:
                name = steps.StepName(str(table.name), Work.INDEX, index.name)
                if index.early or self._journal.is_done(name):
                    continue
                self._heed_stop()
                self._events.phase("building indexes")
                problem = await build_index(self._database, index)
                if self._duplicates and index.unique and "UNIQUE constraint failed" in problem:
                    # Values may have moved between rows since the first of them was written.
                    once = Unique(index.keys, index.where)
                    if await self._duplicates.mend(table, once):
                        problem = await build_index(self._database, index)
                await self._journal.mark(name, State.DONE, problem=problem)

    async def _check(self) -> None:
        """Count every table and look for missing parents; what doesn't fit is named."""
        open_tables = [t for t in self._tables if self._is_open(steps.check_step(t))]
        if open_tables:
            self._heed_stop()
            self._events.phase("checking")
        positions = [(t, self._journal.position(steps.rows_step(t))) for t in open_tables]
        for group in check_groups(positions):
            counted = await check(self._database, [table for table, _ in group])
            for table, position in group:
                seen = counted[table.target]
                problem = seen.problem or self._verdict(
                    table, position.rows, seen.rows, seen.orphans
                )
                await self._journal.mark(steps.check_step(table), State.DONE, problem=problem)

    def _verdict(self, table: TablePlan, sent: int, counted: int, orphans: int) -> str:
        if orphans:
            return f"{table.target}: {orphans:,} rows refer to rows that aren't there"
        name = steps.rows_step(table)
        most = sent + self._journal.parents_sent(name)
        least = sent - self._journal.count(name, "deleted")
        if counted < least or (counted > most and not self._journal.held_rows(name)):
            return (
                f"{table.target}: D1 holds {counted:,} rows, {sent:,} were moved; "
                "compare both sides"
            )
        return ""
