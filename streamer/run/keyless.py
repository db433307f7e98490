"""Tables without a key: where their rows lie is all that they are known by.

What was read of one is worth nothing once rows may have moved: then it starts over, and all that
refers to its rows with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from streamer.errors import SourceChangedError, SourceMovedError, StreamerError
from streamer.model import Key, KeyKind, Loading, StepKind, TablePlan
from streamer.pack import LedgerStep
from streamer.progress import Events
from streamer.run import resume, steps
from streamer.run.journal import Journal
from streamer.run.rejects import Rejects
from streamer.run.schema import empty, empty_behind, is_there_behind, let_go, loose_columns
from streamer.run.sources import JobSource
from streamer.run.states import StepName
from streamer.sinks import Ownership

if TYPE_CHECKING:
    from streamer.sinks.taking_out import FixedPlacesError

READ_AGAIN = 3  # times that one is read anew since rows beside it changed


class Keyless:
    """Those of a run's `tables`. `make_tables` makes what is to be made of staging tables.

    Where `is_one_moment`, all that this start moves is: what refers to nothing does so in the source too.
    """

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
        is_one_moment: bool,
    ) -> None:
        self._tables = tables
        self._source = source
        self._journal = journal
        self._ownership = ownership
        self._events = events
        self._rejects = rejects
        self._make_tables = make_tables
        self._is_one_moment = is_one_moment

    async def restart_moved(self) -> None:
        """Start those over where rows may have moved since they were begun."""
        for table in self._tables:
            if table.key.kind is not KeyKind.PHYSICAL:
                continue
            await self._number_leaves(table)
            if not steps.rows_are_there(table, self._journal):
                await self._go_on_with(table)

    def can_be_read_again(self, table: TablePlan) -> bool:
        """Whether rows of a staged one may be others when they are read again, and that may be done."""
        times = self._journal.count(steps.rows_step(table), "read_again")
        return times < READ_AGAIN and not self._is_one_moment

    async def read_again(self, fixed: FixedPlacesError) -> StreamerError:
        """Have staged ones read again by the next start; what ends this one."""
        names = [steps.rows_step(table) for table in fixed.tables]
        along = self._rejected_with(fixed.tables)
        times = max(self._journal.count(name, "read_again") for name in names)
        facts = {name: {"read_again": times} for name in [*names, *along]}
        if fixed.is_sure or self._is_one_moment:
            await self._journal.start_over(facts, facts)
            return fixed.problem
        times += 1
        if times > READ_AGAIN:
            return fixed.problem
        await self._journal.start_over(facts, {name: {"read_again": times} for name in facts})
        which = ", ".join(str(table.name) for table in fixed.tables)
        return SourceMovedError(
            f"{which}: rows changed while they were read, and without a key they can't be looked up.",
            hint="Go on with --resume, which reads the table again.",
        )

    def _rejected_with(self, tables: Collection[TablePlan]) -> list[StepName]:
        """The steps of other tables that are published with `tables` and had rows rejected.

        These may have been so for what they refer to, which is looked at anew.
        """
        rejected = {row.table for row in self._journal.rejected}
        return [
            steps.rows_step(other)
            for other in self._tables
            if str(other.name) in rejected
            and other not in tables
            and any(_are_published_together(other, table) for table in tables)
        ]

    async def _go_on_with(self, table: TablePlan) -> None:
        at = self._journal.position(steps.rows_step(table))
        if at.last is not None and not await self._is_unchanged(table, at.last):
            self._events.warning(
                f"{table.name} has no key and changed since the run began; it is emptied in "
                "D1 and moved again from the start"
            )
            await self._start_over(table, [table, *self._begun_on(table)])
            at = self._journal.position(steps.rows_step(table))
        if self._journal.running.epoch == 1 or at.done:
            return  # nothing of it is there yet, or nothing that isn't written down
        await self._make_way(table, at.last)
        await empty_behind(self._ownership.preparing([table.target]), table, at.last)

    async def _make_way(self, table: TablePlan, last: Key | None) -> None:
        """Have all gone that refers to rows of `table` behind `last` (None: to any), and come again.

        There is something where a table starts over. Otherwise nothing refers to rows that aren't
        written down, unless the checkpoint is an older version's, or was made anew.
        """
        referring = [t for t in self._referring(table) if t != table or last is None]
        gone = [t for t in referring if not self._holds_others(t)]
        edged = [t for t in self._tables if t not in gone and _defers_to([table, *gone], t)]
        looking = self._ownership.preparing([table.target])
        if not (referring or edged) or not await is_there_behind(looking, table, last):
            return
        if begun := self._begun_on(table):
            await self._start_over(table, begun)
        await self._journal.start_over(
            step for t in edged for step in (steps.edges_step(t), steps.check_step(t))
        )
        await self._forget(LedgerStep(t.target, StepKind.EDGES) for t in edged)
        preparing = self._ownership.preparing([t.target for t in (table, *referring, *edged)])
        for child in self._tables:
            if child in edged or (child in referring and child not in gone):
                await let_go(preparing, child, [table], behind=last)
                await let_go(preparing, child, [t for t in gone if t != table])
        await empty(preparing, gone)

    async def _start_over(self, table: TablePlan, again: Sequence[TablePlan]) -> None:
        # The checkpoint first: a kill in between must not leave it ahead of the target.
        await resume.start_over(self._journal, self._tables, again)
        await self._forget(
            LedgerStep(t.target, kind) for t in again for _, kind in steps.of_rows(t)
        )
        for one in again:
            self._events.tally.settle(str(one.name), rows_written=0, bytes_sent=0)
        if others := ", ".join(str(t.name) for t in again if t != table):
            self._events.warning(
                f"{others}: their rows refer to {table.name}, so they are moved again too"
            )
        await self._rejects.forget_unknown(self._journal.rejected)
        await self._make_tables()

    async def _forget(self, begun_anew: Iterable[LedgerStep]) -> None:
        """Have the ledger claim nothing of steps any more, before the first of their rows is touched.

        A checkpoint that was made anew would take them for done.
        """
        if begun_anew := list(begun_anew):
            await self._ownership.forget(begun_anew)

    def _begun_on(self, table: TablePlan) -> list[TablePlan]:
        """The other tables of which rows came, and that refer to its rows by then.

        Raises:
            SourceChangedError: one held rows of others, which are to stay, and can't let go.

        """
        begun = [
            t
            for t in self._referring(table)
            if self._is_begun(t) and t != table and not _are_published_together(t, table)
        ]
        parents = {table.target, *(t.target for t in begun if not self._holds_others(t))}
        if held := [str(t.name) for t in begun if self._holds_others(t) and _clings(t, parents)]:
            raise SourceChangedError(
                f"{table.name} has no key, and rows of it are to be moved again; "
                f"but {', '.join(held)} refers to them, and held rows before the run",
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

        What a second pass sets can be taken back. Rows of tables that held others stay: they let go.
        """
        found = [table]
        while more := [
            t
            for t in self._tables
            if t not in found and _needs([p for p in found if not self._holds_others(p)], t)
        ]:
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


def _clings(table: TablePlan, parents: Collection[str]) -> bool:
    """Whether rows of `table` can't be without those of `parents` (target names)."""
    return any(
        key.parent in parents and not loose_columns(table, key) for key in table.foreign_keys
    )


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
