"""Asks PostgreSQL about the user's own SQL before anything is read with it."""

from __future__ import annotations

import asyncpg

from streamer.errors import UsageError
from streamer.model import Catalog, Finding, OwnSql, QualifiedName, Severity, Shaping, Table
from streamer.plan.resolve import resolved
from streamer.plan.source_sql import from_sql
from streamer.postgres.catalog_types import read_types
from streamer.postgres.connect import Session
from streamer.postgres.failures import sqlstate
from streamer.postgres.fragments import fragment_problem
from streamer.postgres.steadiness import is_momentary, is_volatile

_HINT = (
    "It is PostgreSQL's SQL over the columns of one row, which is called t; whatever isn't built in "
    "needs its schema written before it."
)
_MOMENT_CHOOSES = (
    "its `where` speaks of the time or the session: each reading, and a resume, may choose other rows",
    "Write the moment as a constant: timestamptz '2024-01-15 00:00+00'",
)
_UNSTEADY = (
    "its expression may give another value each time that a row is read: nobody can compare it",
    "Make it of the row's own columns",
)
# Classes of SQLSTATE in which PostgreSQL speaks of the statement, not of the rows or of itself:
# postgresql.org/docs/18/errcodes-appendix.html, 2026-11-22.
_OURS_TO_SAY = ("42", "22", "0A", "21")


async def read_own_sql(session: Session, shaping: Shaping, catalog: Catalog) -> OwnSql:
    """What type each `expression` of `shaping` has, and which of its SQL isn't steady.

    Statements are only prepared and planned, so no row is read. PostgreSQL doesn't tell modifiers
    here: a `numeric(10,2)` is a numeric of any size. Settings that fit no table are whoever plans'
    to say.

    Raises:
        UsageError: an `expression` or a `where` isn't SQL that says something about one row of its
            table, or a `where` may choose other rows each time; all of them at once.

    """
    options, _ = resolved(catalog.tables, shaping)
    tables = {table.name: table for table in catalog.tables}
    oids: dict[tuple[QualifiedName, str], int] = {}
    problems: list[str] = []
    said: list[tuple[QualifiedName, Finding]] = []
    momentary: set[QualifiedName] = set()
    for name, asked in options.items():
        table = tables[name]
        if asked.where:
            problem = await _where_problem(session, table, asked.where)
            problems += [f"{name}, where: {problem}."] if problem else []
            if is_momentary(asked.where):
                momentary.add(name)
                said.append((name, Finding(Severity.WARNING, str(name), *_MOMENT_CHOOSES)))
        for column, wanted in asked.column.items():
            sql = wanted.expression
            if not sql:
                continue
            # A condition takes nothing that makes one row of many, or many of one.
            query = f"SELECT ({sql}) AS c0 {_from(table, f'({sql}) IS NULL')}"
            oid, problem = await _prepared(session, query, sql)
            problems += [f"{name}.{column}, expression: {problem}."] if problem else []
            oids[name, column] = oid
            if not problem and (is_momentary(sql) or await is_volatile(session, table, sql)):
                said.append((name, Finding(Severity.WARNING, f"{name}.{column}", *_UNSTEADY)))
    if problems:
        raise UsageError("\n".join(problems), hint=_HINT)
    version = catalog.source.server_version
    types = await read_types(session, {(oid, -1) for oid in oids.values()}, version)
    return OwnSql(
        {place: types[oid, -1] for place, oid in oids.items()}, tuple(said), frozenset(momentary)
    )


async def _where_problem(session: Session, table: Table, where: str) -> str:
    _, problem = await _prepared(session, f"SELECT {_from(table, where)}", where)
    if problem or not await is_volatile(session, table, where):
        return problem
    return (
        "it isn't true of the same rows each time, for it calls a function that is VOLATILE: rows"
        " would be left out in between. Choose by the key, as in hashtext(t.id::text) % 10 = 0, or"
        " declare the function STABLE if it is"
    )


def _from(table: Table, condition: str) -> str:
    return f"FROM {from_sql(table)} WHERE ({condition})"


async def _prepared(session: Session, query: str, fragment: str) -> tuple[int, str]:
    """The type of the query's only output (0 where it has none), and what is wrong with it."""
    if problem := fragment_problem(fragment):
        return 0, problem
    await session.execute("SAVEPOINT before")
    try:
        # Without a name, so that nothing of it stays with a pooler's connection.
        statement = await session.prepare(query, name="")
    except asyncpg.PostgresError as error:
        if sqlstate(error)[:2] not in _OURS_TO_SAY:
            raise
        await session.execute("ROLLBACK TO SAVEPOINT before")
        return 0, f"PostgreSQL says: {str(error).partition(chr(10))[0].rstrip('.')}"
    outputs = statement.get_attributes()
    return (outputs[0].type.oid if outputs else 0), ""
