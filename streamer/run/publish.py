"""Publishes the staged tables of a cycle: all of them in one request, which is one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.model import Pack, Statement, StepKind, TablePlan
from streamer.model.sql import quote_identifier
from streamer.pack import Layout, LedgerStep
from streamer.run.survey import Database
from streamer.sinks import Ownership


async def publish(database: Database, ownership: Ownership, cycle: Sequence[TablePlan]) -> None:
    """Copy the rows of all staging tables of `cycle` to where they belong; may be repeated.

    Only D1's deferral of foreign keys, which lasts for one request, lets rows in that refer to
    each other without NULLs.
    """
    copies = [
        Statement.of(
            Layout.of(table, StepKind.ROWS, Pack.JSON, into_stage=False).copy_sql(table.stage)
        )
        for table in cycle
    ]
    deferred = Statement.of("PRAGMA defer_foreign_keys=on")
    await database.execute([deferred, *copies, *_guards(ownership, cycle)])


async def drop_stages(database: Database, ownership: Ownership, cycle: Sequence[TablePlan]) -> None:
    """Drop the staging tables of a cycle that is published."""
    drops = [
        Statement.of(f"DROP TABLE IF EXISTS {quote_identifier(table.stage)}") for table in cycle
    ]
    await database.execute([*drops, *_guards(ownership, cycle)])


def _guards(ownership: Ownership, cycle: Sequence[TablePlan]) -> list[Statement]:
    """What fails a request of ours that is executed late, when a later run has stages there."""
    return [ownership.guard(LedgerStep(table.target, StepKind.ROWS)) for table in cycle]
