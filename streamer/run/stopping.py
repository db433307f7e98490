"""How a run ends before its time: on a signal, or when it has lasted as long as it may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Protocol

from streamer.errors import InterruptedRunError
from streamer.pipeline.mover import DRAIN_S

SETTLE_S = 2.0
"""From the last answer to the end of the work: what came is recorded; what only waits is broken off."""


class Sending(Protocol):
    """Sends requests until it is told not to."""

    def stop_sending(self, why: InterruptedRunError) -> None:
        """Start no request any more; who would send one gets `why`. Those under way go on."""
        ...

    async def quiet(self) -> None:
        """Return once no request is under way."""
        ...


class Stopping:
    """Whether, and why, a run is to end early.

    `stop` is set by whoever hears a signal, and here once the time is over; that is said. `kept` says
    what isn't lost by it, and `again` is the command to go on with.
    """

    def __init__(
        self,
        stop: asyncio.Event,
        max_duration_s: float | None = None,
        say: Callable[[str], None] = lambda _: None,
        *,
        kept: str = "everything that D1 acknowledged is in the checkpoint",
        again: str = "streamer run --resume",
    ) -> None:
        self.stop = stop
        self.sending: Sending | None = None
        self._max_duration_s = max_duration_s
        self._say = say
        self._kept = kept
        self._again = again
        self._time_is_over = False

    @contextmanager
    def timed(self) -> Generator[None]:
        """Let the time of the run begin; it ends with the block at the latest."""
        if self._max_duration_s is None:
            yield
            return
        timer = asyncio.get_running_loop().call_later(self._max_duration_s, self._end_of_time)
        try:
            yield
        finally:
            timer.cancel()

    def heed(self) -> None:
        """Return where the run goes on.

        Raises:
            InterruptedRunError: it is to end.

        """
        if self.stop.is_set():
            raise self.error()

    def error(self) -> InterruptedRunError:
        """What ends the run."""
        why = "after --max-duration" if self._time_is_over else "by a signal"
        return InterruptedRunError(
            f"stopped {why}; {self._kept}.",
            hint=f"Go on with `{self._again}`.",
        )

    @asynccontextmanager
    async def heeded(self) -> AsyncGenerator[None]:
        """End what is done in the block within `DRAIN_S` of a stop.

        From the stop on no request starts; those under way may end, and what they did is recorded.
        What waits for anything else, as for an API or a source that is away, is broken off.

        Raises:
            InterruptedRunError: the block was broken off.

        """
        limit = asyncio.timeout(None)
        try:
            async with limit:
                watch = asyncio.create_task(self._watch(limit), name="stopping")
                try:
                    yield
                finally:
                    watch.cancel()
        except TimeoutError:
            if not limit.expired():
                raise
            raise self.error() from None

    async def _watch(self, limit: asyncio.Timeout) -> None:
        await self.stop.wait()
        if self.sending is not None:
            self.sending.stop_sending(self.error())
            with suppress(TimeoutError):
                # wait_for() of Python 3.11 can lose that this is cancelled, when the block ends.
                async with asyncio.timeout(DRAIN_S):
                    await self.sending.quiet()
        limit.reschedule(asyncio.get_running_loop().time() + SETTLE_S)

    def _end_of_time(self) -> None:
        if not self.stop.is_set():
            self._time_is_over = True
            self._say("the time of --max-duration is over: finishing the requests in flight")
            self.stop.set()
