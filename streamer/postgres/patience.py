"""How long a lost source is waited for, and how the attempts are spread."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from streamer.frozen import frozen

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 30.0
SAID_EVERY_S = 30.0


def _nobody(_: str) -> None:
    """Tell nobody."""


@frozen
class Patience:
    """Full-jitter delays up to half a minute, for `give_up_after_s` without any progress.

    `say` is told what is waited for, at the first failure, when it is for another reason than before,
    and about twice a minute, and when it is over. The clock, the dice and sleep are fields, so that a test can own them.
    """

    give_up_after_s: float = 6 * 3600.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    dice: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = _nobody

    def delay_s(self, attempt: int) -> float:
        """How long to wait before attempt number `attempt`, counted from 1."""
        return self.dice() * min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempt, 16))


class Trouble:
    """Counts failures since something last worked; tells whether it is worth going on."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._since: float | None = None
        self._said_at = 0.0
        self._said = ""
        self.failures = 0

    def over(self) -> None:
        """Something worked."""
        if self._since is not None:
            waited_s = self._patience.clock() - self._since
            self._patience.say(f"PostgreSQL answers again, after {waited_s:.0f} s.")
        self._since = None
        self.failures = 0

    async def another(self, why: str) -> bool:
        """Wait before the next attempt; False when patience is at its end.

        `why` is a sentence for the user.
        """
        now = self._patience.clock()
        if self._since is None:
            self._since, self._said = now, ""
        self.failures += 1
        if now - self._since >= self._patience.give_up_after_s:
            return False
        delay_s = self._patience.delay_s(self.failures)
        if why != self._said or now - self._said_at >= SAID_EVERY_S:
            self._said_at, self._said = now, why
            self._patience.say(f"{why} Trying again in {delay_s:.1f} s.")
        await self._patience.sleep(delay_s)
        return True
