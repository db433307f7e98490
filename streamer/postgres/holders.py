"""The snapshots that a source holds: the run's, and those of single tables."""

from __future__ import annotations

from dataclasses import replace

from streamer.postgres.failures import FOREIGN, retryable, too_many_connections
from streamer.postgres.patience import Patience, Trouble
from streamer.postgres.sessions import Sessions
from streamer.postgres.snapshot import Holder, Snapshots

MAX_SNAPSHOT_AGE_S = 6 * 3600.0


class Holders:
    """Takes snapshots, each in a session of its own, and holds them for `max_age_s` at most.

    `run` is the one that all tables are read in; without it (None), tables that must be read in one
    have their own.
    """

    def __init__(
        self, sessions: Sessions, aside: Sessions, snapshots: Snapshots, patience: Patience
    ) -> None:
        self.max_age_s = MAX_SNAPSHOT_AGE_S
        self.run: Holder | None = None
        self._of_tables: dict[int, Holder] = {}
        self._sessions = sessions
        self._aside = aside
        self._snapshots = snapshots
        self._patience = patience

    async def take(self) -> Holder:
        """A new snapshot, held where questions were asked before: who asks more connects again.

        Raises:
            Any of failures.FOREIGN.
        """
        return await Holder.take(
            self._sessions.connector,
            self._snapshots,
            session=self._aside.part_with_one(),
            max_age_s=self.max_age_s,
        )

    async def take_patiently(self) -> Holder:
        """As `take`, tried again while that may help, for a minute.

        Raises:
            StreamerError: what PostgreSQL or the network said, translated.
        """
        trouble = Trouble(replace(self._patience, give_up_after_s=60.0))
        while True:
            try:
                holder = await self.take()
            except FOREIGN as error:
                if too_many_connections(error):
                    if await self._give_up_idle():
                        continue
                    self._sessions.cut_one()
                explained = self._sessions.connector.explain(error, "taking a snapshot")
                if not retryable(error) or not await trouble.another(explained.what):
                    raise explained from None
            else:
                trouble.over()
                return holder

    async def of_table(self, oid: int) -> Holder:
        """The snapshot for a table that must be read in one: the run's, or one of its own."""
        if self.run is not None:
            return self.run
        if oid not in self._of_tables:
            self._of_tables[oid] = await self.take_patiently()
        return self._of_tables[oid]

    async def let_go_of(self, oid: int) -> None:
        """Let a table's own snapshot go, where it has one."""
        holder = self._of_tables.pop(oid, None)
        if holder is not None:
            await holder.close()

    async def let_go(self) -> None:
        """Let every snapshot go."""
        held, self._of_tables = list(self._of_tables.values()), {}
        if self.run is not None:
            held.append(self.run)
            self.run = None
        for holder in held:
            await holder.close()

    async def _give_up_idle(self) -> bool:
        """Close the connections that nobody uses; whether there were any."""
        return any([await self._sessions.rest(), await self._aside.rest()])
