"""A mover between a source that counts and a target in memory, and a checkpoint that remembers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

import orjson

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

    async def run(
        self,
        loads: list[Load] | None = None,
        stop: asyncio.Event | None = None,
        *,
        source: Rows | None = None,
        send_no_more: Callable[[], None] = lambda: None,
    ) -> bool:
        mover = Mover(
            source=source or Rows(self.counts),
            sink=self.sink,
            recorder=Recorder(self.save),
            observer=Deaf(),
            sizes=Limits(chunk_bytes=1_000, memory_bytes=8_000, uploaders=4),
            stop=stop or asyncio.Event(),
            send_no_more=send_no_more,
        )
        return await mover.move(loads or self.loads())
