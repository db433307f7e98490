"""A checkpoint in memory: the store's promises without a file, with failures on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from checkpoints.errors import CheckpointError, Locked
from checkpoints.records import (
    Row,
    RunRecord,
    Saved,
    StepRecord,
    Tally,
    contents,
    run_row,
    step_row,
)


@dataclass(slots=True)
class Place:
    """What outlives a store: open it again, and the last save is there.

    `saves` counts acknowledged begins and saves. Put an error into `failures` and the next begin
    or save raises it, with nothing saved.
    """

    runs: list[Row] = field(default_factory=list[Row])
    steps: dict[int, Row] = field(default_factory=dict[int, Row])
    saves: int = 0
    is_open: bool = False
    failures: list[CheckpointError] = field(default_factory=list[CheckpointError])

    def peek(self) -> Saved | None:
        """The last save, as `checkpoints.peek` gives it."""
        steps = [self.steps[step_id] for step_id in sorted(self.steps)]
        crcs = {step_id: int(row[-1] or 0) for step_id, row in self.steps.items()}
        run_crc = int(self.runs[0][-1] or 0) if self.runs else None
        seal = Tally("memory", self.saves, run_crc, crcs).seal_row()
        return contents(seals=[seal], runs=self.runs, steps=steps).saved

    def crash(self) -> None:
        """What a kill leaves: the lock is free, the last save is there."""
        self.is_open = False


class MemoryCheckpoint:
    """`CheckpointStore` over a `Place` instead of a path."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._closed = False

    @classmethod
    async def open(cls, place: Place) -> Self:
        if place.is_open:
            raise Locked(Path("memory"), pid=None, host=None)
        place.is_open = True
        return cls(place)

    async def read(self) -> Saved | None:
        self._refuse_closed()
        return self._place.peek()

    async def begin(self, run: RunRecord, steps: Sequence[StepRecord]) -> None:
        if len({step.step_id for step in steps}) < len(steps):
            raise ValueError("two steps share an id")
        self._fail_on_demand()
        self._place.runs = [run_row(run)]
        self._place.steps = {step.step_id: step_row(step) for step in steps}
        self._place.saves += 1

    async def save(self, run: RunRecord | None = None, steps: Sequence[StepRecord] = ()) -> None:
        if run is None and not steps:
            return
        rows = {step.step_id: step_row(step) for step in steps}
        self._fail_on_demand()
        if run is None and not self._place.runs:
            raise ValueError("no run was begun in this checkpoint")
        if run is not None:
            self._place.runs = [run_row(run)]
        self._place.steps |= rows
        self._place.saves += 1

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._place.is_open = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _fail_on_demand(self) -> None:
        self._refuse_closed()
        if self._place.failures:
            raise self._place.failures.pop(0)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ValueError("closed")
