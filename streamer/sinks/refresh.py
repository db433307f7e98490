"""Rows of the target as the source has them now: read again by key, and what must go with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Protocol

from streamer import limits
from streamer.frozen import frozen, slotted
from streamer.model import (
    Answer,
    ForeignKeyPlan,
    Key,
    KeyKind,
    Loading,
    Pack,
    Page,
    Statement,
    StepId,
    StepKind,
    TablePlan,
)
from streamer.model.sql import quote_identifier
from streamer.pack import Engine, Layout, chunk_rows, pack_page, step_columns
from streamer.sinks.bad_rows import stored_key
from streamer.sinks.references import Carried, Row, keyed_by, text_of
from streamer.sinks.uniqueness import delete, keys_of

GENERATIONS = 50  # of rows that refer to rows which are gone
MOST_ROWS = 2_000  # of one kind in one request
LOOKUP_KEYS = 500


class TooManyError(Exception):
    """More rows than one request takes."""


class Source(Protocol):
    """Finds rows by key."""

    async def lookup(self, plan: TablePlan, keys: Sequence[Key]) -> list[Page]:
        """The rows that have these keys, in `plan`'s columns; keys that nothing has are left out."""
        ...


class Database(Protocol):
    """Runs statements in one transaction."""

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        """Their results."""
        ...


@slotted
class Fresh:
    """Rows of one table as they are now: `statements` write them, `gone` are keys that nothing has."""

    plan: TablePlan
    layout: Layout
    statements: list[Statement] = field(default_factory=list[Statement])
    rows: list[Row] = field(default_factory=list[Row])
    gone: set[Key] = field(default_factory=set[Key])
    snapshots: set[int] = field(default_factory=set[int])

    @property
    def bytes(self) -> int:
        """About what the statements take in a request."""
        return sum(statement.bytes for statement in self.statements)

    @property
    def keys(self) -> set[Key]:
        """The keys of the rows that there are."""
        return {stored_key(self.layout, row) for row in self.rows}

    @property
    def carried(self) -> Carried:
        """The table, and how the rows are packed."""
        return Carried(self.plan, self.layout)


@frozen
class Leave:
    """How rows go: what refers to them is written as it is by now, `again`, then `deletes` take them.

    `deleted` is how many go from which tables (target names).
    """

    again: Sequence[Fresh] = ()
    deletes: Sequence[Statement] = ()
    deleted: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def statements(self) -> list[Statement]:
        """All of it, in order."""
        return [*(s for fresh in self.again for s in fresh.statements), *self.deletes]


STAY = Leave()
"""No row goes."""


Settle = Callable[[Fresh], Awaitable[object]]
"""Sends what rows refer to and D1 lacks, as far as the source has it and D1 takes it."""


def can_refresh(plan: TablePlan) -> bool:
    """Whether rows of a table can be read again by their key in the target."""
    return plan.key.kind is not KeyKind.PHYSICAL


async def read_again(source: Source, plan: TablePlan, layout: Layout, keys: Iterable[Key]) -> Fresh:
    """What the source has now of the rows with these keys."""
    keyed = keyed_by(plan, plan.key.targets)
    assert keyed is not None, "rows without a key can't be read again"
    keyed = replace(keyed, columns=step_columns(plan, layout.kind))
    wanted = list(dict.fromkeys(keys))
    found = Fresh(plan, layout)
    for start in range(0, len(wanted), LOOKUP_KEYS):
        for page in await source.lookup(keyed, wanted[start : start + LOOKUP_KEYS]):
            found.snapshots.add(page.snapshot)
            for chunk in pack_page(layout, page, step=StepId(0), number=0, after=None):
                found.statements += chunk.statements
                found.rows += chunk_rows(layout, chunk)
    found.gone = set(wanted) - found.keys
    return found


class Leaving:
    """Lets rows go from the target that the source has no more, when nothing refers to them by then.

    What refers to them in the target was read before they went, and is read again: no row is left
    without its parent, and none goes with it that the source still has.
    """

    def __init__(
        self,
        database: Database,
        source: Source,
        tables: Mapping[str, TablePlan],
        *,
        engine: Engine,
    ) -> None:
        self._database = database
        self._source = source
        self._tables = tables
        self._engine = engine

    async def leave(self, plan: TablePlan, gone: set[Key]) -> Leave:
        """How the rows of a table go that have these keys.

        Raises:
            TooManyError: that is more than one request should hold, or can't be known.

        """
        again: list[Fresh] = []
        deletes: list[Statement] = []
        counts: dict[str, int] = {}
        waiting: list[tuple[TablePlan, set[Key]]] = [(plan, gone)] if gone else []
        seen: dict[str, set[Key]] = {}
        for _ in range(GENERATIONS):
            if not waiting:
                return Leave(again, deletes, counts)
            table, keys = waiting.pop()
            keys -= seen.setdefault(table.target, set())
            seen[table.target] |= keys
            if not keys:
                continue
            deletes[:0] = delete(table, table.target, sorted(keys))  # children go first
            counts[table.target] = counts.get(table.target, 0) + len(keys)
            for child, reference in self._children(table):
                referring = await self._referring(table, child, reference, keys)
                if not referring:
                    continue
                fresh = await read_again(self._source, child, self._layout(child), referring)
                again.append(fresh)
                waiting.append((child, fresh.gone))
        raise TooManyError

    def _children(self, parent: TablePlan) -> list[tuple[TablePlan, ForeignKeyPlan]]:
        return [
            (table, key)
            for table in self._tables.values()
            for key in table.foreign_keys
            if key.parent == parent.target
        ]

    def _layout(self, child: TablePlan) -> Layout:
        plan = replace(child, loading=Loading.DIRECT, deferred=())
        return Layout.of(plan, StepKind.ROWS, Pack.JSON, into_stage=False, engine=self._engine)

    async def _referring(
        self, parent: TablePlan, child: TablePlan, reference: ForeignKeyPlan, keys: set[Key]
    ) -> list[Key]:
        """The keys of rows of `child` that refer to the rows of `parent` with these keys."""
        by_target = {column.target: column for column in child.columns}
        if not can_refresh(child) or not by_target.keys() >= set(child.key.targets):
            texts = ["1"]
        else:
            texts = [text_of("c", by_target[name]) for name in child.key.targets]
        same = " AND ".join(
            f"c.{quote_identifier(ours)} = p.{quote_identifier(theirs)}"
            for ours, theirs in zip(reference.columns, reference.parent_columns, strict=True)
        )
        rows = delete(parent, parent.target, sorted(keys))[0]
        condition = rows.sql.partition(" WHERE ")[2]
        answer = await self._database.execute(
            [
                Statement(
                    f"SELECT {', '.join(texts)} FROM (SELECT * FROM "
                    f"{quote_identifier(parent.target)} WHERE {condition}) AS p JOIN "
                    f"{quote_identifier(child.target)} AS c ON {same} LIMIT {MOST_ROWS + 1}",
                    rows.params,
                )
            ]
        )
        found = keys_of(answer.results[0])
        if len(found) > MOST_ROWS or (found and not can_refresh(child)):
            raise TooManyError
        return found


def fits(statements: Sequence[Statement], most_bytes: int) -> bool:
    """Whether one request takes them all, with what must go with them."""
    size = sum(statement.bytes for statement in statements)
    return size <= most_bytes and len(statements) < limits.BATCH_STATEMENTS - 4
