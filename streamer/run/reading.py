"""The source as a run sees it: pages with the run's own snapshot numbers and leaf numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from streamer.model import Key, Page, PageSize, Pushdown, StepKind, TablePlan
from streamer.postgres import PostgresSource


class RunSource:
    """Reads tables as the run's settings say.

    `first_snapshot` is the number of this process's first snapshot in the run (earlier ones were
    taken before a resume). `leaves` numbers the leaves of tables without a key, by table name and
    leaf oid; the numbers are part of their rows' positions and so never change in a run.
    """

    def __init__(
        self,
        source: PostgresSource,
        *,
        pushdown: Pushdown,
        first_snapshot: int,
        leaves: Mapping[str, Mapping[int, int]],
    ) -> None:
        self._source = source
        self._pushdown = pushdown
        self._first_snapshot = first_snapshot
        self._leaves = leaves

    async def read(
        self, plan: TablePlan, kind: StepKind, after: Key | None, page_size: PageSize
    ) -> AsyncIterator[Page]:
        """Yield every row behind `after` in key order."""
        pages = self._source.read(
            plan,
            kind,
            after,
            page_size,
            pushdown=self._pushdown,
            leaf_numbers=self._leaves.get(str(plan.name), {}),
        )
        async for page in pages:
            yield replace(page, snapshot=self._first_snapshot + page.snapshot)
