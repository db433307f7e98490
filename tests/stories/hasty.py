# ruff: noqa: E402 - the rest is loaded after what comes first
"""The command with clocks that run fast: all that it waits for it waits for, but not for long.

As `python -m tests.stories.hasty ARGUMENTS...`. What lasts a minute for a user lasts 3 s here, the
time for a request included; so a network that swallows everything can be tried. Rolling windows
are short, so that a small table has many.
"""

from __future__ import annotations

import asyncio
import sys
import time

from streamer import limits

TIMES = 20
limits.REQUEST_TIMEOUT_S /= TIMES  # before it becomes the default of the client

from streamer import cli
from streamer.d1 import http
from streamer.d1.clock import SystemClock
from streamer.postgres import answers, connect, patience, sessions, snapshot, window


async def _sleep(_: SystemClock, seconds: float) -> None:
    await asyncio.sleep(seconds / TIMES)


def main() -> None:
    http.CONNECT_TIMEOUT_S = 2.0
    connect.CONNECT_TIMEOUT_S = 3.0
    connect.COMMAND_TIMEOUT_S = answers.WHOLE_TABLE_S = 3.0
    snapshot.PING_S /= TIMES
    snapshot.PING_TIMEOUT_S = 2.0
    patience.LONGEST_DELAY_S /= TIMES
    window.ROLLING_AGE_S = 0.05
    connect.SETTINGS["lock_timeout"] = "300ms"
    sessions.GOODBYE_S = 0.2
    SystemClock.monotonic = lambda _: time.monotonic() * TIMES  # type: ignore[method-assign] - the point
    SystemClock.sleep = _sleep  # type: ignore[method-assign] - the point
    sys.exit(cli.main(sys.argv[1:]))


if __name__ == "__main__":
    main()
