"""A source whose tables have no rows: everything that the target holds is extra."""

# ruff: noqa: ARG002 (the names are those of the protocols)

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from streamer.model import Key, Page, PageSize, StepKind, Table, TablePlan


class EmptySource:
    """What is read and what is asked, answered for tables without rows."""

    async def read(
        self,
        plan: TablePlan,
        kind: StepKind,
        after: Key | None,
        page_size: PageSize,
        upto: Key | None = None,
    ) -> AsyncGenerator[Page]:
        """No page."""
        for page in ():
            yield page

    async def lookup(self, plan: TablePlan, keys: Sequence[Key]) -> list[Page]:
        """No page."""
        return []

    async def count(self, table: Table, where: str = "") -> int:
        """No row."""
        return 0

    async def absent(self, plan: TablePlan, keys: Sequence[Key]) -> set[int]:
        """All of them."""
        return set(range(len(keys)))

    async def sample(self, plan: TablePlan, rows: int) -> list[Key]:
        """No key."""
        return []
