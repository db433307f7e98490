"""What a run remembers in its checkpoint, step by step.

A run is a list of steps, each of one table (or of the whole database): make its schema, empty it,
move its rows, set its deferred columns, publish its cycle, build an index, check it. Each has a
state of its own, so that a resume skips nothing that was still to come.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from checkpoints import CheckpointStore, RunRecord, Saved, StepRecord
from streamer.errors import CheckpointFullError, CheckpointProblemError
from streamer.model import Reject, StepId, StepKind
from streamer.pipeline import Load, Position
from streamer.run.recorded import expecting, items, members
from streamer.run.rejected import (
    Rejected,
    all_rejected,
    pages_of,
    pages_with,
    pages_without,
    settled,
)
from streamer.run.states import RunState, Start, State, StepName, Work
from streamer.run.unwritable import translated

if TYPE_CHECKING:
    from checkpoints import JSON


class Journal:
    """The checkpoint of one run, in the run's own terms.

    At each save, `tally` is asked for a table's figures ('' for those of the whole run), and
    `pace` for what was learned of the target.
    """

    def __init__(self, store: CheckpointStore, saved: Saved | None) -> None:
        self._store = store
        self.run: RunRecord | None = saved.run if saved else None
        self.steps: dict[StepName, StepRecord] = {}
        for record in saved.steps if saved else ():
            self.steps[self._name(record)] = record
        self.snapshots: list[Mapping[str, JSON]] = []
        if self.run is not None:
            taken = self.run.document.get("snapshots")
            self.snapshots = [s for s in items(taken) if isinstance(s, Mapping)]
        self._saving = asyncio.Lock()  # held by what is saved while rows move
        self.tally: Callable[[str], Mapping[str, JSON]] = lambda _: {}
        self.pace: Callable[[], Mapping[str, JSON]] = dict

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open or create the checkpoint at `path`, locked for this process.

        Raises:
            CheckpointProblemError: locked by another run, damaged, foreign, newer; or there is none,
                and none can be made.
            CheckpointFullError: it can't be written to now.

        """
        with translated(_unwritable(path)):
            store = await CheckpointStore.open(path)
            try:
                return cls(store, await store.read())
            except BaseException:
                await store.close()
                raise

    async def close(self) -> None:
        """Let go of the file and its lock."""
        await self._store.close()

    @staticmethod
    def _name(record: StepRecord) -> StepName:
        return StepName(record.table, Work(record.kind), str(record.document.get("which", "")))

    @property
    def unfinished(self) -> bool:
        """Whether the checkpoint holds a run of which something is still to be done."""
        return self.run is not None and self.run.state not in {RunState.DONE, RunState.UNDONE}

    @property
    def retrying(self) -> bool:
        """Whether a finished run's rejected rows were being sent again, and that never ended."""
        return self.run is not None and bool(self.run.document.get("retrying"))

    @property
    def running(self) -> RunRecord:
        """The run that has begun."""
        assert self.run is not None, "no run has begun"
        return self.run

    def see_snapshot(self, facts: Mapping[str, JSON]) -> int:
        """Number a snapshot of the source; it is written down with the first position read in it."""
        self.snapshots.append(facts)
        return len(self.snapshots) - 1

    @property
    def claimed_since(self) -> int:
        """The newest epoch at which the tables are known to have been claimed; 0: none."""
        return int(str(self.running.document.get("claimed_since", 0)))

    @property
    def claimed(self) -> frozenset[str]:
        """Target tables that a start of this run has made its own."""
        return frozenset(map(str, items(self.running.document.get("claimed"))))

    def recorded_snapshot(self, name: StepName) -> str:
        """The pg_current_snapshot() under which the newest rows of a step were read, or ''."""
        numbers = self.position(name).snapshots
        known = self.snapshots
        newest = max(numbers, default=-1)
        return str(known[newest].get("visible", "")) if 0 <= newest < len(known) else ""

    def leaves(self, name: StepName) -> dict[int, int]:
        """The numbers of a keyless table's leaves, by oid."""
        numbers = members(self.steps[name].document.get("leaves"))
        return {int(oid): int(str(number)) for oid, number in numbers.items()}

    async def number_leaves(self, name: StepName, numbers: Mapping[int, int]) -> None:
        """Write down the numbers of a keyless table's leaves."""
        await self.describe({name: {"leaves": {str(k): v for k, v in numbers.items()}}})

    def is_remade(self, name: StepName) -> bool:
        """Whether an abandoned run had made the target table, and this one makes it anew."""
        return bool(self.steps[name].document.get("remade"))

    def held_rows(self, name: StepName) -> bool:
        """Whether the target table held rows of others that the run left in it."""
        facts = self.steps[name].document
        return facts.get("found") == "rows" and not facts.get("emptied")

    def may_hold_older(self, name: StepName) -> bool:
        """Whether rows that are written may stand in the target already, with other values."""
        return self.held_rows(name) or bool(self.steps[name].document.get("again"))

    async def begin(
        self,
        run: RunRecord,
        names: Sequence[StepName],
        start: Start,
        rejected: Iterable[Rejected] = (),
    ) -> None:
        """Forget any earlier run and write down another with all its steps, in one commit.

        Of one that isn't new, rows may be `rejected` already.
        """
        steps = [start.of(self._new(StepId(n), name), name) for n, name in enumerate(names, 1)]
        steps += pages_of(steps, rejected)
        with translated():
            await self._store.begin(run, steps)
        self.run = run
        self.snapshots = []
        self.steps = {self._name(step): step for step in steps}

    async def add(self, names: Iterable[StepName], start: Start) -> None:
        """Add steps that the run didn't have when it began, in one commit."""
        top = max((step.step_id for step in self.steps.values()), default=0)
        fresh = [name for name in names if name not in self.steps]
        steps = [
            start.of(self._new(StepId(top + n), name), name) for n, name in enumerate(fresh, 1)
        ]
        await self._save(steps=steps)

    @staticmethod
    def _new(number: StepId, name: StepName) -> StepRecord:
        return StepRecord(
            step_id=number,
            table=name.table,
            kind=name.work,
            state=State.TODO,
            last_key=None,
            next_number=0,
            rows=0,
            bytes=0,
            document={"which": name.which},
        )

    async def mark(self, name: StepName, state: State, **facts: JSON) -> None:
        """Write down a step's new state, and facts about it."""
        await self.mark_each({name: facts}, state)

    async def mark_each(self, facts: Mapping[StepName, Mapping[str, JSON]], state: State) -> None:
        """Write down the same new state of several steps, and facts about each, in one commit."""
        marked = [(self.steps[name], some) for name, some in facts.items()]
        await self._save(
            steps=[
                replace(step, state=state, document={**step.document, **some})
                for step, some in marked
            ]
        )

    async def mark_all(self, names: Iterable[StepName], state: State) -> None:
        """Write down the same new state of several steps, in one commit."""
        await self._save(steps=[replace(self.steps[name], state=state) for name in names])

    async def describe(self, facts: Mapping[StepName, Mapping[str, JSON]]) -> None:
        """Write down facts about several steps, in one commit."""
        await self._save(
            steps=[
                replace(self.steps[name], document={**self.steps[name].document, **some})
                for name, some in facts.items()
            ]
        )

    async def note(self, state: RunState | None = None, epoch: int = 0, **facts: JSON) -> None:
        """Write down a new state or epoch of the run, or facts about it."""
        run = self.running
        await self._save(
            run=replace(
                run,
                state=state or run.state,
                epoch=epoch or run.epoch,
                document={**run.document, **facts},
            )
        )

    def is_done(self, name: StepName) -> bool:
        """Whether a step is behind us."""
        return name in self.steps and self.steps[name].state == State.DONE

    def position(self, name: StepName) -> Position:
        """Where a step that carries rows goes on."""
        step = self.steps[name]
        first = items(step.document.get("first"))
        return Position(
            last=step.last_key,
            first=tuple(map(str, first)) or None,
            next_number=step.next_number,
            rows=step.rows,
            bytes=step.bytes,
            done=step.state == State.DONE,
            snapshots=frozenset(int(str(n)) for n in items(step.document.get("snapshots"))),
            last_gone=bool(step.document.get("last_gone")),
            skipped=int(str(step.document.get("skipped", 0))),
            rejected=int(str(step.document.get("rejected", 0))),
        )

    async def save_loads(self, loads: Sequence[Load]) -> None:
        """Write down how far loads are, with the run's figures, in one commit."""
        async with self._saving:
            known = self.running.document
            figures = {"tally": dict(self.tally("")), "snapshots": list(self.snapshots)}
            rejects = [(load.name, load.kind, tuple(load.rejects)) for load in loads]
            pages = pages_with(self.steps.values(), rejects)
            moved = {
                StepName(load.name, Work(load.kind.value)): self._moved(load) for load in loads
            }
            for load in loads:  # a table's figures stand with its rows, those of a second pass too
                rows = StepName(load.name, Work.ROWS)
                step = moved.get(rows, self.steps[rows])
                tally = {"tally": dict(self.tally(load.name))}
                moved[rows] = replace(step, document={**step.document, **tally})
            await self._save(
                run=replace(self.running, document={**known, **self.pace(), **figures}),
                steps=[*moved.values(), *pages],
            )
            for load, (_, _, saved) in zip(loads, rejects, strict=True):
                del load.rejects[: len(saved)]

    async def expect_parents(self, rows: Mapping[StepName, int], snapshots: frozenset[int]) -> None:
        """Write down that so many more rows of tables may come than their steps move.

        They were read in `snapshots`, and are sent ahead of rows that refer to them.
        """
        async with self._saving:
            known = {**self.running.document, "snapshots": list(self.snapshots)}
            await self._save(
                run=replace(self.running, document=known),
                steps=[expecting(self.steps[name], n, snapshots) for name, n in rows.items()],
            )

    async def add_to(self, fact: str, rows: Mapping[StepName, int]) -> None:
        """Add to a number among the facts of steps, while rows move."""
        async with self._saving:
            await self.describe({n: {fact: self.count(n, fact) + more} for n, more in rows.items()})

    def count(self, name: StepName, fact: str) -> int:
        """A number among the facts of a step; 0 where it isn't there."""
        return int(str(self.steps[name].document.get(fact, 0)))

    def parents_sent(self, name: StepName) -> int:
        """At most so many rows of a table came ahead of rows that refer to them."""
        return int(str(members(self.steps[name].document.get("parents")).get("rows", 0)))

    def snapshots_of(self, name: StepName) -> frozenset[int]:
        """The snapshots that a table's rows were read in, those sent ahead of others included."""
        parents = members(self.steps[name].document.get("parents"))
        sent_ahead = {int(str(n)) for n in items(parents.get("snapshots"))}
        return self.position(name).snapshots | sent_ahead

    async def start_over(
        self, names: Iterable[StepName], facts: Mapping[StepName, Mapping[str, JSON]] | None = None
    ) -> None:
        """Forget that steps were done, and how far they came; write down new `facts` about some.

        All in one commit: a step that was forgotten without those that need it would be too late.
        """
        names = list(names)
        forgotten = {"first", "snapshots", "last_gone", "skipped", "rejected", "deleted", "problem"}
        known = facts or {}
        steps = [
            replace(
                step,
                state=State.TODO,
                last_key=None,
                next_number=0,
                rows=0,
                bytes=0,
                document={
                    **{k: v for k, v in step.document.items() if k not in forgotten},
                    **known.get(name, {}),
                },
            )
            for name, step in ((name, self.steps[name]) for name in names)
        ]
        over = {(name.table, name.work) for name in names}
        pages = pages_without(
            self.steps.values(), lambda row: (row.table, Work(row.kind.value)) in over
        )
        await self._save(steps=[*steps, *pages])

    async def reject_moved(self, name: StepName, rows: Sequence[Reject]) -> None:
        """Write down that rows which a step moved are rejected after all, and weren't yet."""
        async with self._saving:
            step = self.steps[name]
            facts = {
                "rejected": self.count(name, "rejected") + len(rows),
                "tally": dict(self.tally(name.table)),
            }
            kind = StepKind(name.work.value)
            pages = pages_with(self.steps.values(), [(name.table, kind, rows)])
            # Rows that were fetched for others, ahead of their time, aren't among those counted.
            left = max(0, step.rows - len(rows))
            moved = replace(step, rows=left, document={**step.document, **facts})
            known = {**self.running.document, "tally": dict(self.tally(""))}
            await self._save(run=replace(self.running, document=known), steps=[moved, *pages])

    async def settle_rejects(
        self, table: str, written: Collection[str], gone: Collection[str]
    ) -> None:
        """Write down that rejected rows of a table (by line) are in the target now, or no more."""
        await self._save(steps=settled(self.steps.values(), table, written, gone))

    @property
    def rejected(self) -> list[Rejected]:
        """All rows that are rejected for good."""
        return all_rejected(self.steps.values())

    def _moved(self, load: Load) -> StepRecord:
        work = Work(load.kind.value)
        step = self.steps[StepName(load.name, work)]
        at = load.position
        return replace(
            step,
            state=State.DONE if at.done else State.DOING,
            last_key=at.last,
            next_number=at.next_number,
            rows=at.rows,
            bytes=at.bytes,
            document={
                **step.document,
                "first": list(at.first) if at.first else None,
                "snapshots": sorted(at.snapshots),
                "last_gone": at.last_gone,
                "skipped": at.skipped,
                "rejected": at.rejected,
            },
        )

    async def _save(
        self, *, run: RunRecord | None = None, steps: Sequence[StepRecord] = ()
    ) -> None:
        with translated():
            await self._store.save(run, steps)
        if run is not None:
            self.run = run
        self.steps.update({self._name(step): step for step in steps})


def _unwritable(path: Path) -> type[CheckpointFullError | CheckpointProblemError]:
    """What it means that `path` can't be written to: where there is a checkpoint, no end of its run."""
    return CheckpointFullError if os.path.lexists(path) else CheckpointProblemError
