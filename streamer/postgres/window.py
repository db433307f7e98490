"""One server-side cursor in one transaction: opened behind a key, fetched from, let go."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, cast

import asyncpg
from asyncpg.cursor import Cursor

from streamer import limits
from streamer.frozen import frozen
from streamer.postgres.connect import Session, told_when_cut_off
from streamer.postgres.copied import ESCAPE, NULL, QUOTE, Copied
from streamer.postgres.reader_sql import Query
from streamer.postgres.sessions import Sessions
from streamer.postgres.snapshot import Holder, Snapshots

if TYPE_CHECKING:
    _Cursor: TypeAlias = Cursor[asyncpg.Record]
else:
    _Cursor = Cursor  # generic in asyncpg's stubs only

SIZES_AHEAD = 256
# PostgreSQL sends what it prints 8 KB at a time, and each piece costs 20 µs to take and takes the processor
# from whatever works beside it: behind the first few of a page, more is let come meanwhile.
_AT_ONCE, _ENOUGH_BYTES, _GATHER_S = 4, 100_000, 0.001
ROLLING_AGE_S = 30.0
SNAPSHOT_AGE_S = 300.0


@frozen
class WindowLimits:
    """How long a cursor may live, and how long it may wait between two pages.

    A window older than `age_s` is replaced before the next FETCH; one that waits for `pause_s` is
    closed while it waits. None: no limit.
    """

    age_s: float | None
    pause_s: float | None

    @classmethod
    def allowed(cls, *, rolling: bool, idle_s: float, transaction_s: float) -> WindowLimits:
        """Half of what the server's timeouts (0: none) allow, and not beyond our own limits."""
        age_s = ROLLING_AGE_S if rolling else SNAPSHOT_AGE_S
        pauses = [age_s]  # a cursor that waits for D1 holds back vacuum, whoever holds its snapshot
        if transaction_s:
            age_s = min(age_s, transaction_s / 2)
            pauses.append(transaction_s / 2)
        if idle_s:
            pauses.append(idle_s / 2)
        return cls(age_s, min(pauses))

    def waiting(self, pause_s: float) -> WindowLimits:
        """These, but none that waits for longer than `pause_s`."""
        return replace(
            self, pause_s=min(pause_s, pause_s if self.pause_s is None else self.pause_s)
        )


class Window:
    """An open cursor; `snapshot` is the number of the snapshot it reads in."""

    def __init__(self, sessions: Sessions, session: Session, query: Query | None) -> None:
        self.query = query
        self.snapshot = 0
        self.opened_at = asyncio.get_running_loop().time()
        self._sessions = sessions
        self._session = session
        self._rows: _Cursor | None = None
        self._sizes: _Cursor | None = None
        self._ahead: deque[int] = deque()

    @classmethod
    async def open(
        cls,
        sessions: Sessions,
        snapshots: Snapshots,
        holder: Holder | None,
        query: Query | None,
        sizes: Query | None,
    ) -> Window:
        """Begin a transaction in the holder's snapshot, or in a new one, and open the cursor.

        Without a query there is none, for pages that are copied. With `sizes`, a second cursor runs ahead and says how big the rows are.
        """
        session = await sessions.take()
        window = cls(sessions, session, query)
        try:
            with told_when_cut_off(session):
                await sessions.begin(session, holder.id() if holder is not None else None)
                info = holder.info if holder is not None else await snapshots.look(session)
                window.snapshot = info.number
                window._rows = await _cursor(session, query) if query is not None else None
                window._sizes = await _cursor(session, sizes) if sizes is not None else None
        except BaseException:
            window.drop()
            raise
        return window

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._session.is_closed()

    async def fetch(self, rows: int) -> Sequence[Sequence[str | None]]:
        """The next records: at most `rows`, and about FETCH_BYTES where rows may be fat.

        Empty at the end. A single row may exceed the bytes: somebody has to take it.
        """
        assert self._rows is not None
        with told_when_cut_off(self._session):
            count = await self._that_fit(rows)
            return cast("Sequence[Sequence[str | None]]", await self._rows.fetch(count))

    async def copy(self, query: Callable[[int], Copied], rows: int) -> tuple[Copied, bytes, int]:
        """As many records as `fetch` would give, read by what `query` makes of their number.

        What COPY printed of them, and how many they are.
        """
        pieces: list[bytes] = []

        async def keep(piece: bytes) -> None:
            pieces.append(piece)
            if len(pieces) > _AT_ONCE and len(piece) < _ENOUGH_BYTES:
                await asyncio.sleep(_GATHER_S)

        with told_when_cut_off(self._session):
            copied = query(await self._that_fit(rows))
            status = await self._session.copy_from_query(
                copied.sql,
                output=keep,
                format="csv",
                null=NULL,
                quote=QUOTE,
                escape=ESCAPE,
                force_quote=copied.quoted or None,
            )
        return copied, b"".join(pieces), int(status.rpartition(" ")[2])

    async def _that_fit(self, rows: int) -> int:
        """How many rows may be read at once, at most `rows`."""
        rows, sizes = min(rows, limits.FETCH_ROWS), self._sizes
        if sizes is None:
            return rows
        total = fitting = 0
        while fitting < rows:
            if fitting == len(self._ahead):
                more = await sizes.fetch(SIZES_AHEAD)
                if not more:
                    break
                self._ahead.extend(record[0] for record in more)
            total += self._ahead[fitting]
            if total > limits.FETCH_BYTES and fitting:
                break
            fitting += 1
        for _ in range(fitting):
            self._ahead.popleft()
        return max(fitting, 1)

    def drop(self) -> None:
        """Cut the connection off; nothing is waited for."""
        self._session.terminate()
        self._sessions.give(self._session)

    async def close(self) -> None:
        """End the transaction and hand the connection on."""
        try:
            await self._session.execute("ROLLBACK")
        finally:
            self._sessions.give(self._session)


async def _cursor(session: Session, query: Query) -> _Cursor:
    # Without a name, the prepared statement leaves nothing behind at the server, which behind a
    # pooler belongs to somebody else next.
    statement = await session.prepare(query.sql, name="")
    return await statement.cursor(*query.parameters)
