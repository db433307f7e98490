"""Tables without a key: where their rows lie is all that they are known by.

What was read of one is worth nothing once rows may have moved: then it starts over, and all that
refers to its rows with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from streamer.errors import SourceChangedError, SourceMovedError, StreamerError
from streamer.model import Key, KeyKind, Loading, TablePlan
from streamer.progress import Events
from streamer.run import resume, steps
from streamer.run.journal import Journal
from streamer.run.rejects import Rejects
from streamer.run.schema import cut_edges, empty, empty_behind
from streamer.run.sources import JobSource
from streamer.sinks import FixedPlacesError, Ownership

READ_AGAIN = 3  # times that one is read anew since rows beside it changed


class Keyless:
    """Those of a run's `tables`. `make_tables` makes what is to be made of staging tables."""

    def __init__(
        self,
        tables: Sequence[TablePlan],
        source: JobSource,
        journal: Journal,
        ownership: Ownership,
        events: Events,
        *,
        rejects: Rejects,
        make_tables: Callable[[], Awaitable[None]],
    ) -> None:
        self._tables = tables
        self._source = source
        self._journal = journal
        self._ownership = ownership
        self._events = events
        self._rejects = rejects
        self._make_tables = make_tables

    async def restart_moved(self) -> None:
        """Start those over where rows may have moved since they were begun."""
        for table in self._tables:
            if table.key.kind is not KeyKind.PHYSICAL:
                continue
            await self._number_leaves(table)
            if not steps.rows_are_there(table, self._journal):
                await self._go_on_with(table)

    async def read_again(self, fixed: FixedPlacesError) -> StreamerError:
        """Have staged ones read again by the next start; what ends this one."""
        names = [steps.rows_step(table) for table in fixed.tables]
        times = 1 + max(self._journal.count(name, "read_again") for name in names)
        if times > READ_AGAIN:
            return fixed.problem
        await self._journal.start_over(names, {name: {"read_again": times} for name in names})
        which = ", ".join(str(table.name) for table in fixed.tables)
        return SourceMovedError(
            f"{which}: rows changed while they were read, and without a key they can't be looked up.",
            hint="Go on with --resume, which reads the table again.",
        )

    async def _go_on_with(self, table: TablePlan) -> None:
        at = self._journal.position(steps.rows_step(table))
        if at.last is not None and not await self._is_unchanged(table, at.last):
            self._events.warning(
                f"{table.name} has no key and changed since the run began; it is emptied in "
                "D1 and moved again from the start"
            )
            await self._start_over(table, [table, *self._begun_on(table)])
            at = self._journal.position(steps.rows_step(table))
        if self._journal.running.epoch == 1 or (at.done and at.last is None):
            return  # nothing of it is there yet, or it has no rows
        if at.last is None and self._journal.may_hold_older(steps.rows_step(table)):
            await self._take_back(table)
        await empty_behind(self._ownership.preparing([table.target]), table, at.last)

    async def _take_back(self, table: TablePlan) -> None:
        """Have the rows gone that came before a table started over, and all that refers to them."""
        if begun := self._begun_on(table):
            await self._start_over(table, begun)
        gone = [t for t in self._referring(table) if not self._holds_others(t)]
        cut = [t for t in self._tables if t not in gone and _defers_to(gone, t)]
        await self._journal.start_over(
            step for t in cut for step in (steps.edges_step(t), steps.check_step(t))
        )
        preparing = self._ownership.preparing([t.target for t in (*gone, *cut)])
        await cut_edges(preparing, cut)
        await empty(preparing, gone)

    async def _start_over(self, table: TablePlan, again: Sequence[TablePlan]) -> None:
        # The checkpoint first: a kill in between must not leave it ahead of the target.
        await resume.start_over(self._journal, self._tables, again)
        for one in again:
            self._events.tally.settle(str(one.name), rows_written=0, bytes_sent=0)
        if others := ", ".join(str(t.name) for t in again if t != table):
            self._events.warning(
                f"{others}: their rows refer to {table.name}, so they are moved again too"
            )
        await self._rejects.forget_unknown(self._journal.rejected)
        await self._make_tables()

    def _begun_on(self, table: TablePlan) -> list[TablePlan]:
        """The other tables of which rows came, and that refer to its rows by then.

        Raises:
            SourceChangedError: one held rows of others, from which nothing is to be taken.

        """
        begun = [
            t
            for t in self._referring(table)
            if self._is_begun(t) and t != table and not _are_published_together(t, table)
        ]
        if held := [str(t.name) for t in begun if self._holds_others(t)]:
            raise SourceChangedError(
                f"{table.name} has no key and changed since the run began, so its rows are moved "
                f"again; but {', '.join(held)} refers to them, and held rows before the run",
                hint="Start over with `streamer run --restart --if-exists replace`.",
            )
        return begun

    def _is_begun(self, table: TablePlan) -> bool:
        name = steps.rows_step(table)
        at = self._journal.position(name)
        return at.last is not None or at.done or self._journal.parents_sent(name) > 0

    def _holds_others(self, table: TablePlan) -> bool:
        return self._journal.held_rows(steps.rows_step(table))

    def _referring(self, table: TablePlan) -> list[TablePlan]:
        """The tables whose rows can't be without its rows, and theirs, in load order; itself too.

        What a second pass sets can be taken back.
        """
        found = [table]
        while more := [t for t in self._tables if t not in found and _needs(found, t)]:
            found += more
        return [t for t in self._tables if t in found]

    async def _is_unchanged(self, table: TablePlan, last: Key) -> bool:
        name = steps.rows_step(table)
        position = self._journal.position(name)
        return await self._source.physical_unchanged(
            table.table,
            last,
            position.rows + position.skipped + position.rejected,
            self._journal.recorded_snapshot(name),
            where=table.where,
        )

    async def _number_leaves(self, table: TablePlan) -> None:
        """Give every leaf of a table a number that it keeps for the whole run."""
        name = steps.rows_step(table)
        numbers = self._source.number_leaves(table.table, self._journal.leaves(name))
        await self._journal.number_leaves(name, numbers)


def _are_published_together(one: TablePlan, other: TablePlan) -> bool:
    """Whether rows of both wait in staging tables, where nothing refers to anything."""
    return one.loading is Loading.STAGED and one.cycle == other.cycle


def _needs(parents: Sequence[TablePlan], table: TablePlan) -> bool:
    """Whether rows of `table` refer to `parents` from the beginning."""
    names = {parent.target for parent in parents}
    return any(
        key.parent in names and not {*key.columns} & {*table.deferred} for key in table.foreign_keys
    )


def _defers_to(parents: Sequence[TablePlan], table: TablePlan) -> bool:
    """Whether rows of `table` refer to `parents` after their second pass."""
    names = {parent.target for parent in parents}
    return any(
        key.parent in names and {*key.columns} & {*table.deferred} for key in table.foreign_keys
    )
