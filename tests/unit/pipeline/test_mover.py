"""Rows flow through the mover: none is lost, whatever order answers come in and wherever it stops."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import TargetError
from streamer.model import (
    Answer,
    Batch,
    Key,
    Pack,
    Page,
    PageSize,
    StepId,
    StepKind,
    Storage,
    TablePlan,
)
from streamer.pack import Layout
from streamer.pipeline import Limits, Load, Mover, Position, Recorder
from tests.engines.limited_sqlite import column, table_plan

ROW_TEXT = "x" * 40


class Rows:
    """A source of tables with keys 0, 1, 2, …; counts what is read."""

    def __init__(self, counts: dict[str, int]) -> None:
        self.counts = counts

    async def read(
        self, plan: TablePlan, _kind: StepKind, after: Key | None, page_size: PageSize
    ) -> AsyncGenerator[Page]:
        at = int(after[0]) + 1 if after else 0
        while at < self.counts[plan.target]:
            end = min(at + page_size.rows, self.counts[plan.target])
            await asyncio.sleep(0)
            yield Page([(str(n), ROW_TEXT) for n in range(at, end)], width=2, key_cells=(0,))
            at = end


@dataclass
class Memory:
    """A sink that holds what it was given; answers come in any order, and may stop coming."""

    dice: random.Random
    batch_bytes: int = 2_000
    concurrency: int = 3
    writes_until_failure: int = -1
    tables: dict[str, set[int]] = field(default_factory=dict)
    held_bytes: int = 0
    most_held_bytes: int = 0
    order: list[str] = field(default_factory=list)
    steps: dict[StepId, Load] = field(default_factory=dict)

    async def write(self, batch: Batch) -> Answer:
        self.held_bytes += batch.bytes
        self.most_held_bytes = max(self.most_held_bytes, self.held_bytes)
        for _ in range(self.dice.randrange(8)):
            await asyncio.sleep(0)
        if self.writes_until_failure == 0:
            raise TargetError("no more")
        self.writes_until_failure -= 1
        for chunk in batch.chunks:
            target = self.steps[chunk.step].plan.target
            self.order.append(target)
            keys = self.tables.setdefault(target, set())
            for statement in chunk.statements:
                rows = orjson.loads(orjson.loads(statement.params)[0])
                keys.update(int(row[0]) for row in rows)
        for _ in range(self.dice.randrange(8)):
            await asyncio.sleep(0)
        self.held_bytes -= batch.bytes
        return Answer(())


class Deaf:
    """Wants to know nothing."""

    def table_started(self, table: str, rows_estimate: int) -> None: ...
    def page_read(self, table: str, rows: int) -> None: ...
    def chunk_written(self, table: str, rows: int, sent_bytes: int) -> None: ...
    def rows_skipped(self, table: str, rows: int) -> None: ...
    def request_answered(self, tables: Sequence[str], answer: Answer) -> None: ...
    def table_finished(self, table: str) -> None: ...


def a_load(name: str, step: int, position: Position | None = None) -> Load:
    plan = table_plan([column("k", Storage.INTEGER), column("v")], name=name)
    return Load(
        step=StepId(step),
        kind=StepKind.ROWS,
        plan=plan,
        layout=Layout.of(plan, StepKind.ROWS, Pack.JSON, into_stage=False),
        position=position or Position(),
        page_size=PageSize(5),
    )


class Job:
    """Moves `counts` rows into a `Memory`, remembering positions as a checkpoint would."""

    def __init__(self, counts: dict[str, int], sink: Memory) -> None:
        self.counts = counts
        self.sink = sink
        self.saved: dict[str, Position] = {}

    async def save(self, loads: list[Load]) -> None:
        for load in loads:
            position = load.position
            self.saved[load.plan.target] = position
            reached = int(position.last[0]) if position.last else -1
            assert set(range(reached + 1)) <= self.sink.tables.get(load.plan.target, set())

    def loads(self) -> list[Load]:
        made = [a_load(n, s, self.saved.get(n)) for s, n in enumerate(self.counts, 1)]
        self.sink.steps = {load.step: load for load in made}
        return made

    async def run(self, loads: list[Load] | None = None, stop: asyncio.Event | None = None) -> bool:
        mover = Mover(
            source=Rows(self.counts),
            sink=self.sink,
            recorder=Recorder(self.save),
            observer=Deaf(),
            sizes=Limits(chunk_bytes=1_000, memory_bytes=8_000, uploaders=4),
            stop=stop or asyncio.Event(),
        )
        return await mover.move(loads or self.loads())


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


async def test_fault_18_a_checkpoint_that_cannot_be_written_stops_the_run() -> None:
    job = Job({"a": 500}, Memory(random.Random(2)))

    async def full(loads: list[Load]) -> None:
        raise OSError(28, "No space left on device")

    job.save = full

    with pytest.raises((BaseExceptionGroup, OSError)):
        await job.run()


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
