"""Asks PostgreSQL about the user's own SQL before anything is read with it."""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

from streamer.errors import UsageError
from streamer.model import Catalog, PgType, QualifiedName, Shaping, Table
from streamer.plan.resolve import resolved
from streamer.postgres.catalog_types import read_types
from streamer.postgres.connect import Session
from streamer.postgres.failures import sqlstate
from streamer.postgres.fragments import fragment_problem
from streamer.postgres.reader_sql import from_sql

ExpressionTypes = Mapping[tuple[QualifiedName, str], PgType]

_HINT = (
    "It is PostgreSQL's SQL over the columns of one row, which is called t; whatever isn't built in "
    "needs its schema written before it."
)
# Classes of SQLSTATE in which PostgreSQL speaks of the statement, not of the rows or of itself:
# postgresql.org/docs/18/errcodes-appendix.html, 2026-11-22.
_OURS_TO_SAY = ("42", "22", "0A", "21")


async def read_expression_types(
    session: Session, shaping: Shaping, catalog: Catalog
) -> ExpressionTypes:
    """What type each `expression` of `shaping` has, by table and column.

    Statements are only prepared, so no row is read. PostgreSQL doesn't tell modifiers here: a
    `numeric(10,2)` is a numeric of any size. Settings that fit no table are whoever plans' to say.

    Raises:
        UsageError: an `expression` or a `where` isn't SQL that says something about one row of its
            table; all of them at once.

    """
    options, _ = resolved(catalog.tables, shaping)
    tables = {table.name: table for table in catalog.tables}
    oids: dict[tuple[QualifiedName, str], int] = {}
    problems: list[str] = []
    for name, asked in options.items():
        table = tables[name]
        if asked.where:
            _, problem = await _prepared(
                session, f"SELECT {_from(table, asked.where)}", asked.where
            )
            problems += [f"{name}, where: {problem}."] if problem else []
        for column, wanted in asked.column.items():
            sql = wanted.expression
            if not sql:
                continue
            # A condition takes nothing that makes one row of many, or many of one.
            query = f"SELECT ({sql}) AS c0 {_from(table, f'({sql}) IS NULL')}"
            oid, problem = await _prepared(session, query, sql)
            problems += [f"{name}.{column}, expression: {problem}."] if problem else []
            oids[name, column] = oid
    if problems:
        raise UsageError("\n".join(problems), hint=_HINT)
    if not oids:
        return {}
    types = await read_types(session, {(oid, -1) for oid in oids.values()})
    return {place: types[oid, -1] for place, oid in oids.items()}


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
