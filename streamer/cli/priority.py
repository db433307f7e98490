"""Whose turn it is on this machine: a D1 that runs here works before the run that waits for it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from urllib.parse import urlsplit

from streamer.config import Target, TargetSettings
from streamer.config.values import is_loopback

NICENESS = 10


def stand_back(target: Target | None) -> None:
    """Have this process take what a D1 on this machine leaves of the processors, until it ends.

    PostgreSQL, D1 and Streamer share them there, and every moment that D1 waits for one is lost to the whole run: 3 % of its
    time on two. Who was given a priority keeps it. A D1 elsewhere isn't concerned, and nobody is on Windows.

    Between sessions Linux shares processors alike, whatever the niceness (sched(7), "The autogroup feature").
    """
    if sys.platform != "win32" and _is_here(target):
        with suppress(OSError):  # a sandbox may forbid it
            if os.nice(0) == 0:
                os.nice(NICENESS)


def _is_here(target: Target | None) -> bool:
    if not isinstance(target, TargetSettings):
        return False
    try:
        return is_loopback(urlsplit(target.api_base_url).hostname or "")
    except ValueError:
        return False  # who connects says what is wrong with it
