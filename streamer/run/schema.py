"""Makes the target's tables, and empties those that a run replaces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from streamer import limits
from streamer.model import Key, KeyKind, Loading, Statement, TablePlan
from streamer.model.sql import quote_identifier
from streamer.run.survey import Database, Survey

EMPTY_ROWS = 50_000  # rows deleted in one request, far below D1's 30 s
STATEMENTS = limits.BATCH_STATEMENTS - 1  # of one request; one more says whether it comes too late


def repeatable(ddl: str) -> str:
    """The CREATE statement `ddl` in a form that may be sent again after a lost answer."""
    for head in ("CREATE TABLE ", "CREATE UNIQUE INDEX ", "CREATE INDEX ", "CREATE VIEW "):
        if ddl.startswith(head) and not ddl.startswith(f"{head}IF NOT EXISTS "):
            return f"{head}IF NOT EXISTS {ddl[len(head) :]}"
    return ddl


def schema_statements(table: TablePlan) -> list[Statement]:
    """What makes `table`, its staging table and the indexes that must be there before rows."""
    ddl = [table.create_sql, *(index.sql for index in table.indexes if index.early)]
    return [*(Statement.of(repeatable(sql)) for sql in ddl), *_stage_statements(table)]


def _stage_statements(table: TablePlan) -> list[Statement]:
    """What makes the staging table; an abandoned run may have left one with rows: it goes first."""
    if not table.stage_sql:
        return []
    dropped = Statement.of(f"DROP TABLE IF EXISTS {quote_identifier(table.stage)}")
    return [dropped, Statement.of(repeatable(table.stage_sql))]


async def create(database: Database, tables: Iterable[TablePlan]) -> None:
    """Make all tables, many in one request; those that are there already stay as they are."""
    await _send_together(database, map(schema_statements, tables))


async def create_stages(database: Database, tables: Iterable[TablePlan]) -> None:
    """Make the staging tables alone: they are the run's own, whoever makes the tables."""
    await _send_together(database, map(_stage_statements, tables))


async def _send_together(database: Database, groups: Iterable[Sequence[Statement]]) -> None:
    """Send statements, many in one request; a group stays together."""
    pending: list[Statement] = []
    for statements in groups:
        if len(pending) + len(statements) > STATEMENTS:
            await database.execute(pending)
            pending = []
        pending += statements
    if pending:
        await database.execute(pending)


async def remove(database: Database, seen: Survey, tables: Sequence[str]) -> None:
    """Drop `tables` (target names) with all their rows, in one request; children first.

    A parent that nothing refers to any more goes without a look at its rows.
    """
    left, drops = list(tables), list[Statement]()
    while left:
        free = [t for t in left if not seen.children_of(t) & (set(left) - {t})]
        for name in free or left:
            drops.append(Statement.of(f"DROP TABLE IF EXISTS {quote_identifier(name)}"))
            left.remove(name)
    await database.execute([Statement.of("PRAGMA defer_foreign_keys=on"), *drops])


async def empty(database: Database, tables: Sequence[TablePlan]) -> None:
    """Delete all rows of `tables`, which are in load order; children first, in small requests."""
    await cut_edges(database, [table for table in tables if table.loading is Loading.TWO_PASS])
    for table in reversed(tables):
        if table.loading is not Loading.STAGED:
            await _until_gone(database, *_delete_some(table))
        elif table == next(other for other in tables if other.cycle == table.cycle):
            # The first of a cycle, so the last one here: whoever refers to any of them is empty.
            await _empty_cycle(database, [t for t in tables if t.cycle == table.cycle])


async def cut_edges(database: Database, tables: Sequence[TablePlan]) -> None:
    """Take back what the second pass set in `tables`, which all have one, in small requests."""
    for table in tables:
        await _until_gone(database, *_cut_edges(table))


async def empty_behind(database: Database, table: TablePlan, last: Key | None) -> None:
    """Delete the rows of a table without a key that lie behind the position `last` (None: all).

    A run that was killed leaves rows there that it had no time to write down. Those that changed
    since have moved to another place in the source, and nothing would ever overwrite them.
    """
    # What is staged isn't published yet.
    name, row = quote_identifier(table.stage or table.target), quote_identifier(table.key.rowid)
    some = f"FROM {name} WHERE {row} > {int(last[0]) if last else 0}"
    await _until_gone(
        database,
        f"DELETE FROM {name} WHERE {row} IN (SELECT {row} {some} LIMIT {EMPTY_ROWS})",
        f"SELECT EXISTS (SELECT 1 {some})",
    )


async def _until_gone(database: Database, act: str, left: str) -> None:
    while True:
        answer = await database.execute([Statement.of(act), Statement.of(left)])
        if not answer.results[1].rows[0][0]:
            return


def _identity(table: TablePlan) -> str:
    """What a row is picked by: its key, or its row number where there is none."""
    if table.key.kind is KeyKind.PHYSICAL:
        return quote_identifier(table.key.rowid)
    return ", ".join(quote_identifier(name) for name in table.key.targets)


def _delete_some(table: TablePlan) -> tuple[str, str]:
    name, row = quote_identifier(table.target), _identity(table)
    return (
        f"DELETE FROM {name} WHERE ({row}) IN (SELECT {row} FROM {name} LIMIT {EMPTY_ROWS})",
        f"SELECT EXISTS (SELECT 1 FROM {name})",
    )


def _cut_edges(table: TablePlan) -> tuple[str, str]:
    name, row = quote_identifier(table.target), _identity(table)
    columns = [quote_identifier(column) for column in table.deferred]
    nulls = ", ".join(f"{column} = NULL" for column in columns)
    some = " OR ".join(f"{column} IS NOT NULL" for column in columns)
    picked = f"SELECT {row} FROM {name} WHERE {some} LIMIT {EMPTY_ROWS}"
    return (
        f"UPDATE {name} SET {nulls} WHERE ({row}) IN ({picked})",
        f"SELECT EXISTS (SELECT 1 FROM {name} WHERE {some})",
    )


async def _empty_cycle(database: Database, tables: Sequence[TablePlan]) -> None:
    """Rows that refer to each other without NULLs can only go together."""
    deletes = [Statement.of(f"DELETE FROM {quote_identifier(t.target)}") for t in tables]
    await database.execute([Statement.of("PRAGMA defer_foreign_keys=on"), *deletes])
