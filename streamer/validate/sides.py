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
    Statement,
    Table,
    TablePlan,
)
from streamer.pack import CURRENT, Engine
from streamer.pack.spelling import holds_doubles, in_one_spelling
from streamer.pipeline.transform import Source
from streamer.sinks.references import keyed_by
from streamer.validate.target_rows import key_columns


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
        keyed = keyed_as_d1(plan)
        assert keyed is not None, "a table without a key is compared otherwise"
        columns = key_columns(plan)
        absent = {at for at, key in enumerate(keys) if not holds_doubles(columns, key)}
        asked = [at for at in range(len(keys)) if at not in absent]
        absent |= {asked[n] for n in await self._absent(keyed, [keys[at] for at in asked])}
        gone = [key for at, key in enumerate(keys) if at in absent]
        there = [key for at, key in enumerate(keys) if at not in absent]
        if not (plan.transform and there):
            return gone
        kept = {
            in_one_spelling(columns, page.key_of(at))
            for page in await self.source.lookup(keyed, there)
            for at in range(len(page.records))
        }
        return [*gone, *(key for key in there if in_one_spelling(columns, key) not in kept)]

    async def _absent(self, keyed: TablePlan, keys: Sequence[Key]) -> set[int]:
        try:
            return await self.questions.absent(keyed, keys)
        except SourceError:
            # A text that no key of this type can be; then what is printed is compared.
            printed = replace(keyed.key, casts=("",) * len(keyed.key.columns))
            return await self.questions.absent(replace(keyed, key=printed), keys)


def keyed_as_d1(plan: TablePlan) -> TablePlan | None:
    """`plan` as it is looked up by texts of the target's key; None where it has no key.

    D1 prints a double as 5.0 that PostgreSQL prints as 5, so they are numbers.
    """
    keyed = keyed_by(plan, plan.key.targets)
    return keyed and replace(keyed, key=replace(keyed.key, as_numbers=True))
