"""Reads one table, page by page, in windows: every row once, in key order, whatever breaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from streamer import limits
from streamer.errors import StreamerError
from streamer.frozen import frozen
from streamer.model import Key, KeyKind, Page, PageSize, Pushdown, StepKind, TableKind, TablePlan
from streamer.postgres.copied import Copied, can_copy, copied_query, printed_rows
from streamer.postgres.failures import FOREIGN, retryable, sqlstate, timed_out
from streamer.postgres.patience import Patience, Trouble
from streamer.postgres.physical import NumberedLeaf, Position
from streamer.postgres.reader_sql import read_query, size_query
from streamer.postgres.sessions import Sessions
from streamer.postgres.snapshot import Holder, Snapshots
from streamer.postgres.window import Window, WindowLimits

TIMED_OUT_TRIES = 6  # with half as many rows each time
_STANDBY_CONFLICT = "40001"
_SHORTEST_AGE_S = 1.0
AHEAD_ROWS = 2_000  # at once, while nobody asks for rows yet; about 2 kB each at most
AHEAD_BYTES = limits.BATCH_BYTES_START  # of rows read ahead: a first request
AHEAD_PAUSE_S = 10.0
_SMALLEST_SHARE = 255  # so many bytes become one: LZ4's format; pglz reaches about 90


@frozen
class Reading:
    """What is to be read: the rows of one step behind `after`, in pages of `page_size`.

    With `upto`, of a keyed table, only those up to that key. `pushdown` says how
    rows are printed where the page size allows whole ones. `leaves` are those of a table whose key is the position, in order; other tables need none.
    """

    plan: TablePlan
    kind: StepKind
    after: Key | None
    page_size: PageSize
    leaves: tuple[NumberedLeaf, ...] = ()
    pushdown: Pushdown = Pushdown.TEXT
    upto: Key | None = None

    @property
    def json_rows(self) -> bool:
        """Whether the server builds each row as a JSON array; a transform needs the cells."""
        wanted = self.page_size.whole_rows and self.pushdown is Pushdown.JSON
        return wanted and not self.plan.transform

    @property
    def copied(self) -> bool:
        """Whether rows are printed by COPY; fat ones are cut up again, for which cells are better."""
        wanted = self.page_size.whole_rows and self.pushdown is Pushdown.AUTO
        fat = self.plan.table.toast_bytes * 2 > self.plan.table.bytes
        return wanted and not fat and can_copy(self.plan, self.kind)

    def still_to_read(self) -> list[NumberedLeaf | None]:
        """The leaves from the position on; for a keyed table, the table itself (None)."""
        if self.plan.key.kind is not KeyKind.PHYSICAL:
            return [None]
        first = Position.of(self.after[0]).leaf if self.after is not None else 0
        return [leaf for leaf in self.leaves if leaf.number >= first]

    def may_be_fat(self) -> bool:
        """Whether more than one page's worth of values is, or may be, kept out of line (TOAST).

        There they are compressed. What a view or a foreign table holds, nobody knows before it is
        read.
        """
        table = self.plan.table
        unknown = table.kind in (TableKind.VIEW, TableKind.FOREIGN)
        return unknown or table.toast_bytes * _SMALLEST_SHARE > limits.FETCH_BYTES


class TableReader:
    """Reads what it is told to.

    A window that grew old, waited too long or was lost is replaced by one behind the last key: in
    the holder's snapshot while there is one, otherwise in a new snapshot.
    """

    def __init__(
        self,
        sessions: Sessions,
        snapshots: Snapshots,
        holder: Holder | None,
        what: Reading,
        *,
        limits: WindowLimits,
        patience: Patience,
    ) -> None:
        self._sessions = sessions
        self._snapshots = snapshots
        self._holder = holder
        self._what = what
        self._last = what.after
        self._age_s = limits.age_s
        self._pause_s = limits.pause_s
        self._trouble = Trouble(patience)
        self._leaves = deque(what.still_to_read())
        self._most_rows = 1 << 30
        self._window: Window | None = None
        self._ahead: asyncio.Task[None] | None = None
        self._asked = False  # for pages
        self._forgetting: asyncio.TimerHandle | None = None
        self._waiting: list[bytes] = []  # lines of COPY, of rows that were read ahead
        self._read_to = what.after  # the last row that was read, whether it waits or not

    def read_ahead(self) -> None:
        """Read the first rows while nobody asks for them, where that is easy; for `AHEAD_PAUSE_S` they wait.

        Whatever goes wrong is for `pages` to meet again and to tell.
        """
        if self._what.copied and not self._what.may_be_fat():
            self._ahead = asyncio.create_task(self._read_ahead(), name="reading-ahead")

    def serves(self, what: Reading) -> bool:
        """Whether these are the rows that are read, as they are read; `what.page_size` holds from now on."""
        if not what.copied or replace(what, page_size=self._what.page_size) != self._what:
            return False
        self._what = what
        return True

    async def close(self) -> None:
        """Give up what was read ahead, and the connection."""
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)
        self._forget()

    async def pages(self) -> AsyncGenerator[Page]:
        """Yield the pages; leaving early gives the connection up at once.

        Raises:
            SourceLostError: the snapshot is gone, or patience is at its end.
            SourceError, SourceChangedError: PostgreSQL said no for good.
        """
        try:
            self._asked = True
            if self._ahead is not None:
                await self._ahead
            if self._forgetting is not None:
                self._forgetting.cancel()
            while (page := await self._next()) is not None:
                waiting = self._watch_the_pause()
                try:
                    yield page
                finally:
                    if waiting is not None:
                        waiting.cancel()
        finally:
            self._drop()

    async def _next(self) -> Page | None:
        while self._leaves:
            try:
                page = await self._fetch()
            except FOREIGN as error:
                self._forget()
                await self._recover(error)
                continue
            self._trouble.over()
            if page is not None:
                self._last = page.key_of(len(page.records) - 1)
                if not self._waiting:
                    self._read_to = self._last
                return page
            await self._close()
            self._leaves.popleft()
        return None

    async def _fetch(self) -> Page | None:
        window = await self._usable_window()
        rows = max(1, min(self._what.page_size.rows, self._most_rows))
        query, json_rows = window.query, self._what.json_rows
        if query is None:
            query, records = await self._copy(window, min(rows, limits.FETCH_ROWS))
            json_rows = True
        else:
            records = await window.fetch(rows)
        if not records:
            return None
        return Page(records, query.width, query.key_cells, json_rows, window.snapshot)

    async def _copy(self, window: Window, rows: int) -> tuple[Copied, Sequence[tuple[str]]]:
        """The next rows, those that wait first: pages are as long as if none had been read ahead."""
        waited, self._waiting = self._waiting[:rows], self._waiting[rows:]
        if len(waited) == rows:
            copied, lines, count = self._copied_query(rows), b"", 0
        else:
            copied, lines, count = await window.copy(self._copied_query, rows - len(waited))
        return copied, printed_rows(b"\n".join([*waited, lines]), len(waited) + count)

    def _copied_query(self, rows: int) -> Copied:
        return copied_query(self._what.plan, self._read_to, rows, self._what.upto)

    async def _read_ahead(self) -> None:
        pause_s = AHEAD_PAUSE_S if self._pause_s is None else min(AHEAD_PAUSE_S, self._pause_s)
        try:
            async with asyncio.timeout(pause_s):
                await self._read_first(await self._usable_window())
        except (*FOREIGN, StreamerError, UnicodeDecodeError):
            self._forget()
        # Not sooner: pieces that come behind forgotten ones would be taken for the first.
        self._forgetting = asyncio.get_running_loop().call_later(pause_s, self._forget)

    async def _read_first(self, window: Window) -> None:
        size, rows = 0, AHEAD_ROWS
        while size < AHEAD_BYTES and rows == AHEAD_ROWS and not self._asked:
            copied, lines, rows = await window.copy(self._copied_query, AHEAD_ROWS)
            each = lines.split(b"\n")
            if len(each) != rows + 1 or not rows:
                return  # a text has several lines, or nothing is left
            last = printed_rows(each[-2] + b"\n", 1)
            page = Page(last, copied.width, copied.key_cells, json_rows=True)
            self._waiting += each[:-1]
            self._read_to = page.last
            size += len(lines)

    def _forget(self) -> None:
        """Forget what waits, and let the connection go; `_last` tells where to go on."""
        self._waiting, self._read_to = [], self._last
        self._drop()

    async def _usable_window(self) -> Window:
        if self._window is not None and self._too_old(self._window):
            await self._close()
        if self._window is None or self._window.closed:
            self._drop()
            self._window = await self._open()
        return self._window

    def _too_old(self, window: Window) -> bool:
        now = asyncio.get_running_loop().time()
        return self._age_s is not None and now - window.opened_at >= self._age_s

    async def _open(self) -> Window:
        leaf = self._leaves[0]
        after = self._read_to
        if leaf is not None and after is not None and Position.of(after[0]).leaf != leaf.number:
            after = None
        plan, kind = self._what.plan, self._what.kind
        upto = self._what.upto
        query = (
            read_query(plan, kind, after, leaf=leaf, json_rows=self._what.json_rows, upto=upto)
            if not self._what.copied
            else None
        )
        fat = self._what.may_be_fat()
        sizes = size_query(plan, kind, after, leaf=leaf, upto=upto) if fat else None
        return await Window.open(self._sessions, self._snapshots, self._holder, query, sizes)

    async def _recover(self, error: BaseException) -> None:
        """Return when it is time to try again; otherwise raise what the user should know."""
        if self._holder is not None and not await self._holder.alive():
            raise self._holder.gone() from None
        explained = self._sessions.connector.explain(error, f"reading {self._what.plan.name}")
        if not retryable(error):
            raise explained from None
        if timed_out(error):
            if self._trouble.failures >= TIMED_OUT_TRIES:
                raise explained from None
            self._most_rows = max(1, min(self._what.page_size.rows, self._most_rows) // 2)
        if sqlstate(error) == _STANDBY_CONFLICT and self._age_s is not None:
            self._age_s = max(_SHORTEST_AGE_S, self._age_s / 2)
        if not await self._trouble.another(explained.what):
            raise explained from None

    def _watch_the_pause(self) -> asyncio.TimerHandle | None:
        if self._pause_s is None:
            return None
        return asyncio.get_running_loop().call_later(self._pause_s, self._drop)

    def _drop(self) -> None:
        window, self._window = self._window, None
        if window is not None:
            window.drop()

    async def _close(self) -> None:
        window, self._window = self._window, None
        if window is not None:
            # It has served; how it ends matters to nobody.
            with contextlib.suppress(*FOREIGN):
                await window.close()
