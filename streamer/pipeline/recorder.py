"""Writes to the checkpoint what the target has acknowledged, and nothing sooner."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator

from streamer.pipeline.load import Load

SHARE_COMMIT_S = 0.2  # acknowledgements of this long share one fsync


class Recorder:
    """Saves the positions of loads that moved, at most once in `SHARE_COMMIT_S`.

    `save` makes the given loads' positions durable and returns only then; they are told. Its errors
    come out of `run` and `flush`. A save that has begun ends, even if `run` is cancelled meanwhile.
    """

    def __init__(self, save: Callable[[list[Load]], Awaitable[None]]) -> None:
        self._save = save
        self._moved: dict[int, Load] = {}
        self._wake = asyncio.Event()
        self._ended = False
        self._hurried = 0
        self._at_once = asyncio.Event()
        self._saving: asyncio.Future[None] | None = None

    def moved(self, load: Load) -> None:
        """Take note that `load` has a new position, which is already true in the target."""
        self._moved[load.step] = load
        self._wake.set()

    def end(self) -> None:
        """Let `run` return once it has saved what moved until now."""
        self._ended = True
        self._at_once.set()
        self._wake.set()

    @contextlib.contextmanager
    def hurrying(self) -> Generator[None]:
        """While in here somebody waits for what was acknowledged to be saved: nothing shares a save."""
        self._hurried += 1
        self._at_once.set()
        try:
            yield
        finally:
            self._hurried -= 1
            if not self._hurried and not self._ended:
                self._at_once.clear()

    async def run(self) -> None:
        """Save what moved, until `end`."""
        while not self._ended:
            await self._wake.wait()
            await self.flush()
            with contextlib.suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it loses a cancellation where both come together.
                async with asyncio.timeout(SHARE_COMMIT_S):
                    await self._at_once.wait()

    async def flush(self) -> None:
        """Save everything that moved until now; return when no save is under way.

        What an earlier save couldn't write is tried again.
        """
        if self._saving is not None and not self._saving.done():
            await asyncio.shield(self._saving)
        self._wake.clear()
        loads, self._moved = list(self._moved.values()), {}
        if loads:
            self._saving = asyncio.ensure_future(self._save_all(loads))
            await asyncio.shield(self._saving)

    async def _save_all(self, loads: list[Load]) -> None:
        reached = [load.position for load in loads]
        try:
            await self._save(loads)
        except Exception:
            self._moved = {load.step: load for load in loads} | self._moved
            raise
        for load, position in zip(loads, reached, strict=True):
            load.recorded(position)
