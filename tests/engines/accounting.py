"""Proves of a plan that nothing of the source's schema is lost in silence.

The source's catalog is read here by queries of our own. Each constraint, default, index, trigger,
rule and policy must be found in the target's DDL or be named by a finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apsw

from streamer.model import Plan, TablePlan
from streamer.model.sql import quote_identifier
from tests.engines.postgres import Database

_OBJECTS = """
SELECT n.nspname || '.' || c.relname AS table, o.kind, o.name, o.columns
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT 'constraint ' || k.contype::text AS kind, k.conname::text AS name,
           ARRAY(SELECT a.attname::text FROM pg_attribute AS a
                 WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey)) AS columns
    FROM pg_constraint AS k
    WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x') AND k.conparentid = 0
    UNION ALL
    SELECT 'domain check', k.conname::text, ARRAY[a.attname::text]
    FROM pg_attribute AS a
    JOIN pg_constraint AS k ON k.contypid = a.atttypid AND k.contype = 'c'
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT CASE WHEN a.attgenerated <> '' THEN 'generated'
                WHEN a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%'
                THEN 'sequence' ELSE 'default' END, a.attname::text, NULL
    FROM pg_attribute AS a
    JOIN pg_type AS t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      AND (d.oid IS NOT NULL OR a.attidentity <> '' OR t.typdefault IS NOT NULL AND t.typtype = 'd')
      AND coalesce(pg_get_expr(d.adbin, d.adrelid), '') NOT LIKE 'NULL::%'
    UNION ALL
    SELECT 'index', i.relname::text, NULL
    FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
    WHERE x.indrelid = c.oid AND NOT x.indisprimary AND NOT x.indisexclusion
    UNION ALL
    SELECT 'trigger', g.tgname::text, NULL
    FROM pg_trigger AS g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal
    UNION ALL
    SELECT 'rule', r.rulename::text, NULL
    FROM pg_rewrite AS r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN'
    UNION ALL
    SELECT 'row security', '', NULL WHERE c.relrowsecurity
    UNION ALL
    SELECT 'partitions', '', NULL WHERE c.relkind = 'p'
    UNION ALL
    SELECT 'collation', a.attname::text, NULL
    FROM pg_attribute AS a
    JOIN pg_type AS t ON t.oid = a.atttypid
    JOIN pg_collation AS l ON l.oid = a.attcollation
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attcollation <> t.typcollation AND l.collname NOT IN ('C', 'POSIX', 'ucs_basic')
) AS o
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""


@dataclass(frozen=True, slots=True)
class _Object:
    """Something of a source table; `name` is '' where the table itself is meant."""

    table: str
    kind: str
    name: str
    columns: tuple[str, ...]

    @property
    def finding(self) -> str:
        return f"{self.table}.{self.name}" if self.name else self.table


@dataclass(frozen=True, slots=True)
class Accounts:
    """How many objects the source has, and a line for each that nothing is said of."""

    objects: int
    missing: tuple[str, ...]


async def accounts(database: Database, plan: Plan) -> Accounts:
    """Look for every object of the plan's tables in its DDL and findings."""
    tables = {str(table.name): table for table in plan.tables}
    said = {finding.object for finding in plan.findings}
    target = _made(plan)
    objects = [
        _Object(row["table"], row["kind"], row["name"], tuple(row["columns"] or ()))
        for row in await database.fetch(_OBJECTS)
    ]
    mine = [found for found in objects if found.table in tables]
    missing = [
        f"{found.kind} {found.finding}"
        for found in mine
        if found.finding not in said and not _carried(target, tables[found.table], found)
    ]
    return Accounts(len(mine), tuple(missing))


def _made(plan: Plan) -> apsw.Connection:
    """The plan's tables and indexes in SQLite."""
    database = apsw.Connection(":memory:")
    for table in plan.tables:
        database.execute(table.create_sql)
        for index in table.indexes:
            database.execute(index.sql)
    return database


def _carried(target: apsw.Connection, table: TablePlan, found: _Object) -> bool:
    """Whether the target's table has it; triggers and the like it never has."""
    columns = {c.source: c.target for c in table.columns}
    name = quote_identifier(table.target)
    info = {row[1]: row for row in target.execute(f"PRAGMA table_xinfo({name})")}
    has = False
    match found.kind:
        case "constraint c" | "domain check":
            has = f"CONSTRAINT {quote_identifier(found.name)} CHECK" in table.create_sql
        case "constraint f":
            has = set(found.columns) in _foreign_keys(target, name)
        case "constraint p":
            keys = [{n for n, row in info.items() if row[5]}, *_unique(target, name)]
            has = {columns[c] for c in found.columns} in keys
        case "constraint u" | "index":
            has = any(index.object == found.finding for index in table.indexes)
        case "default":
            has = info[columns[found.name]][4] is not None
        case "generated":
            has = info[found.name][6] in {2, 3}
        case "sequence":  # the row's number
            has = info[columns[found.name]][5] == 1 and "INTEGER PRIMARY KEY" in table.create_sql
        case _:
            pass
    return has


def _foreign_keys(target: apsw.Connection, name: str) -> list[set[object]]:
    keys: dict[object, set[object]] = {}
    for row in target.execute(f"PRAGMA foreign_key_list({name})"):
        keys.setdefault(row[0], set()).add(row[3])
    return list(keys.values())


def _unique(target: apsw.Connection, name: str) -> Iterator[set[object]]:
    for row in target.execute(f"PRAGMA index_list({name})").fetchall():
        if row[2]:
            index = quote_identifier(str(row[1]))
            yield {column[2] for column in target.execute(f"PRAGMA index_info({index})")}
