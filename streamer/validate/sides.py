"""Both ends as a comparison sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from streamer.errors import SourceError
from streamer.frozen import frozen
from streamer.model import (
    Answer,
    Key,
    KeyKind,
    KeyPlan,
    Statement,
    Table,
    TablePlan,
)
from streamer.pack import CURRENT, Engine
from streamer.pipeline.transform import Source
from streamer.sinks.references import keyed_by


class Questions(Protocol):
    """What is asked of PostgreSQL about a whole table."""

    async def count(self, table: Table, where: str = "") -> int:
        """How many rows the table has for which `where` is true ('': all)."""
        ...

    async def absent(self, plan: TablePlan, keys: Sequence[Key]) -> set[int]:
        """The places in `keys` of those that no row has now; SourceError where one is no such key."""
        ...

    async def sample(self, plan: TablePlan, rows: int) -> list[Key]:
        """The keys of about so many rows, each once."""
        ...


class Database(Protocol):
    """Runs statements in one request, which is one transaction; retries by itself."""

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        """Return the results; every request given here may be sent more than once."""
        ...


@frozen
class Sides:
    """`source` gives rows as they are to be stored, `questions` asks about those that are there.

    `between` names the sides where they aren't the databases.
    """

    source: Source
    questions: Questions
    database: Database
    engine: Engine = CURRENT
    between: tuple[str, str] | None = None

    async def not_in_source(self, plan: TablePlan, keys: Sequence[Key]) -> list[Key]:
        """Those of `keys`, texts of the target's key, whose rows the source hasn't got (any more).

        A row that the user's function leaves out counts as one that isn't there.
        """
        keyed = keyed_by(plan, plan.key.targets)
        assert keyed is not None, "a table without a key is compared otherwise"
        try:
            absent = await self.questions.absent(keyed, keys)
        except SourceError:
            # A text that no key of this type can be; then texts are compared.
            absent = await self.questions.absent(_by_text(keyed), keys)
        gone = [key for at, key in enumerate(keys) if at in absent]
        there = [key for at, key in enumerate(keys) if at not in absent]
        if not (plan.transform and there):
            return gone
        kept = {
            page.key_of(at)
            for page in await self.source.lookup(keyed, there)
            for at in range(len(page.records))
        }
        return [*gone, *(key for key in there if key not in kept)]


def _by_text(plan: TablePlan) -> TablePlan:
    """`plan` looked up by what is printed."""
    key = plan.key
    return replace(
        plan, key=KeyPlan(KeyKind.UNIQUE, key.columns, key.targets, ("",) * len(key.columns))
    )
