"""The source as a run sees it: its pages carry the run's own snapshot numbers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from streamer.model import (
    Consistency,
    Key,
    KeyKind,
    Page,
    PageSize,
    QualifiedName,
    StepKind,
    TablePlan,
)
from streamer.postgres import SnapshotInfo
from streamer.progress import utc
from streamer.run.sources import JobSource

if TYPE_CHECKING:
    from checkpoints import JSON


def snapshot_facts(taken: SnapshotInfo) -> dict[str, JSON]:
    """What a checkpoint remembers of a snapshot."""
    return {
        "lsn": taken.lsn,
        "taken_at": utc(taken.taken_at),
        "visible": taken.visible,
    }


class RunSource:
    """Reads tables, and has each snapshot that rows come from written down once.

    `see` takes a snapshot's facts and returns its number in the run. With rolling consistency each
    window has its own snapshot: too many to write down. So of keyed tables, all first windows in
    one process count as one snapshot, and all later ones as another.
    """

    def __init__(
        self,
        source: JobSource,
        consistency: Consistency,
        see: Callable[[dict[str, JSON]], int],
    ) -> None:
        self._source = source
        self._rolling = consistency is Consistency.ROLLING
        self._see = see
        self._numbers: dict[int, int] = {}
        self._first_of: dict[QualifiedName, int] = {}
        self._first: int | None = None
        self._later: int | None = None

    async def read(
        self,
        plan: TablePlan,
        kind: StepKind,
        after: Key | None,
        page_size: PageSize,
        upto: Key | None = None,
    ) -> AsyncGenerator[Page]:
        """Yield every row behind `after`, and up to `upto`, in key order."""
        windowed = self._rolling and plan.key.kind is not KeyKind.PHYSICAL
        async with aclosing(self._source.read(plan, kind, after, page_size, upto)) as pages:
            async for page in pages:
                number = self._of_windows(plan, page) if windowed else self._number(page)
                yield page if number == page.snapshot else replace(page, snapshot=number)

    async def lookup(self, plan: TablePlan, keys: Sequence[Key]) -> list[Page]:
        """The rows that have these keys, as `PostgresSource.lookup` finds them."""
        pages = await self._source.lookup(plan, keys)
        return [
            replace(
                page, snapshot=self._of_windows(plan, page) if self._rolling else self._number(page)
            )
            for page in pages
        ]

    def _number(self, page: Page) -> int:
        if page.snapshot not in self._numbers:
            facts = snapshot_facts(self._source.snapshots[page.snapshot])
            self._numbers[page.snapshot] = self._see(facts)
        return self._numbers[page.snapshot]

    def _of_windows(self, plan: TablePlan, page: Page) -> int:
        if page.snapshot == self._first_of.setdefault(plan.name, page.snapshot):
            if self._first is None:
                self._first = self._number(page)
            return self._first
        if self._later is None:
            self._later = self._number(page)
        return self._later
