"""Publishes the staged tables of a cycle: all of them in one request, which is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from streamer.d1 import D1Database, RefusedRowsError
from streamer.model import Pack, Statement, StepKind, TablePlan
from streamer.model.sql import quote_identifier
from streamer.pack import Layout, LedgerStep
from streamer.run.survey import Database
from streamer.sinks import Ownership
from streamer.sinks.giving_way import NOTHING, Way
from streamer.sinks.staged import Stages
from streamer.sinks.taking_out import FixedPlacesError

__all__ = ["FixedPlacesError", "drop_stages", "publish", "settle_and_publish"]

TRIES = 20  # of publishing a cycle while its source goes on changing


async def settle_and_publish(
    database: D1Database, ownership: Ownership, cycle: Sequence[TablePlan], stages: Stages
) -> None:
    """Publish a cycle, whose `stages` are made fit for it where D1 refuses; may be repeated.

    Raises:
        BadRowsError: D1 doesn't take them, as the source has them now.
        FixedPlacesError: tables without a key must be read again.

    """
    for left in reversed(range(TRIES)):
        try:
            await publish(database, ownership, cycle, await stages.making_way())
        except RefusedRowsError as error:
            if not left or not await stages.mend(error, database.batch_bytes):
                raise await stages.unmended(error) from None
        else:
            return


async def publish(
    database: Database, ownership: Ownership, cycle: Sequence[TablePlan], way: Way = NOTHING
) -> None:
    """Copy the rows of all staging tables of `cycle` to where they belong; may be repeated.

    Rows of the target make `way` for them in the same request. Only D1's deferral of foreign keys,
    which lasts for one request, lets rows in that refer to each other without NULLs.
    """
    copies = [
        Statement.of(
            Layout.of(table, StepKind.ROWS, Pack.JSON, into_stage=False).copy_sql(table.stage)
        )
        for table in cycle
    ]
    deferred = Statement.of("PRAGMA defer_foreign_keys=on")
    guards = _guards(ownership, {*way.tables, *(table.target for table in cycle)})
    await database.execute([deferred, *way.statements, *copies, *guards])


async def drop_stages(database: Database, ownership: Ownership, cycle: Sequence[TablePlan]) -> None:
    """Drop the staging tables of a cycle that is published."""
    drops = [
        Statement.of(f"DROP TABLE IF EXISTS {quote_identifier(table.stage)}") for table in cycle
    ]
    await database.execute([*drops, *_guards(ownership, [table.target for table in cycle])])


def _guards(ownership: Ownership, tables: Collection[str]) -> list[Statement]:
    """What fails a request of ours that is executed late, when a later run has stages there."""
    return [ownership.guard(LedgerStep(table, StepKind.ROWS)) for table in tables]
