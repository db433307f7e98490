"""How long a target takes to open, in virtual time: the rate limit has no part in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streamer.config import PacingSettings
from streamer.d1 import D1Database, open_database
from streamer.d1.api import Reply
from streamer.model import Rate, Statement
from streamer.tune import Count, opened
from tests.simulation.clock import VirtualLoop
from tests.unit.d1.model_api import TARGET, LoopClock, ModelApi, refusal

RATE = Rate(3, 300)
WAY_S = 0.2


async def connect(api: ModelApi, state: Path | None = None) -> D1Database:
    pacing = PacingSettings(rate=RATE, concurrency=8)
    return await open_database(
        TARGET,
        pacing,
        Count(),
        clock=LoopClock(),
        transport=api,
        state=state,
        shared=state is not None,
    )


def test_waiting_for_a_limit_that_another_run_has_used_up_is_no_part_of_opening(
    tmp_path: Path,
) -> None:
    async def main() -> tuple[float, float]:
        clock, api = LoopClock(), ModelApi(latency_s=WAY_S)
        other, at_once_s = await opened(connect(api, tmp_path), clock)
        for _ in range(RATE.requests - 1):
            await other.execute([Statement("SELECT 1")])
        began = clock.monotonic()
        mine, later_s = await opened(connect(api, tmp_path), clock)
        assert clock.monotonic() - began > RATE.seconds / 2
        await mine.aclose()
        await other.aclose()
        return at_once_s, later_s

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        at_once_s, later_s = runner.run(main())

    assert at_once_s == pytest.approx(WAY_S)
    assert later_s == pytest.approx(WAY_S)


def test_a_pause_that_the_api_asked_for_is_no_part_of_opening_its_answer_is() -> None:
    answers = [refusal(429, 971, "Please wait", retry_after="42")]

    def script(_now: float, _method: str, _path: str, _body: bytes) -> Reply | None:
        return answers.pop() if answers else None

    async def main() -> float:
        database, seconds = await opened(connect(ModelApi(script, latency_s=WAY_S)), LoopClock())
        await database.aclose()
        return seconds

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == pytest.approx(2 * WAY_S)
