"""Time, for whoever waits: the machine's, or a simulation's."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks and a way to wait."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...

    def wall(self) -> float:
        """Unix time, which may jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of the monotonic clock."""
        ...


class SystemClock:
    """This machine's clocks."""

    def monotonic(self) -> float:
        """Seconds since some moment, the same for all processes of this machine."""
        return time.monotonic()

    def wall(self) -> float:
        """Unix time."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Let others work for `seconds`."""
        await asyncio.sleep(seconds)
