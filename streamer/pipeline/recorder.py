"""Writes to the checkpoint what the target has acknowledged, and nothing sooner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from streamer.pipeline.load import Load

SHARE_COMMIT_S = 0.2  # acknowledgements of this long share one fsync


class Recorder:
    """Saves the positions of loads that moved, at most once in `SHARE_COMMIT_S`.

    `save` makes the given loads' positions durable and returns only then. Its errors come out of
    `run` and `flush`.
    """

    def __init__(self, save: Callable[[list[Load]], Awaitable[None]]) -> None:
        self._save = save
        self._moved: dict[int, Load] = {}
        self._wake = asyncio.Event()

    def moved(self, load: Load) -> None:
        """Take note that `load` has a new position, which is already true in the target."""
        self._moved[load.step] = load
        self._wake.set()

    async def run(self) -> None:
        """Save what moved, for ever, until cancelled."""
        while True:
            await self._wake.wait()
            await self.flush()
            await asyncio.sleep(SHARE_COMMIT_S)

    async def flush(self) -> None:
        """Save everything that moved until now."""
        self._wake.clear()
        loads, self._moved = list(self._moved.values()), {}
        if loads:
            await self._save(loads)
