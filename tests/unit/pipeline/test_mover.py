"""Rows flow through the mover: none is lost, whatever order answers come in and wherever it stops."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncGenerator
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import TargetError
from streamer.model import Answer, Batch, Key, KeyKind, Page, PageSize, StepKind, TablePlan
from streamer.pipeline import Load, Position
from tests.unit.pipeline.moving import Job, Memory, Rows


@given(
    counts=st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 90), min_size=1),
    seed=st.integers(),
)
@settings(max_examples=40, deadline=None)
async def test_every_row_arrives_and_positions_end_at_the_last_key(
    counts: dict[str, int], seed: int
) -> None:
    job = Job(counts, Memory(random.Random(seed)))

    assert await job.run()

    for name, count in counts.items():
        assert job.sink.tables.get(name, set()) == set(range(count))
        assert job.saved[name].rows == count
        assert job.saved[name].done


@given(
    seed=st.integers(),
    failures=st.lists(st.integers(0, 12), max_size=6),
)
@settings(max_examples=40, deadline=None)
async def test_a_run_that_fails_again_and_again_loses_nothing(
    seed: int, failures: list[int]
) -> None:
    counts = {"a": 130, "b": 7, "c": 60}
    job = Job(counts, Memory(random.Random(seed)))

    for writes in failures:
        job.sink.writes_until_failure = writes
        try:
            await job.run()
        except* TargetError:
            job.sink.held_bytes = 0
    job.sink.writes_until_failure = -1

    assert await job.run()
    assert job.sink.tables == {name: set(range(count)) for name, count in counts.items()}
    assert {n: p.rows for n, p in job.saved.items()} == counts


async def test_a_child_is_read_after_its_parent_is_durable() -> None:
    job = Job({"child": 20, "parent": 50}, Memory(random.Random(1)))
    child, parent = job.loads()
    child.after_loads = [parent]

    await job.run([child, parent])

    assert job.sink.order.index("child") > max(
        at for at, name in enumerate(job.sink.order) if name == "parent"
    )


class Told(Memory):
    """A target that tells when the first rows of `child` are in it."""

    def __init__(self) -> None:
        super().__init__(random.Random(1))
        self.child_came = asyncio.Event()

    async def write(self, batch: Batch) -> Answer:
        answer = await super().write(batch)
        if "child" in self.order:
            self.child_came.set()
        return answer


async def test_a_child_waits_until_it_is_written_down_that_rows_without_a_key_are_there() -> None:
    class Checked(Job):
        async def save(self, loads: list[Load]) -> None:
            for _ in range(100):
                await asyncio.sleep(0)
            assert self.saved.get("parent", Position()).done or "child" not in self.sink.order
            await super().save(loads)

    job = Checked({"child": 20, "parent": 50}, Told())
    child, parent = job.loads()
    parent.plan = replace(parent.plan, key=replace(parent.plan.key, kind=KeyKind.PHYSICAL))
    child.after_loads = [parent]

    assert await job.run([child, parent])

    assert job.saved["child"].done


async def test_a_child_does_not_wait_for_that_where_rows_have_a_key() -> None:
    class Held(Job):
        async def save(self, loads: list[Load]) -> None:
            assert isinstance(self.sink, Told)
            await self.sink.child_came.wait()
            await super().save(loads)

    job = Held({"child": 20, "parent": 5}, Told())
    child, parent = job.loads()
    child.after_loads = [parent]

    assert await job.run([child, parent])


async def test_a_child_goes_on_at_once_where_rows_without_a_key_came_in_an_earlier_start() -> None:
    job = Job({"child": 20, "parent": 50}, Memory(random.Random(1)))
    assert await job.run([job.loads()[1]])
    child, parent = job.loads()
    parent.plan = replace(parent.plan, key=replace(parent.plan.key, kind=KeyKind.PHYSICAL))
    child.after_loads = [parent]

    assert await job.run([child, parent])

    assert job.saved["child"].done


async def test_what_was_written_is_let_go_while_uploaders_wait_for_more() -> None:
    def batches() -> list[Batch]:
        return [one for one in gc.get_objects() if isinstance(one, Batch)]

    others = batches()  # that other tests have left
    left: list[int] = []

    class Slow(Rows):
        async def read(
            self, plan: TablePlan, kind: StepKind, after: Key | None, page_size: PageSize
        ) -> AsyncGenerator[Page]:
            async for page in super().read(plan, kind, after, page_size):
                yield page
            for _ in range(500):
                await asyncio.sleep(0)
            assert job.sink.held_bytes == 0
            left.append(sum(all(one is not other for other in others) for one in batches()))

    job = Job({"a": 400}, Memory(random.Random(1)))

    assert await job.run(source=Slow(job.counts))
    assert left == [0]


async def test_small_tables_share_requests() -> None:
    counts = {f"t{n}": 3 for n in range(60)}
    sink = Memory(random.Random(1), batch_bytes=60_000)
    job = Job(counts, sink)
    written: list[Batch] = []
    write = sink.write

    async def noted(batch: Batch) -> Answer:
        written.append(batch)
        return await write(batch)

    sink.write = noted

    await job.run()

    assert sink.tables == {name: {0, 1, 2} for name in counts}
    assert len(written) < 20


async def test_bytes_held_never_exceed_the_budget() -> None:
    job = Job({"a": 400, "b": 400}, Memory(random.Random(3), batch_bytes=4_000, concurrency=8))

    await job.run()

    assert job.sink.most_held_bytes <= 8_000


async def test_what_a_crash_would_send_again_stays_within_the_window() -> None:
    sink = Memory(random.Random(1), batch_bytes=1_000, concurrency=2)
    job = Job({"a": 900}, sink)
    load = job.loads()[0]
    sent = 0
    write = sink.write

    async def counting(batch: Batch) -> Answer:
        nonlocal sent
        saved = job.saved.get("a")
        ahead = max(c.number for c in batch.chunks) + 1 - (saved.next_number if saved else 0)
        sent += 1
        assert ahead <= 4 * sink.concurrency
        return await write(batch)

    sink.write = counting

    assert await job.run([load])
    assert sent > 20


async def test_fault_26_one_stuck_batch_does_not_let_the_rest_pile_up() -> None:
    sink = Memory(random.Random(2), batch_bytes=1_000, concurrency=2)
    job = Job({"a": 5_000}, sink)
    write, stuck, others = sink.write, asyncio.Event(), asyncio.Event()
    seen = 0

    async def first_is_stuck(batch: Batch) -> Answer:
        nonlocal seen
        if batch.chunks[0].number == 0:
            await stuck.wait()
        else:
            seen += len(batch.chunks)
            others.set()
        return await write(batch)

    sink.write = first_is_stuck
    running = asyncio.create_task(job.run())
    await others.wait()
    for _ in range(2_000):
        await asyncio.sleep(0)

    piled_up = seen
    stuck.set()

    assert await running
    assert piled_up <= 4 * 2 * 2
    assert sink.tables["a"] == set(range(5_000))
