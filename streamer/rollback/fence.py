"""Keeps a run's requests from the target while it is taken back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from streamer.d1 import D1Database
from streamer.rollback.intent import state_before
from streamer.rollback.look import Seen
from streamer.run.journal import Journal
from streamer.run.states import RunState
from streamer.sinks import Ownership


class Fence:
    """What keeps the run in `journal`, and its earlier rollbacks, from its `tables` (target names).

    A request that a killed run had sent may be executed at any later moment, so that only behind the
    fence it is certain what the target holds of the run. Until something is taken away the fence can be
    lifted, by a later call too, and the run is what it was.
    """

    def __init__(self, journal: Journal, database: D1Database, tables: Sequence[str]) -> None:
        self._journal = journal
        self._database = database
        self._tables = tables

    async def put_up(self) -> Ownership:
        """Write down that the run is being taken back, and take its tables over.

        Raises:
            FencedError: another run has one of them, or was faster.
        """
        before, epoch = state_before(self._journal), self._journal.running.epoch + 1
        await self._journal.note(RunState.UNDOING, epoch=epoch, state_before_undoing=before)
        ownership = self._ownership()
        await ownership.take(self._tables, from_others=False)
        return ownership

    async def pass_through(self) -> None:
        """Write down that something is taken away from here on."""
        before = state_before(self._journal)
        await self._journal.note(RunState.UNDOING, state_before_undoing=before, undoing_begun=True)

    async def lift(self, seen: Seen) -> None:
        """Let the run be what it was, unless something was taken away; `seen` is the target now.

        The marks stay where the run had claimed its tables: they are like those of a start that was
        killed. Else they are only ours, and another run would take them for those of one that is
        under way.
        """
        before = state_before(self._journal)
        run = self._journal.running
        if run.document.get("undoing_begun") or before == run.state:
            return
        if not seen.is_claimed:
            await self._ownership().leave(self._tables)
        await self._journal.note(before)

    def _ownership(self) -> Ownership:
        run = self._journal.running
        holder = uuid.uuid4().hex
        return Ownership(self._database, run=run.run_id, epoch=run.epoch, holder=holder)
