"""One step of one table on its way: where it starts, how far it is, when it is done."""

from __future__ import annotations

import asyncio
from dataclasses import field, replace

from checkpoints import Watermark
from streamer.frozen import frozen, slotted
from streamer.model import Chunk, Key, Pack, PageSize, Reject, StepId, StepKind, TablePlan
from streamer.pack import Layout


@frozen
class Position:
    """How far a step has come, durably in the target: everything up to `last`.

    `first` is the first chunk's last key, kept so that a resume can look whether the beginning is
    still there. `snapshots` numbers the snapshots that rows were read in. `last_gone`: the row with
    the key `last` may not have been written, since the source had it no more or a rule left it out.
    `skipped` counts the rows up to `last` of which that is true, `rejected` those that D1 will never take.
    """

    last: Key | None = None
    first: Key | None = None
    next_number: int = 0
    rows: int = 0
    bytes: int = 0
    done: bool = False
    snapshots: frozenset[int] = frozenset()
    last_gone: bool = False
    skipped: int = 0
    rejected: int = 0

    def moved_over(self, chunk: Chunk) -> Position:
        """The position once `chunk`, the next in key order, was acknowledged."""
        last_gone = chunk.gone > 0 or chunk.last_skipped or bool(chunk.rejected)
        return Position(
            last=chunk.last,
            first=self.first or (None if last_gone else chunk.last),
            next_number=chunk.number + 1,
            rows=self.rows + chunk.rows,
            bytes=self.bytes + chunk.bytes,
            snapshots=self.snapshots | {chunk.snapshot},
            last_gone=last_gone,
            skipped=self.skipped + chunk.skipped + chunk.gone,
            rejected=self.rejected + len(chunk.rejected),
        )


@slotted
class Load:
    """A step that carries rows: `kind` of `plan`'s table, from `position` on.

    It starts when every load in `after_loads` is done, and written down where rows have no key: they
    are taken back from behind what the checkpoint knows, which nothing must refer to by then. A window bounds how many chunks may be on
    their way into the checkpoint, so that one stuck batch can't make the rest pile up, and so that
    not more than these are sent again after a crash. `rejects` are the rejected rows
    up to the position that aren't in the checkpoint yet.
    """

    step: StepId
    kind: StepKind
    plan: TablePlan
    layout: Layout
    position: Position = field(default_factory=Position)
    after_loads: list[Load] = field(default_factory=list["Load"])
    page_size: PageSize = field(default_factory=PageSize)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    written_down: asyncio.Event = field(default_factory=asyncio.Event)
    produced: int = 0
    read_after: Key | None = None
    read_to_end: bool = False
    rejects: list[Reject] = field(default_factory=list[Reject])
    _recorded: int = field(init=False)
    _watermark: Watermark[Chunk] = field(init=False)
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.produced = self._recorded = self.position.next_number
        self.read_after = self.position.last
        self._watermark = Watermark(self.position.next_number)
        # What is packed otherwise needs each cell.
        self.page_size.whole_rows = self.layout.form is Pack.JSON and not self.layout.real_cells
        if self.position.done:
            self.done.set()
            self.written_down.set()

    @property
    def name(self) -> str:
        """The source table's name, as reports spell it."""
        return str(self.plan.name)

    @property
    def unacknowledged(self) -> int:
        """Chunks between the watermark and the newest one produced."""
        return self.produced - self.position.next_number

    @property
    def unrecorded(self) -> int:
        """Chunks between the checkpoint and the newest one produced: a crash sends them again."""
        return self.produced - self._recorded

    def acknowledge(self, chunk: Chunk) -> bool:
        """Take note that `chunk` is durable in the target; True if the position moved."""
        moved = self._watermark.acknowledge(chunk.number, chunk)
        for passed in moved:
            self.position = self.position.moved_over(passed)
            self.rejects += passed.rejected
        self._settle()
        return bool(moved)

    def end_of_rows(self) -> None:
        """Take note that the reader has seen the table's end."""
        self.read_to_end = True
        self._settle()

    def recorded(self, position: Position) -> None:
        """Take note that the checkpoint holds `position`, or a later one."""
        self._recorded = max(self._recorded, position.next_number)
        if position.done:
            self.written_down.set()
        self._room.set()

    async def room(self, window: int) -> None:
        """Return once fewer than `window` chunks are unrecorded."""
        while self.unrecorded >= window:
            self._room.clear()
            await self._room.wait()

    def _settle(self) -> None:
        if self.read_to_end and self.unacknowledged == 0 and not self.done.is_set():
            self.position = replace(self.position, done=True)
            self.done.set()
