"""Snapshots: one moment of the source that many connections read, held by a session of its own."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime

from streamer.errors import StreamerError
from streamer.frozen import frozen
from streamer.postgres.answers import only_row
from streamer.postgres.connect import Connector, Session, beginning
from streamer.postgres.failures import FOREIGN, snapshot_gone
from streamer.postgres.sessions import goodbye

PING_S = 20.0
PING_TIMEOUT_S = 30.0

_FACTS = """
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
            ELSE pg_current_wal_lsn() END::text AS lsn,
       transaction_timestamp() AS taken_at, {visible}::text AS visible"""

IDLE_S = """
SELECT setting::float8 / 1000 FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"""


@frozen
class SnapshotInfo:
    """One moment of the source. `number` is what Page.snapshot says.

    `id` is what another session imports it by ('' where it isn't exported), `lsn` the WAL position
    (replayed, on a standby), `visible` the text of pg_current_snapshot().
    """

    number: int
    id: str
    lsn: str
    taken_at: datetime
    visible: str


class Snapshots:
    """All snapshots that a source has been read in, by number."""

    def __init__(self) -> None:
        self._all: list[SnapshotInfo] = []

    @property
    def all(self) -> tuple[SnapshotInfo, ...]:
        """In the order in which they were taken."""
        return tuple(self._all)

    async def look(self, session: Session, exported: str = "") -> SnapshotInfo:
        """Note the snapshot that `session`'s transaction reads in."""
        version = session.get_server_version()
        current = "pg_current_snapshot()" if version >= (13,) else "txid_current_snapshot()"
        row = await only_row(session, _FACTS.format(visible=current))
        info = SnapshotInfo(
            len(self._all), exported, row["lsn"] or "", row["taken_at"], row["visible"]
        )
        self._all.append(info)
        return info


class Holder:
    """Keeps one exported snapshot alive: a transaction that is pinged until it is closed.

    It ends by itself after `max_age_s`, so that it doesn't hold back vacuum for ever.
    """

    def __init__(
        self, connector: Connector, session: Session, info: SnapshotInfo, max_age_s: float | None
    ) -> None:
        self.info = info
        self._connector = connector
        self._session = session
        self._max_age_s = max_age_s
        self._why = ""
        self._speaking = asyncio.Lock()
        self._pings = asyncio.create_task(self._keep(), name="snapshot-holder")

    @classmethod
    async def take(
        cls,
        connector: Connector,
        snapshots: Snapshots,
        *,
        session: Session | None = None,
        max_age_s: float | None = None,
    ) -> Holder:
        """Take a snapshot in a session of its own, a new one where none is given, and export it.

        Raises:
            Any of failures.FOREIGN.
        """
        session = session or await connector.connect()
        try:
            await session.execute(beginning())
            exported = await session.fetchval("SELECT pg_export_snapshot()")
            info = await snapshots.look(session, str(exported))
            return cls(connector, session, info, max_age_s)
        except BaseException:
            session.terminate()
            raise

    @property
    def lost(self) -> bool:
        """Whether the snapshot can't be imported any more."""
        return bool(self._why) or self._session.is_closed()

    def gone(self) -> StreamerError:
        """What to raise once the snapshot is lost."""
        where = self._connector.address.where
        return snapshot_gone(where, self._why) if self._why else snapshot_gone(where)

    def id(self) -> str:
        """The id to import.

        Raises:
            SourceLostError: the snapshot is lost.
        """
        if self.lost:
            raise self.gone()
        return self.info.id

    async def alive(self) -> bool:
        """Ask the server whether the snapshot still exists; slower and surer than `lost`."""
        await self._ping()
        return not self.lost

    async def close(self) -> None:
        """Let the snapshot go."""
        self._pings.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._pings
        self._why = self._why or "it was let go"
        await goodbye(self._session)

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._max_age_s if self._max_age_s is not None else None
        try:
            every_s = await self._interval_s()
        except FOREIGN:
            self._end("its session was ended")
            return
        while not self.lost:
            left_s = every_s if ends is None else max(0.0, ends - loop.time())
            await asyncio.sleep(min(every_s, left_s))
            if ends is not None and loop.time() >= ends:
                self._end("it reached its maximum age")
                return
            await self._ping()

    async def _interval_s(self) -> float:
        """A third of what the server lets a transaction idle, at most PING_S."""
        async with self._speaking:
            allowed = await self._session.fetchval(IDLE_S)
        return min(PING_S, allowed / 3) if allowed else PING_S

    async def _ping(self) -> None:
        async with self._speaking:
            if self.lost:
                return
            try:
                await self._session.execute("SELECT", timeout=PING_TIMEOUT_S)
            except FOREIGN:
                # Even a statement that was merely cancelled ends the transaction and its snapshot.
                self._end("its session was ended")

    def _end(self, why: str) -> None:
        self._why = self._why or why
        self._session.terminate()
