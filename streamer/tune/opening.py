"""How long a target takes to open: what every run waits for, and not what this one waited for the pace."""

from __future__ import annotations

from collections.abc import Awaitable

from streamer.d1 import Clock, D1Database


async def opened(opening: Awaitable[D1Database], clock: Clock) -> tuple[D1Database, float]:
    """The database, and the seconds that opening it took, those that it waited for leave to send left out.

    Raises: what `opening` raises.
    """
    began = clock.monotonic()
    database = await opening
    return database, max(0.0, clock.monotonic() - began - database.waited_s)
