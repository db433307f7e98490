"""Writes rows of the target, or of its staging tables, as the source has them now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from streamer import limits
from streamer.d1 import RefusedRowsError
from streamer.frozen import frozen
from streamer.model import Key, Loading, Pack, Statement, StepKind, TablePlan
from streamer.pack import Engine, Layout, LedgerStep
from streamer.sinks.ahead import Deleted, Expect, lacks_parents
from streamer.sinks.ownership import Database, Ownership
from streamer.sinks.refresh import (
    Fresh,
    Leave,
    Leaving,
    Settle,
    Source,
    TooManyError,
    fits,
    read_again,
)
from streamer.sinks.uniqueness import delete


@frozen
class Renewing:
    """Reads rows again by their key, writes those that are there, and deletes those that are gone.

    With the rows that are gone from a table go those that refer to them. `expect` is told of the
    snapshots that rows were read in, `deleted` how many may go, both before they are written. What
    rows refer to by now and D1 lacks, `settle` sends ahead of them.
    """

    database: Database
    ownership: Ownership
    source: Source
    leaving: Leaving
    expect: Expect
    deleted: Deleted
    settle: Settle
    engine: Engine

    def layout(self, table: TablePlan, *, staged: bool) -> Layout:
        """How a table's rows are written: whole, into the table or, if `staged`, its staging table."""
        plan = table if staged else replace(table, loading=Loading.DIRECT, deferred=())
        return Layout.of(plan, StepKind.ROWS, Pack.JSON, into_stage=staged, engine=self.engine)

    async def renew(self, table: TablePlan, keys: Collection[Key], *, staged: bool) -> None:
        """Write the rows with these keys as they are now, in as many requests as they need.

        Raises:
            TooManyError: one of them, with what must go with it, is more than a request takes.
            RefusedRowsError, TooLargeError: D1 doesn't take them.

        """
        waiting = [sorted(keys)]
        while waiting:
            some = waiting.pop()
            try:
                await self._renew_at_once(table, some, staged=staged)
            except TooManyError:
                if len(some) == 1:
                    raise
                middle = len(some) // 2
                waiting += [some[middle:], some[:middle]]

    async def _renew_at_once(
        self, table: TablePlan, keys: Collection[Key], *, staged: bool
    ) -> None:
        layout = self.layout(table, staged=staged)
        fresh = await read_again(self.source, table, layout, keys)
        leave = await self._leave(fresh, staged=staged)
        statements = [*leave.statements, *fresh.statements]
        if not fits(statements, limits.BATCH_BYTES_MAX):
            raise TooManyError
        for one in (fresh, *leave.again):
            await self.expect({one.plan.target: 0}, frozenset(one.snapshots))
        if leave.deleted:
            await self.deleted(leave.deleted)
        names = {table.target, *leave.deleted}
        guards = [self.ownership.guard(LedgerStep(name, StepKind.ROWS)) for name in names]
        request = [Statement("PRAGMA defer_foreign_keys=on"), *statements, *guards]
        try:
            await self.database.execute(request)
        except RefusedRowsError as error:
            if staged or not lacks_parents(error):
                raise
            for one in (fresh, *leave.again):
                await self.settle(one)
            await self.database.execute(request)

    async def _leave(self, fresh: Fresh, *, staged: bool) -> Leave:
        """How those of the rows go that are gone."""
        if not staged:
            return await self.leaving.leave(fresh.plan, fresh.gone)
        # Nothing in D1 refers to what isn't published; what does so in a stage is looked at next.
        gone = delete(fresh.plan, fresh.layout.table, sorted(fresh.gone))
        return Leave((), gone, {fresh.plan.target: len(fresh.gone)} if fresh.gone else {})
