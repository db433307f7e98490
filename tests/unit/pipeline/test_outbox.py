"""When chunks leave as a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from streamer.model import Chunk, Statement, StepId
from streamer.pipeline import outbox
from streamer.pipeline.outbox import LINGER_S, MOST_LINGER_S, Outbox


def chunk(number: int) -> Chunk:
    """One of which a batch of ours takes two."""
    return Chunk(
        step=StepId(0),
        number=number,
        rows=1,
        after=None,
        last=(str(number),),
        statements=(Statement.of("SELECT 1"),),
        bytes=3_000,
    )


async def settled() -> None:
    """Let everything happen that is due."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Outbox:
    monkeypatch.setattr(outbox, "LINGER_S", 0.0)
    return Outbox(lambda: 10_000, 99)


async def taken(box: Outbox) -> list[int]:
    """How many chunks each batch has that is there to be taken."""
    await settled()
    box.close(1)
    found: list[int] = []
    while (batch := await box.take()) is not None:
        found.append(len(batch.chunks))
    return found


async def test_a_chunk_that_waited_while_nothing_was_under_way_leaves_alone(
    waiting: Outbox,
) -> None:
    waiting.put(chunk(0))

    assert await taken(waiting) == [1]


async def test_rows_that_keep_coming_are_waited_for_until_they_fill_a_request_but_not_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    box, loop = Outbox(lambda: 100_000, 99), asyncio.get_running_loop()
    due: list[float] = []
    at = loop.call_at

    def note(when: float, do: Callable[[], None]) -> asyncio.TimerHandle:
        due.append(when)
        return at(when, do)

    for number, now in enumerate((100.0, 100.2, 101.9)):
        with monkeypatch.context() as patched:
            patched.setattr(loop, "time", lambda now=now: now)
            patched.setattr(loop, "call_at", note)
            box.put(chunk(number))
    box.stop_lingering()

    assert due == [100.0 + LINGER_S, 100.2 + LINGER_S, 100.0 + MOST_LINGER_S]


async def test_the_time_that_a_chunk_was_given_is_over_once_a_batch_left(waiting: Outbox) -> None:
    waiting.put(chunk(0))
    waiting.put(chunk(1))
    waiting.put(chunk(2))

    assert await taken(waiting) == [2]

    waiting.sent()

    assert await taken(waiting) == [1]
