"""Tables without a key: where their rows lie is all that they are known by.

What was read of one is worth nothing once rows may have moved: then it starts over, and all that
refers to its rows with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from streamer.errors import SourceMovedError, StreamerError
from streamer.model import Key, KeyKind, Loading, TablePlan
from streamer.progress import Events
from streamer.run import resume, steps
from streamer.run.journal import Journal
from streamer.run.rejects import Rejects
from streamer.run.schema import empty, empty_behind
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
        name = steps.rows_step(table)
        last = self._journal.position(name).last
        if last is not None and not await self._is_unchanged(table, last):
            await self._start_over(table)
        if self._journal.running.epoch == 1:
            return
        last = self._journal.position(name).last
        names = [table.target, *(t.target for t in self._referring(table))]
        preparing = self._ownership.preparing(names)
        if table.loading is Loading.TWO_PASS and last is None:
            # Its rows may refer to each other by now, and others to them.
            await empty(preparing, [t for t in self._tables if t.target in names])
        await empty_behind(preparing, table, last)

    async def _start_over(self, table: TablePlan) -> None:
        self._events.warning(
            f"{table.name} has no key and changed since the run began; it is emptied in "
            "D1 and moved again from the start"
        )
        # The checkpoint first: a kill in between must not leave it ahead of the target.
        others = [t for t in self._referring(table) if self._is_begun(t)]
        again = [table, *others]
        await resume.start_over(self._journal, self._tables, again)
        for one in again:
            self._events.tally.settle(str(one.name), rows_written=0, bytes_sent=0)
        if others:
            which = ", ".join(str(t.name) for t in others)
            self._events.warning(
                f"{which}: their rows refer to {table.name}, so they are moved again too"
            )
        await self._rejects.forget_unknown(self._journal.rejected)
        await self._make_tables()

    def _is_begun(self, table: TablePlan) -> bool:
        name = steps.rows_step(table)
        at = self._journal.position(name)
        return at.last is not None or at.done or self._journal.parents_sent(name) > 0

    def _referring(self, table: TablePlan) -> list[TablePlan]:
        """The tables whose rows may refer to its rows, and theirs, in load order.

        Not those that held rows of others: nothing is to be taken from them.
        """
        names = {table.target}
        if table.loading is not Loading.TWO_PASS:
            return []  # who refers to its rows waits for the last of them
        for _ in self._tables:
            names |= {
                t.target for t in self._tables if any(k.parent in names for k in t.foreign_keys)
            }
        return [
            t
            for t in self._tables
            if t.target in names - {table.target}
            and not self._journal.held_rows(steps.rows_step(t))
        ]

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
