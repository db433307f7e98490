"""Between readers and uploaders: chunks wait here for company, batches for somebody to send them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

from streamer.model import Batch, Chunk
from streamer.pack import BatchBuilder

LINGER_S = 0.25  # how long rows wait for the next ones while nothing else is under way
MOST_LINGER_S = 2.0  # and for so many as fill a request, as long as some come


class Outbox:
    """Makes full batches of chunks: requests are what is scarce.

    A batch that isn't full leaves only when nothing else is queued or under way, and then once a
    reader waits for room, or no rows came for `LINGER_S`, or too few for `MOST_LINGER_S`; or at `flush`.
    Memory is bounded by whoever puts.
    """

    def __init__(self, max_bytes: Callable[[], int], max_statements: int) -> None:
        self._builder = BatchBuilder(max_bytes, max_statements)
        self._queue: asyncio.Queue[Batch | None] = asyncio.Queue()
        self._outstanding = 0
        self._held_up = 0
        self._linger: asyncio.TimerHandle | None = None
        self._lingering_since: float | None = None

    def put(self, chunk: Chunk) -> None:
        """Take one more chunk; those of a step come in the order of their numbers."""
        for batch in self._builder.add(chunk):
            self._send(batch)
        self._relieve()

    def flush(self) -> None:
        """Let what waits for company go."""
        self.stop_lingering()
        if (batch := self._builder.flush()) is not None:
            self._send(batch)

    @contextmanager
    def holding_up(self) -> Generator[None]:
        """While in here somebody waits for room, which only an acknowledgement can make."""
        self._held_up += 1
        self._relieve()
        try:
            yield
        finally:
            self._held_up -= 1

    async def take(self) -> Batch | None:
        """The next batch to send; None after `close`."""
        return await self._queue.get()

    def sent(self) -> None:
        """Take note that a batch that was taken has been acknowledged."""
        self._outstanding -= 1
        self._relieve()

    def close(self, takers: int) -> None:
        """Let each of `takers` stop taking."""
        for _ in range(takers):
            self._queue.put_nowait(None)

    def stop_lingering(self) -> None:
        """Forget the time that the waiting chunks were given."""
        if self._linger is not None:
            self._linger.cancel()
        self._linger = self._lingering_since = None

    def _send(self, batch: Batch) -> None:
        self.stop_lingering()
        self._outstanding += 1
        self._queue.put_nowait(batch)

    def _relieve(self) -> None:
        if self._outstanding or not self._builder.bytes:
            return
        if self._held_up:
            self.flush()
        else:
            self._wait_for_more()

    def _wait_for_more(self) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time() if self._lingering_since is None else self._lingering_since
        due = min(loop.time() + LINGER_S, since + MOST_LINGER_S)
        self.stop_lingering()
        self._lingering_since = since
        self._linger = loop.call_at(due, self.flush)
