"""Fixtures: a loop with a virtual clock, and a database behind a model of the API."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from streamer.config import PacingSettings, TargetSettings
from streamer.d1 import D1Database, open_database
from tests.simulation.clock import VirtualLoop
from tests.unit.d1.model_api import TARGET, LoopClock, ModelApi, Notes


@pytest.fixture
def virtually() -> Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]:
    """Run a coroutine function to its end, in virtual time."""

    def run(main):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(main())

    return run


Opener = Callable[..., Awaitable[D1Database]]


@pytest.fixture
def connect() -> Opener:
    """Open the database behind a model of the API."""

    async def open_it(
        api: ModelApi,
        notes: Notes | None = None,
        *,
        state: Path | None = None,
        clock: LoopClock | None = None,
        target: TargetSettings = TARGET,
        stranger: bool = False,
        **pacing: Any,
    ) -> D1Database:
        return await open_database(
            target,
            PacingSettings(**pacing),
            notes or Notes(),
            clock=clock or LoopClock(),
            random=random.Random(7).random,
            transport=api,
            state=state,
            shared=state is not None,
            stranger=stranger,
        )

    return open_it
