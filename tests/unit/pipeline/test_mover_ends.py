"""A mover that ends early, asked to or by a failure: what is in flight ends, and nothing new begins."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from functools import partial

import pytest

from streamer.errors import CheckpointFullError, SourceLostError, TargetError
from streamer.model import Answer, Batch, Page
from streamer.pipeline import Load
from tests.unit.pipeline.moving import Job, Memory, Rows


async def test_a_stop_lets_requests_in_flight_end_and_records_them() -> None:
    sink = Memory(random.Random(5))
    job = Job({"a": 500}, sink)
    stop = asyncio.Event()
    write = sink.write

    async def stopping(batch: Batch) -> Answer:
        answer = await write(batch)
        stop.set()
        return answer

    sink.write = stopping

    assert not await job.run(stop=stop)
    position = job.saved["a"]
    assert 0 < position.rows < 500
    sink.write = write
    assert await job.run()
    assert sink.tables["a"] == set(range(500))


async def test_a_refusal_lets_requests_in_flight_end_and_records_them() -> None:
    sink = Memory(random.Random(5), batch_bytes=1_000)
    job = Job({"a": 900}, sink)
    all_busy = asyncio.Event()
    begun: list[int] = []
    write = sink.write

    async def refuses_the_last(batch: Batch) -> Answer:
        begun.append(batch.chunks[0].number)
        if len(begun) == 4:  # uploaders
            all_busy.set()
            raise TargetError("never")
        await all_busy.wait()
        for _ in range(50):  # the others are still under way long after that
            await asyncio.sleep(0)
        return await write(batch)

    sink.write = refuses_the_last

    with pytest.raises(ExceptionGroup) as failed:
        await job.run()

    assert [type(error) for error in failed.value.exceptions] == [TargetError]
    assert begun == [0, 1, 2, 3], "nothing new began"
    assert set(range(job.saved["a"].rows)) == sink.tables["a"] != set()
    sink.write = write
    assert await job.run()
    assert sink.tables["a"] == set(range(900))


async def test_a_source_that_is_lost_lets_requests_in_flight_end_and_records_them() -> None:
    sink = Memory(random.Random(5), batch_bytes=1_000)
    job = Job({"a": 60}, sink)
    lost, begun = asyncio.Event(), asyncio.Event()
    write, read = sink.write, Rows.read

    async def waits(batch: Batch) -> Answer:
        begun.set()
        await lost.wait()
        for _ in range(50):
            await asyncio.sleep(0)
        return await write(batch)

    async def fails(*asked: object) -> AsyncGenerator[Page]:
        async for page in read(*asked):
            yield page
        await begun.wait()
        lost.set()
        raise SourceLostError("gone")

    sink.write = waits
    source = Rows(job.counts)
    source.read = partial(fails, source)

    with pytest.raises(ExceptionGroup):
        await job.run(source=source)

    assert set(range(job.saved["a"].rows)) == sink.tables["a"] != set()


async def test_a_failure_is_told_to_the_sink_once_and_no_other_error_hides_it() -> None:
    sink = Memory(random.Random(2), writes_until_failure=3)
    job = Job({"a": 500}, sink)
    told = 0

    def send_no_more() -> None:
        nonlocal told
        told += 1

    async def full(loads: list[Load]) -> None:
        raise OSError(28, "No space left on device")

    job.save = full

    with pytest.raises(ExceptionGroup) as failed:
        await job.run(send_no_more=send_no_more)

    assert told == 1
    assert failed.group_contains(OSError)


async def test_fault_18_a_checkpoint_that_cannot_be_written_stops_the_run() -> None:
    sink = Memory(random.Random(2), batch_bytes=1_000)
    job = Job({"a": 900}, sink)
    is_full, heard = asyncio.Event(), False
    begun: list[bool] = []
    ended = 0
    write = sink.write

    async def full(loads: list[Load]) -> None:
        is_full.set()
        raise CheckpointFullError("no room")

    async def watched(batch: Batch) -> Answer:
        nonlocal ended, heard
        begun.append(heard)
        if len(begun) > 1:  # what follows is in flight while it is noticed that the disk is full
            await is_full.wait()
            for _ in range(50):
                await asyncio.sleep(0)
            heard = True
        answer = await write(batch)
        ended += 1
        return answer

    job.save, sink.write = full, watched

    with pytest.raises(ExceptionGroup) as failed:
        await job.run()

    assert {type(error) for error in failed.value.exceptions} == {CheckpointFullError}
    assert ended == len(begun) > 1, "what was in flight ended"
    assert not any(begun), "nothing new began"


async def test_fault_18_what_a_full_disk_kept_out_is_saved_at_the_end_where_there_is_room_again() -> (
    None
):
    sink = Memory(random.Random(2), batch_bytes=100_000)
    job = Job({"a": 20}, sink)
    save, is_full = job.save, True

    async def full_at_first(loads: list[Load]) -> None:
        nonlocal is_full
        if is_full:
            is_full = False
            raise CheckpointFullError("no room")
        await save(loads)

    job.save = full_at_first

    with pytest.raises(ExceptionGroup) as failed:
        await job.run()

    assert failed.group_contains(CheckpointFullError)
    assert sink.tables["a"] == set(range(20))
    assert job.saved["a"].rows == 20


async def test_after_a_stop_what_was_begun_ends_and_nothing_new_begins() -> None:
    sink = Memory(random.Random(5), batch_bytes=1_000)
    job = Job({"a": 900}, sink)
    stop = asyncio.Event()
    begun: list[bool] = []
    ended, heard = 0, False
    write = sink.write

    async def watched(batch: Batch) -> Answer:
        nonlocal ended, heard
        begun.append(heard)
        if len(begun) == 6:
            stop.set()
            for _ in range(20):
                await asyncio.sleep(0)
            heard = True
        answer = await write(batch)
        ended += 1
        return answer

    sink.write = watched

    assert not await job.run(stop=stop)
    assert ended == len(begun)
    assert not any(begun)


async def test_after_a_stop_what_waits_in_the_queue_is_not_sent() -> None:
    sink = Memory(random.Random(5), batch_bytes=1_000)
    job = Job({"a": 900}, sink)
    stop, all_busy, free = asyncio.Event(), asyncio.Event(), asyncio.Event()
    begun = 0
    write = sink.write

    async def held(batch: Batch) -> Answer:
        nonlocal begun
        begun += 1
        if begun == 4:  # uploaders
            all_busy.set()
        await free.wait()
        return await write(batch)

    sink.write = held
    running = asyncio.create_task(job.run(stop=stop))
    await all_busy.wait()
    for _ in range(500):
        await asyncio.sleep(0)  # readers go on, until there is no room in the queue
    stop.set()
    for _ in range(20):
        await asyncio.sleep(0)
    free.set()

    assert not await running
    assert begun == 4
