"""What a run will ask its source for first, done before it asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from streamer.errors import StreamerError
from streamer.postgres.failures import FOREIGN
from streamer.postgres.reader import Reading, TableReader
from streamer.postgres.snapshot import Holder


class Ahead:
    """A snapshot on its way, and the first rows of a table in it.

    Both wait for whoever asks for them; where they can't be had nothing is said, for who asks then
    does it anew. `take` takes the snapshot, `reader_in` opens the reader of the rows (None: there is none).
    """

    def __init__(
        self,
        take: Callable[[], Awaitable[Holder]],
        reader_in: Callable[[Holder], TableReader | None],
    ) -> None:
        self._reader_in = reader_in
        self._reader: TableReader | None = None
        self._holder: Holder | None = None
        self._taking = asyncio.create_task(self._take(take), name="snapshot-ahead")

    async def holder(self) -> Holder | None:
        """The snapshot, which is the caller's to close from now on; None where there is none (any more)."""
        await self._taking
        if self._holder is None or self._holder.lost:
            await self.close()
            return None
        holder, self._holder = self._holder, None
        return holder

    def reader(self, what: Reading) -> TableReader | None:
        """The reader of the first rows, once, where it reads `what`."""
        if self._reader is None or not self._reader.serves(what):
            return None
        reader, self._reader = self._reader, None
        return reader

    async def close(self) -> None:
        """Let go of what nobody asked for."""
        self._taking.cancel()
        await asyncio.gather(self._taking, return_exceptions=True)
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()
        holder, self._holder = self._holder, None
        if holder is not None:
            await holder.close()

    async def _take(self, take: Callable[[], Awaitable[Holder]]) -> None:
        try:
            self._holder = await take()
        except (*FOREIGN, StreamerError):
            return
        self._reader = self._reader_in(self._holder)
        if self._reader is not None:
            self._reader.read_ahead()
