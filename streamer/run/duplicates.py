"""Rows that share what may be there once, since some of them aren't as the source has them now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from streamer import limits
from streamer.d1 import RefusedRowsError, TooLargeError
from streamer.model import Key, Loading, Pack, Statement, StepKind, TablePlan
from streamer.pack import Layout, LedgerStep
from streamer.run.survey import Database
from streamer.sinks import Leaving, Ownership
from streamer.sinks.ahead import Source, TooManyError
from streamer.sinks.refresh import Fresh, can_refresh, fits, read_again
from streamer.sinks.uniqueness import Unique, delete, duplicates, keys_of

AT_ONCE = 500  # rows that are read again and written in one request
ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Reads rows again that share what may be there once, and writes them as they are now.

    `deleted` writes down, before it happens, how many rows of tables (target names) may go.
    """

    database: Database
    ownership: Ownership
    source: Source
    leaving: Leaving
    deleted: Callable[[Mapping[str, int]], Awaitable[None]]
    exact_floats: bool

    async def mend(self, table: TablePlan, unique: Unique, *, staged: bool = False) -> bool:
        """Whether no rows of the table, or of its staging table, share it any more."""
        if not unique.terms or not can_refresh(table):
            return False
        plan = table if staged else replace(table, loading=Loading.DIRECT, deferred=())
        into_stage = staged and bool(table.stage)
        layout = Layout.of(
            plan,
            StepKind.ROWS,
            Pack.JSON,
            into_stage=into_stage,
            exact_floats=self.exact_floats,
        )
        seen: set[Key] = set()
        for _ in range(ROUNDS):
            question = duplicates(plan, layout.table, unique, AT_ONCE)
            try:
                keys = set(keys_of((await self.database.execute([question])).results[0]))
                if not keys:
                    return True
                if keys <= seen:
                    return False
                seen |= keys
                await self._write(
                    await read_again(self.source, plan, layout, keys), into_stage=into_stage
                )
            except (RefusedRowsError, TooLargeError, TooManyError):
                return False
        return False

    async def _write(self, fresh: Fresh, *, into_stage: bool) -> None:
        statements: Sequence[Statement] = fresh.statements
        touched = {fresh.plan.target}
        if into_stage:
            statements = [*statements, *delete(fresh.plan, fresh.layout.table, sorted(fresh.gone))]
            if fresh.gone:
                await self.deleted({fresh.plan.target: len(fresh.gone)})
        else:
            leave, deleted = await self.leaving.statements(fresh.plan, fresh.gone)
            statements = [*leave, *statements]
            touched |= deleted.keys()
            if deleted:
                await self.deleted(deleted)
        if not fits(statements, limits.BATCH_BYTES_MAX):
            raise TooManyError
        guards = [self.ownership.guard(LedgerStep(name, StepKind.ROWS)) for name in touched]
        deferred = Statement("PRAGMA defer_foreign_keys=on")
        await self.database.execute([deferred, *statements, *guards])
