"""Makes the target's tables, and empties those that a run replaces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from streamer import limits
from streamer.model import ForeignKeyPlan, Key, KeyKind, Loading, Statement, TablePlan
from streamer.model.sql import quote_identifier
from streamer.pack import Reference, without_lookups
from streamer.run.survey import Database, Survey

_KEYS_TO = """\
SELECT m.name, f.id, f."from" FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f
WHERE m.type = 'table' AND m.name IN (SELECT value FROM json_each(?1))
AND lower(f."table") IN (SELECT lower(value) FROM json_each(?2)) ORDER BY m.name, f.id, f.seq"""

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
    """Drop `tables` (target names) with all their rows; children first, the drops in one request.

    A parent that nothing refers to any more goes without a look at its rows. Tables that refer to
    themselves or each other are emptied first, with what refers to them, since a table is dropped as
    slowly as it is emptied.
    """
    left, gone, tangled = list(tables), list[str](), list[str]()
    while left:
        free = [t for t in left if not seen.children_of(t) & (set(left) - {t})]
        tangled += filter(seen.refers_to_itself, free) if free else left
        gone += free or left
        left = [name for name in left if name not in gone]
    if tangled:
        last = max(map(gone.index, tangled))
        await _empty_tangled(database, gone[: last + 1], tangled)
    drops = [f"DROP TABLE IF EXISTS {quote_identifier(name)}" for name in gone]
    await database.execute(list(map(Statement.of, ("PRAGMA defer_foreign_keys=on", *drops))))


async def _empty_tangled(database: Database, names: Sequence[str], tangled: Sequence[str]) -> None:
    """Delete the rows of `names`, children first; by which keys they refer, only the target knows."""
    params = [orjson.dumps(some).decode() for some in (names, tangled)]
    answer = await database.execute([Statement.of(_KEYS_TO, *params)])
    columns: dict[tuple[str, str], list[str]] = {}
    for child, number, column in answer.results[0].table(3):
        columns.setdefault((str(child), str(number)), []).append(str(column))
    await _delete_together(
        database, names, [Reference(child, (*some,)) for (child, _), some in columns.items()]
    )


async def empty(database: Database, tables: Sequence[TablePlan]) -> None:
    """Delete all rows of `tables`, which are in load order; children first, in small requests."""
    for table in tables:
        if table.loading is Loading.TWO_PASS:
            await _until_gone(database, *_cut_edges(table))
    for table in reversed(tables):
        if table.loading is not Loading.STAGED:
            cut = [one for child in tables for one in _cut_references(child, table.target)]
            await _until_gone(database, *_delete_some(table), cut)
        elif table == next(other for other in tables if other.cycle == table.cycle):
            # The first of a cycle, so the last one here: whoever refers to any of them is empty.
            await _empty_cycle(database, [t for t in tables if t.cycle == table.cycle])


async def empty_behind(database: Database, table: TablePlan, last: Key | None) -> None:
    """Delete the rows of a table without a key that lie behind the position `last` (None: all).

    A run that was killed leaves rows there that it had no time to write down. Those that changed
    since have moved to another place in the source, and nothing would ever overwrite them.
    """
    # What is staged isn't published yet.
    name, row = quote_identifier(table.stage or table.target), quote_identifier(table.key.rowid)
    some = f"FROM {name} WHERE {_is_behind(table, last)}"
    await _until_gone(
        database,
        f"DELETE FROM {name} WHERE {row} IN (SELECT {row} {some} LIMIT {EMPTY_ROWS})",
        f"SELECT EXISTS (SELECT 1 {some})",
    )


async def is_there_behind(database: Database, table: TablePlan, last: Key | None) -> bool:
    """Whether rows of a table without a key lie behind the position `last` (None: whether any do)."""
    name = quote_identifier(table.target)
    some = f"SELECT EXISTS (SELECT 1 FROM {name} WHERE {_is_behind(table, last)})"
    answer = await database.execute([Statement.of(some)])
    return bool(answer.results[0].number)


async def let_go(
    database: Database, child: TablePlan, parents: Sequence[TablePlan], *, behind: Key | None = None
) -> None:
    """Set to NULL what refers, in `child`, to rows of `parents`, in small requests.

    With `behind`, parents have no key, and the rows are those behind this position. References
    that can't be NULL stay.
    """
    by_name = {parent.target: parent for parent in parents}
    for key in child.foreign_keys:
        if key.parent in by_name and loose_columns(child, key):
            await _until_gone(database, *_let_go(child, key, by_name[key.parent], behind))


def loose_columns(table: TablePlan, key: ForeignKeyPlan) -> list[str]:
    """The columns of a foreign key that let go of a parent: what a second pass sets, else any
    that may be NULL.
    """
    optional = {column.target for column in table.columns if not column.not_null}
    deferred = [name for name in key.columns if name in table.deferred]
    return deferred or [name for name in key.columns if name in optional]


async def _until_gone(
    database: Database, act: str, left: str, cut: Sequence[Reference] = ()
) -> None:
    statements = [Statement.of(sql) for sql in (*without_lookups([act], cut), left)]
    while True:
        answer = await database.execute(statements)
        if not answer.results[-1].number:
            return


def _identity(table: TablePlan, of: str = "") -> str:
    """What a row is picked by: its key, or its row number where there is none."""
    names = [table.key.rowid] if table.key.kind is KeyKind.PHYSICAL else table.key.targets
    return ", ".join(f"{of}{quote_identifier(name)}" for name in names)


def _is_behind(table: TablePlan, last: Key | None) -> str:
    """The condition for rows of a table without a key behind a position; None: all."""
    return f"{quote_identifier(table.key.rowid)} > {int(last[0])}" if last else "1"


def _let_go(
    child: TablePlan, key: ForeignKeyPlan, parent: TablePlan, behind: Key | None
) -> tuple[str, str]:
    name, row = quote_identifier(child.target), _identity(child)
    nulls = ", ".join(f"{quote_identifier(c)} = NULL" for c in loose_columns(child, key))
    there = f"p.{quote_identifier(parent.key.rowid)} > {int(behind[0])}" if behind else "1"
    # The parent's side first: foreign keys compare by its collation.
    same = " AND ".join(
        f"p.{quote_identifier(theirs)} = c.{quote_identifier(ours)}"
        for theirs, ours in zip(key.parent_columns, key.columns, strict=True)
    )
    some = f"FROM {quote_identifier(parent.target)} AS p, {name} AS c WHERE {there} AND {same}"
    picked = f"SELECT {_identity(child, 'c.')} {some} LIMIT {EMPTY_ROWS}"
    return (
        f"UPDATE {name} SET {nulls} WHERE ({row}) IN ({picked})",
        f"SELECT EXISTS (SELECT 1 {some})",
    )


def _delete_some(table: TablePlan) -> tuple[str, str]:
    name, row = quote_identifier(table.target), _identity(table)
    return (
        f"DELETE FROM {name} WHERE ({row}) IN (SELECT {row} FROM {name} LIMIT {EMPTY_ROWS})",
        f"SELECT EXISTS (SELECT 1 FROM {name})",
    )


def _cut_references(child: TablePlan, parent: str) -> list[Reference]:
    """What refers to `parent` by columns that are NULL once the edges of `child` are cut."""
    if child.loading is not Loading.TWO_PASS:
        return []
    return [
        Reference(child.target, key.columns, cut[0])
        for key in child.foreign_keys
        if key.parent == parent
        and (cut := [name for name in key.columns if name in child.deferred])
    ]


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
    names = [table.target for table in tables]
    inside = [
        Reference(child.target, key.columns)
        for child in tables
        for key in child.foreign_keys
        if key.parent in names
    ]
    await _delete_together(database, names, inside)


async def _delete_together(
    database: Database, names: Sequence[str], inside: Sequence[Reference]
) -> None:
    deletes = [f"DELETE FROM {quote_identifier(name)}" for name in names]
    acts = ["PRAGMA defer_foreign_keys=on", *without_lookups(deletes, inside)]
    await database.execute([Statement.of(sql) for sql in acts])
