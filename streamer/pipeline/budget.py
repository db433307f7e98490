"""The one byte budget that keeps memory flat: what is read, queued, encoded or in flight."""

from __future__ import annotations

import asyncio
from collections import deque


class ByteBudget:
    """Lets at most `limit` bytes be held at once; waiters are served in order.

    A request above the limit is let through when nothing else is held, so that one fat row can
    always move.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def used(self) -> int:
        """Bytes held now."""
        return self._used

    def fits(self, size: int) -> bool:
        """Whether `take(size)` would return at once."""
        return not self._waiting and self._room_for(size)

    async def take(self, size: int) -> None:
        """Hold `size` bytes, waiting for room first."""
        if self.fits(size):
            self._used += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            self._leave(size, turn)
            raise

    def give(self, size: int) -> None:
        """Let go of `size` bytes."""
        self._used -= size
        self._serve()

    def _room_for(self, size: int) -> bool:
        return self._used == 0 or self._used + size <= self._limit

    def _leave(self, size: int, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            self.give(size)
        else:
            self._waiting = deque(item for item in self._waiting if item[1] is not turn)
            self._serve()

    def _serve(self) -> None:
        while self._waiting and self._room_for(self._waiting[0][0]):
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._used += size
                turn.set_result(None)
