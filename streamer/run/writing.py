"""What a run writes with: who owns the tables, and the sinks around sinks that end at D1."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from streamer import limits
from streamer.config import Config
from streamer.d1 import D1Database
from streamer.model import StepId, TablePlan
from streamer.pack import Engine, LedgerStep
from streamer.pipeline import Sink
from streamer.pipeline.transform import Transforming
from streamer.run import steps
from streamer.run.journal import Journal
from streamer.run.rejects import Rejects, beside
from streamer.sinks import (
    Ahead,
    Carried,
    D1Sink,
    Diagnosing,
    Duplicates,
    Leaving,
    MovedValues,
    Ownership,
    ParentsFirst,
    Rejecting,
    Renewing,
    Untying,
)
from streamer.sinks.ahead import RefusedParentsError, Telling, parents_of
from streamer.sinks.parents import IsRejected
from streamer.sinks.refresh import Fresh
from streamer.sinks.rejecting import Record

if TYPE_CHECKING:
    from streamer.sinks.staged import Stages
    from streamer.sinks.taking_out import SetAside


class Writing:
    """The target as this start of a run writes to it; `tables` are all of the run, in load order."""

    def __init__(
        self,
        config: Config,
        journal: Journal,
        database: D1Database,
        source: Transforming,
        *,
        engine: Engine,
    ) -> None:
        run = journal.running
        self._database = database
        self._source = source
        self._journal = journal
        self._tables = source.tables
        self.ownership = Ownership(
            database, run=run.run_id, epoch=run.epoch, holder=uuid.uuid4().hex
        )
        self.rejects = Rejects(
            beside(config.run.checkpoint),
            run.run_id,
            self._tables,
            journal.rejected,
            most=config.run.max_rejects,
        )
        leaving = Leaving(
            database,
            source,
            {table.target: table for table in self._tables},
            engine=engine,
        )
        untying = Untying(database, source, leaving=leaving)
        self._renewing = Renewing(
            database,
            self.ownership,
            source,
            leaving,
            self._expect_parents,
            self.expect_deletions,
            self._send_parents,
            engine=engine,
        )
        self.ahead = Ahead(
            database,
            self.ownership,
            tables=self._tables,
            source=source,
            telling=Telling(self._expect_parents, self.expect_deletions),
            engine=engine,
            untying=untying,
            rejected=self.rejects.place,
        )
        self.duplicates = Duplicates(database, self._renewing, self.ahead.exchange)

    def stages(
        self,
        cycle: Sequence[TablePlan],
        set_aside: SetAside | None,
        can_be_read_again: Callable[[TablePlan], bool],
    ) -> Stages:
        """The staging tables of a cycle, before they are published; bad rows as in `sink`."""
        from streamer.sinks.staged import Stages  # noqa: PLC0415 (few runs have cycles)

        return Stages(
            self.ahead,
            self._renewing,
            cycle,
            self.rejects.holds,
            set_aside,
            can_be_read_again=can_be_read_again,
        )

    def sink(
        self,
        carried: Mapping[StepId, tuple[Carried, LedgerStep]],
        record: Record | None,
        is_rejected: IsRejected | None = None,
    ) -> Sink:
        """Where the rows of these steps go; bad ones to `record`, or (None) they stop the run.

        Unless `is_rejected` says otherwise, rows that were rejected aren't fetched for others.
        """
        ledger = {step: ledger_step for step, (_, ledger_step) in carried.items()}
        layouts = {step: one.layout for step, (one, _) in carried.items()}
        parents = ParentsFirst(
            D1Sink(self._database, self.ownership, layouts=layouts, steps=ledger),
            self.ahead,
            self._source,
            {step: one for step, (one, _) in carried.items()},
            is_rejected or self.rejects.holds,
        )
        moved = MovedValues(
            parents,
            self.ahead,
            {step: one for step, (one, _) in carried.items()},
            parents.settle,
        )
        finding = Diagnosing(
            moved,
            self._database,
            self.ownership,
            carried,
            settle=parents.settle,
        )
        return finding if record is None else Rejecting(finding, record)

    async def _send_parents(self, fresh: Fresh) -> None:
        """Send what rows refer to and D1 lacks; what was rejected, or D1 refuses, isn't sent."""
        lacking = await self.ahead.lacking([(Carried(fresh.plan, fresh.layout), fresh.rows)])
        wanted = {
            parent
            for parent in parents_of(lacking)
            if not self.rejects.holds(parent.parent, parent.columns, parent.key)
        }
        with contextlib.suppress(RefusedParentsError):
            await self.ahead.send(wanted, limits.BATCH_BYTES_START)

    async def expect_deletions(self, rows: Mapping[str, int]) -> None:
        """Write down that so many rows of tables (target names) may go from the target."""
        step_of = {table.target: steps.rows_step(table) for table in self._tables}
        await self._journal.add_to("deleted", {step_of[t]: count for t, count in rows.items()})

    async def _expect_parents(self, rows: Mapping[str, int], snapshots: frozenset[int]) -> None:
        step_of = {table.target: steps.rows_step(table) for table in self._tables}
        named = {step_of[target]: count for target, count in rows.items()}
        await self._journal.expect_parents(named, snapshots)
