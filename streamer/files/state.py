"""How far an export is, so that it can go on: `export.checkpoint.db` beside its files."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import checkpoints
from checkpoints import CheckpointStore, RunRecord, StepRecord
from streamer.errors import CheckpointFullError, CheckpointProblemError
from streamer.files.codec import decode, encode
from streamer.files.manifest import FileFacts, Snapshot
from streamer.frozen import frozen
from streamer.model import Key

if TYPE_CHECKING:
    from checkpoints import JSON

FILE = "export.checkpoint.db"
RUNNING, DONE, SUPERSEDED = "running", "done", "superseded"


@frozen
class Position:
    """How far a table is: `size` bytes of its file hold `rows` rows, up to the key `last`."""

    last: Key | None = None
    rows: int = 0
    size: int = 0
    snapshots: tuple[int, ...] = ()
    done: FileFacts | None = None
    seconds: float = 0.0


@contextmanager
def _translated(*, begun: bool = True) -> Generator[None]:
    """Turn the checkpoint library's errors into ours; `begun`: there is something to go on with."""
    try:
        yield
    except checkpoints.Unwritable as error:
        if not begun:
            raise CheckpointProblemError(
                str(error), hint="Make room or access for it, then export again."
            ) from None
        raise CheckpointFullError(
            str(error), hint="Make room or access for it, then go on with --resume."
        ) from None
    except checkpoints.Locked as error:
        raise CheckpointProblemError(
            str(error), hint="Wait for that export to end, or name another --output-dir."
        ) from None
    except checkpoints.CheckpointError as error:
        raise CheckpointProblemError(
            str(error), hint="Remove the file and export again, or name another --output-dir."
        ) from None


class ExportState:
    """The checkpoint of one export."""

    def __init__(
        self, store: CheckpointStore, run: RunRecord | None, steps: Sequence[StepRecord]
    ) -> None:
        self._store = store
        self.run = run
        self._steps = {step.table: step for step in steps}

    @classmethod
    async def open(cls, folder: Path, *, resume: bool) -> Self:
        """Open or create it, locked for this process; `resume`: to go on with what it holds.

        Raises:
            CheckpointProblemError: it is locked, damaged, or no checkpoint of ours; or nothing is to
                be gone on with, and it can't be written.
            CheckpointFullError: it can't be written.

        """
        with _translated(begun=resume):
            store = await CheckpointStore.open(folder / FILE)
            try:
                saved = await store.read()
            except BaseException:
                await store.close()
                raise
        return cls(store, saved.run if saved else None, saved.steps if saved else ())

    async def close(self) -> None:
        """Let go of it."""
        await self._store.close()

    @property
    def unfinished(self) -> bool:
        """Whether there is an export that didn't come to its end."""
        return self.run is not None and self.run.state == RUNNING

    @property
    def superseded(self) -> bool:
        """Whether another export was asked for since this one was finished, and hasn't begun."""
        return self.run is not None and self.run.state == SUPERSEDED

    @property
    def facts(self) -> Mapping[str, JSON]:
        """What was written down of the export."""
        return self.run.document if self.run is not None else {}

    async def supersede(self) -> None:
        """Write down that a finished export isn't what a resume is to find: a new one is wanted.

        Raises:
            CheckpointProblemError: it can't be written.

        """
        if self.run is not None and self.run.state == DONE:
            run = replace(self.run, state=SUPERSEDED)
            with _translated(begun=False):
                await self._store.save(run)
            self.run = run

    async def begin(
        self, run_id: str, facts: Mapping[str, JSON], tables: Mapping[str, Mapping[str, JSON]]
    ) -> None:
        """Forget an earlier export, and write down a new one with the facts of its tables.

        Raises:
            CheckpointProblemError: it can't be written; it holds what it held.

        """
        run = RunRecord(run_id, RUNNING, 1, facts)
        steps = [
            StepRecord(number, table, "rows", "todo", None, 0, 0, 0, known)
            for number, (table, known) in enumerate(tables.items(), 1)
        ]
        with _translated(begun=False):
            await self._store.begin(run, steps)
        self.run, self._steps = run, {step.table: step for step in steps}

    @property
    def tables(self) -> Mapping[str, Mapping[str, JSON]]:
        """The facts of the tables."""
        return {name: step.document for name, step in self._steps.items()}

    def position(self, table: str) -> Position:
        """How far a table is."""
        step = self._steps[table]
        known = step.document
        done = known.get("done")
        return Position(
            last=step.last_key,
            rows=step.rows,
            size=step.bytes,
            snapshots=tuple(
                int(str(n)) for n in cast("Sequence[JSON]", known.get("snapshots", ()))
            ),
            done=decode(FileFacts, done) if isinstance(done, Mapping) else None,
            seconds=float(str(known.get("seconds", 0))),
        )

    async def save(self, table: str, at: Position, snapshots: Sequence[Snapshot]) -> None:
        """Write down how far a table is, and the snapshots that were read in so far."""
        assert self.run is not None
        taken = [cast("JSON", encode(snapshot)) for snapshot in snapshots]
        run = replace(self.run, document={**self.run.document, "snapshots": taken})
        old = self._steps[table]
        facts: dict[str, JSON] = {
            "snapshots": list(at.snapshots),
            "seconds": at.seconds,
            "done": None,
        }
        if at.done is not None:
            facts["done"] = cast("JSON", encode(at.done))
        step = replace(
            old,
            state="done" if at.done is not None else "doing",
            last_key=at.last,
            rows=at.rows,
            bytes=at.size,
            document={**old.document, **facts},
        )
        with _translated():
            await self._store.save(run, [step])
        self.run, self._steps[table] = run, step

    async def finish(self, exit_code: int) -> None:
        """Write down that the export came to its end."""
        assert self.run is not None
        run = replace(self.run, state=DONE, document={**self.run.document, "exit_code": exit_code})
        with _translated():
            await self._store.save(run)
        self.run = run

    @property
    def snapshots(self) -> list[Snapshot]:
        """The snapshots that were read in so far."""
        taken = cast("Sequence[object]", self.facts.get("snapshots", ()))
        return [decode(Snapshot, one) for one in taken]
