"""A bounded set of connections, lent out for one transaction at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from streamer import limits
from streamer.postgres.connect import Connector, Session, beginning, told_when_cut_off
from streamer.postgres.failures import (
    FOREIGN,
    NO_SUCH_SNAPSHOT,
    retryable,
    snapshot_gone,
    too_many_connections,
)
from streamer.postgres.hash_key import HashKey
from streamer.postgres.patience import Patience, Trouble

GOODBYE_S = 2.0  # how long a polite end may take before the socket is simply closed

T = TypeVar("T")
Check = Callable[[Session], Awaitable[None]]


class Sessions:
    """At most `limit` connections; one fewer each time the server has none left for us.

    Where there is a `neighbour`, its idle connections are given up first, and where these `outrank`
    it, one that it has lent as well. `check` looks at every new connection once, in a transaction,
    and raises where it isn't what it should be (another server behind the same address). Every
    transaction can hash with `hash_key`.
    """

    def __init__(self, connector: Connector, *, limit: int = limits.READERS) -> None:
        self.connector = connector
        self.check: Check | None = None
        self.hash_key: HashKey | None = None
        self.neighbour: Sessions | None = None
        self.outrank = False
        self._places = asyncio.Semaphore(limit)
        self._idle: list[Session] = []
        self._lent: set[Session] = set()
        self._leaving: list[asyncio.Task[None]] = []

    async def take(self) -> Session:
        """A connection, not in a transaction; waits while all are lent. Hand it to `give`.

        Raises:
            Any of failures.FOREIGN, SourceChangedError.
        """
        while True:
            await self._places.acquire()
            stays_taken = False
            try:
                session = self.part_with_one() or await self._new()
                self._lent.add(session)
                stays_taken = True
            except FOREIGN as error:
                if not too_many_connections(error):
                    raise
                if self.neighbour is not None and await self.neighbour.rest():
                    continue
                if self._lent:
                    stays_taken = True  # from now on there is one place fewer
                    continue
                if self.neighbour is not None and self.outrank:
                    self.neighbour.cut_one()
                raise
            else:
                return session
            finally:
                if not stays_taken:
                    self._places.release()

    def give(self, session: Session) -> None:
        """Take a connection back; one that is still in a transaction is closed."""
        if session not in self._lent:
            return
        self._lent.discard(session)
        self._places.release()
        if session.is_closed():
            return
        if session.is_in_transaction():
            session.terminate()
        else:
            self._idle.append(session)

    async def begin(self, session: Session, snapshot: str | None = None) -> None:
        """Begin a read-only transaction with our settings, in an exported snapshot if there is one.

        Raises:
            SourceLostError: there is no such snapshot any more, or its session is just ending.
            Any of failures.FOREIGN.
        """
        try:
            await session.execute(beginning(snapshot))
        except NO_SUCH_SNAPSHOT:
            if snapshot is None:
                raise
            raise snapshot_gone(self.connector.address.where) from None
        if self.hash_key is not None:
            await self.hash_key.hand_to(session)

    async def close(self) -> None:
        """Close every connection; those lent out are cut off."""
        for session in self._lent:
            session.terminate()
        await self.rest()

    def part_with_one(self) -> Session | None:
        """A connection that nobody uses, the caller's own from now on; None where there is none."""
        while self._idle:
            session = self._idle.pop()
            if not session.is_closed():
                return session
        return None

    def cut_one(self) -> None:
        """Cut off one connection that is lent: whoever has it takes another, and goes on."""
        for session in self._lent:
            if not session.is_closed():
                session.terminate()
                return

    def let_go(self) -> None:
        """Begin to close the connections that nobody uses; `rest` and `close` wait for their end."""
        idle, self._idle = self._idle, []
        self._leaving += [asyncio.create_task(goodbye(session)) for session in idle]

    async def rest(self) -> bool:
        """Close the connections that nobody uses; whether there were any."""
        self.let_go()
        leaving, self._leaving = self._leaving, []
        await asyncio.gather(*leaving)
        return bool(leaving)

    @contextlib.asynccontextmanager
    async def transaction(self, snapshot: str | None = None) -> AsyncGenerator[Session]:
        """A read-only transaction with our settings; rolled back at the end."""
        session = await self.take()
        try:
            with told_when_cut_off(session):
                await self.begin(session, snapshot)
                yield session
                await session.execute("ROLLBACK")
        finally:
            self.give(session)

    async def run(
        self,
        doing: str,
        work: Callable[[Session], Awaitable[T]],
        patience: Patience,
        snapshot: Callable[[], str | None] = lambda: None,
    ) -> T:
        """What `work` returns, in a transaction of its own, repeated while that may help.

        Raises:
            StreamerError: what PostgreSQL or the network said, translated.
        """
        trouble = Trouble(patience)
        while True:
            try:
                async with self.transaction(snapshot()) as session:
                    found = await work(session)
            except FOREIGN as error:
                explained = self.connector.explain(error, doing)
                if not retryable(error) or not await trouble.another(explained.what):
                    raise explained from None
            else:
                trouble.over()
                return found

    async def _new(self) -> Session:
        session = await self.connector.connect()
        if self.check is not None:
            try:
                await session.execute(beginning())
                await self.check(session)
                await session.execute("ROLLBACK")
            except BaseException:
                session.terminate()
                raise
        return session


async def goodbye(session: Session) -> None:
    """Close a connection politely, or simply where that takes too long."""
    try:
        await session.close(timeout=GOODBYE_S)
    except FOREIGN:
        session.terminate()
