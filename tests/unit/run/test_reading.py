"""Which snapshot rows were read in, numbered over all processes of a run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime

import pytest

from streamer.model import Consistency, Key, Page, PageSize, StepKind, TablePlan
from streamer.postgres import SnapshotInfo
from streamer.run.reading import RunSource, snapshot_facts
from tests.engines.catalogs import TEXT, column, identified, plan_of, table

(KEYED,) = plan_of(identified("keyed")).tables
(OTHER,) = plan_of(identified("other")).tables
(KEYLESS,) = plan_of(table("keyless", column("line", TEXT))).tables
TAKEN = [
    SnapshotInfo(
        number=n,
        id=str(n),
        lsn=f"0/{n}",
        taken_at=datetime(2026, 11, 22, 1, n, tzinfo=UTC),
        visible=f"{n}:",
    )
    for n in range(5)
]


class Snapshots:
    """A source whose pages come from these of its snapshots."""

    def __init__(self, *numbers: int) -> None:
        self.snapshots = TAKEN
        self.numbers = numbers

    async def read(
        self,
        _plan: TablePlan,
        _kind: StepKind,
        _after: Key | None,
        _page_size: PageSize,
        _upto: Key | None = None,
    ) -> AsyncGenerator[Page]:
        for number in self.numbers:
            yield Page([("1",)], 1, (0,), snapshot=number)

    async def lookup(self, _plan: TablePlan, _keys: Sequence[Key]) -> list[Page]:
        return [Page([("1",)], 1, (0,), snapshot=number) for number in self.numbers]


class Seen:
    """Numbers the snapshots of a run that took two in an earlier process."""

    def __init__(self) -> None:
        self.facts: list[object] = []

    def __call__(self, facts: object) -> int:
        self.facts.append(facts)
        return len(self.facts) + 1


async def numbers(source: RunSource, plan: TablePlan) -> list[int]:
    return [page.snapshot async for page in source.read(plan, StepKind.ROWS, None, PageSize())]


async def looked_up(source: RunSource, plan: TablePlan) -> list[int]:
    return [page.snapshot for page in await source.lookup(plan, [("1",)])]


@pytest.mark.parametrize("consistency", Consistency)
async def test_a_snapshot_is_seen_once_however_many_tables_are_read_in_it(
    consistency: Consistency,
) -> None:
    seen = Seen()
    source = RunSource(Snapshots(1, 1), consistency, seen)

    assert await numbers(source, KEYED) == [2, 2]
    assert await numbers(source, KEYED) == [2, 2]
    assert seen.facts == [snapshot_facts(TAKEN[1])]
    assert seen.facts == [{"lsn": "0/1", "taken_at": "2026-11-22T01:01:00Z", "visible": "1:"}]


async def test_a_table_read_in_two_snapshots_carries_both_numbers() -> None:
    seen = Seen()

    assert await numbers(RunSource(Snapshots(0, 0, 3), Consistency.SNAPSHOT, seen), KEYED) == [
        2,
        2,
        3,
    ]
    assert len(seen.facts) == 2


async def test_of_rolling_windows_the_later_ones_count_as_one_more_snapshot() -> None:
    seen = Seen()
    source = RunSource(Snapshots(0, 1, 2), Consistency.ROLLING, seen)

    assert await numbers(source, KEYED) == [2, 3, 3]
    assert await numbers(source, OTHER) == [2, 3, 3]
    assert await numbers(source, KEYLESS) == [2, 3, 4]


async def test_rows_looked_up_count_as_a_window_of_their_table() -> None:
    source = RunSource(Snapshots(0, 1), Consistency.ROLLING, Seen())

    assert await looked_up(source, KEYED) == [2, 3]
    assert await numbers(source, KEYED) == [2, 3]
