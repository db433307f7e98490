"""Tries a plan's DDL on a scratch SQLite, before anything is sent: what D1 won't take is left out.

SQLite accepts a CREATE TABLE whose default or CHECK calls an unknown function; only the first
INSERT fails. So every table gets two rows here, one of its defaults and one of plain values.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportAttributeAccessIssue=false
# apsw's stubs name a type that they don't define.

from __future__ import annotations

from collections.abc import Callable, Iterator

import apsw

from streamer import limits
from streamer.model import Clause, Plan, Storage, TablePlan
from streamer.model.sql import quote_identifier

# What D1's authorizer lets through of the functions that translations may use; workerd 1.20261117.1.
_FUNCTIONS = frozenset(
    word
    for line in (
        "abs ceil char coalesce concat concat_ws current_date current_time current_timestamp date",
        "datetime exp floor format glob hex ifnull iif instr json json_array json_array_length",
        "json_each json_extract json_group_array json_group_object json_object json_quote json_type",
        "json_valid julianday length like ln log lower ltrim max min mod nullif octet_length pow",
        "printf quote random randomblob replace round rtrim sign sqrt strftime substr substring",
        "time timediff trim trunc typeof unhex unicode unixepoch upper -> ->> avg count",
        "group_concat string_agg sum total row_number rank dense_rank percent_rank cume_dist ntile",
        "lag lead first_value last_value nth_value",
    )
    for word in line.split()
)
_LIMITS = {
    apsw.SQLITE_LIMIT_COLUMN: limits.COLUMNS,
    apsw.SQLITE_LIMIT_SQL_LENGTH: limits.STATEMENT_BYTES,
    apsw.SQLITE_LIMIT_LENGTH: limits.VALUE_BYTES,
    apsw.SQLITE_LIMIT_VARIABLE_NUMBER: limits.PARAMETERS,
    apsw.SQLITE_LIMIT_EXPR_DEPTH: 100,
    apsw.SQLITE_LIMIT_COMPOUND_SELECT: 5,
    apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
}
# '1' is JSON too, so that a CHECK on a document doesn't fail for what the sample is.
_SAMPLES = {
    Storage.INTEGER: "1",
    Storage.REAL: "1.5",
    Storage.TEXT: "'1'",
    Storage.BLOB: "x'31'",
}
_PROBE = "_streamer_probe"


def tried(make: Callable[[frozenset[str]], Plan]) -> Plan:
    """The plan that `make` gives without what D1 turns out not to take.

    `make` is given the objects to leave out (as findings name them), first none.
    """
    refused: frozenset[str] = frozenset()
    while True:
        plan = make(refused)
        found = failing(plan) - refused
        if not found:
            return plan
        refused |= found


def failing(plan: Plan) -> frozenset[str]:
    """What of the plan D1 won't take: defaults, CHECKs, generated columns, indexes, views."""
    database = _scratch()
    try:
        bad = {name for table in plan.tables for name in _of_table(database, table)}
        for view in plan.views:
            looked_at = f"SELECT * FROM {quote_identifier(view.target)}"
            if not all(_taken(database, sql) for sql in (view.create_sql, looked_at)):
                bad.add(str(view.source))
    finally:
        database.close()
    return frozenset(bad)


def _scratch() -> apsw.Connection:
    database = apsw.Connection(":memory:")
    for limit, value in _LIMITS.items():
        database.limit(limit, value)
    database.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    database.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    database.execute("PRAGMA foreign_keys = off")  # parents have no rows here
    database.authorizer = _authorize
    return database


def _authorize(
    action: int, _first: str | None, second: str | None, _schema: str | None, _trigger: str | None
) -> int:
    unknown = action == apsw.SQLITE_FUNCTION and (second or "").lower() not in _FUNCTIONS
    return apsw.SQLITE_DENY if unknown else apsw.SQLITE_OK


def _of_table(database: apsw.Connection, table: TablePlan) -> Iterator[str]:
    if not _taken(database, table.create_sql):
        yield from _guilty(database, table)
        return
    if not all(_taken(database, sql) for sql in _rows(table, table.target)):
        yield from _guilty(database, table)
    for index in table.indexes:
        if not _taken(database, index.sql):
            yield index.object
    for sql in table.after_sql:
        _taken(database, sql)


def _guilty(database: apsw.Connection, table: TablePlan) -> list[str]:
    """Which clauses of the table fail alone; all where none of them does."""
    alone = [c.object for c in table.clauses if not _alone(database, table, c)]
    return alone or [clause.object for clause in table.clauses]


def _alone(database: apsw.Connection, table: TablePlan, clause: Clause) -> bool:
    """Whether D1 takes a table with the same columns and no other clause."""
    storage = {column.target: column.storage.value for column in table.columns}
    parts = [
        f"{quote_identifier(name)} {storage.get(name, 'TEXT')}"
        + (f" {clause.sql}" if name == clause.column else "")
        for name in (*storage, *table.generated)
    ]
    if not clause.column:
        parts.append(clause.sql)
    ending = " STRICT" if table.create_sql.endswith("STRICT") else ""
    create = f"CREATE TABLE {_PROBE} ({', '.join(parts)}){ending}"
    try:
        return all(_taken(database, sql) for sql in (create, *_rows(table, _PROBE)))
    finally:
        database.execute(f"DROP TABLE IF EXISTS {_PROBE}")


def _rows(table: TablePlan, name: str) -> Iterator[str]:
    """INSERTs of a row with all defaults there are, and of one of plain values."""
    defaults = {c.column for c in table.clauses if c.sql.startswith("DEFAULT ")}
    without = [column for column in table.columns if column.target not in defaults]
    for columns in (without, table.columns):
        names = ", ".join(quote_identifier(column.target) for column in columns)
        values = ", ".join(_SAMPLES[column.storage] for column in columns)
        row = f"({names}) VALUES ({values})" if columns else "DEFAULT VALUES"
        yield f"INSERT INTO {quote_identifier(name)} {row}"


def _taken(database: apsw.Connection, sql: str) -> bool:
    """Whether SQLite carries `sql` out; a constraint that a row breaks is at work as it should."""
    try:
        database.execute(sql).fetchall()
    except apsw.ConstraintError as error:
        return error.extendedresult != apsw.SQLITE_CONSTRAINT_DATATYPE
    except apsw.Error:
        return False
    return True
