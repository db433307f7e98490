"""The sends this process holds of the window that all processes with its token share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import field

from streamer.d1.clock import Clock
from streamer.d1.window_file import (
    LEASE_SENDS,
    Grant,
    Moment,
    Report,
    WindowFile,
    WindowFileBusyError,
    WindowFileError,
)
from streamer.frozen import slotted
from streamer.model import Rate

BUSY_AGAIN_S = 1.0
BUSY_FOR_S = 60.0
"""So long another process may have the file, as one that waits for a disk or was stopped."""


@slotted
class Held:
    """A lease: how many of its sends are `unused`, `under_way`, and have `happened` unreported."""

    grant: Grant
    unused: int
    under_way: int = 0
    happened: list[Moment] = field(default_factory=list[Moment])


class Leases:
    """Takes sends from the file, in blocks, and tells it when they happened.

    When the file fails, `warn` is told why, once, and everything passes: the window inside the
    process is there still. Only one task may be in `refill` at a time.
    """

    def __init__(
        self, file: WindowFile, rate: Rate, clock: Clock, warn: Callable[[str], None]
    ) -> None:
        self._file: WindowFile | None = file
        self._rate = rate
        self._clock = clock
        self._warn = warn
        self._held: list[Held] = []
        self._busy_since: float | None = None
        # Small blocks for small limits: a lease that isn't used is lost to the others meanwhile.
        self._block = max(1, min(LEASE_SENDS, rate.requests // 20))

    def ready(self) -> bool:
        """Whether a send is at hand."""
        return self._file is None or self._usable() is not None

    def take(self) -> Held | None:
        """Use one send; None when the file isn't used any more."""
        if self._file is None:
            return None
        held = self._usable()
        if held is None:
            raise ValueError("no send is at hand")
        held.unused -= 1
        held.under_way += 1
        return held

    def settle(self, held: Held, at: float) -> None:
        """A send was seen by the other side at `at` of the monotonic clock, or before."""
        now = self._now()
        held.under_way -= 1
        held.happened.append(now.plus(min(0.0, at - now.monotonic)))

    async def refill(self) -> float:
        """Lease more; 0 when that worked, else the seconds until it may."""
        outcome = await self._exchange(self._block)
        if isinstance(outcome, Grant):
            self._held.append(Held(outcome, outcome.sends))
            return 0.0
        return outcome

    async def aclose(self) -> None:
        """Give back what wasn't used, write down what was, close the file."""
        for held in self._held:
            held.unused = 0
        await self._exchange(0)
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _exchange(self, want: int) -> Grant | float:
        if self._file is None:
            return 0.0
        now = self._now()
        reported = self._held
        reports = [self._report(held, now) for held in reported]
        self._held = [h for h in reported if h.unused or h.under_way]
        seconds = self._rate.seconds
        try:
            outcome = await asyncio.to_thread(self._file.exchange, now, seconds, reports, want)
        except WindowFileBusyError as error:
            for held, report in zip(reported, reports, strict=True):
                held.happened[:0] = report.happened
            self._held = reported
            if self._is_to_be_tried_again(now):
                return BUSY_AGAIN_S
            return self._give_up(error)
        except WindowFileError as error:
            return self._give_up(error)
        self._busy_since = None
        return outcome

    def _is_to_be_tried_again(self, now: Moment) -> bool:
        if self._busy_since is None:
            self._busy_since = now.monotonic
        return now.monotonic - self._busy_since < BUSY_FOR_S

    def _give_up(self, error: WindowFileError) -> float:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._warn(unshared(str(error)))
        return 0.0

    def _report(self, held: Held, now: Moment) -> Report:
        if held.grant.until.monotonic <= now.monotonic:
            held.unused = 0
        happened, held.happened = tuple(held.happened), []
        return Report(held.grant.lease, happened, held.unused + held.under_way)

    def _usable(self) -> Held | None:
        now = self._clock.monotonic()
        usable = (h for h in self._held if h.unused and h.grant.until.monotonic > now)
        return next(usable, None)

    def _now(self) -> Moment:
        return Moment(self._clock.monotonic(), self._clock.wall())


def unshared(why: str) -> str:
    """What to tell the user when the file can't be used."""
    return (
        f"The count of requests sent can't be shared with other processes: {why}."
        " This process keeps to its own limit only"
    )
