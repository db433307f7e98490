"""Reads what stands beside the tables: sequences, and how much there is of everything else."""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

from streamer.model import OtherObjects, QualifiedName, Sequence
from streamer.model.sql import quote_identifier
from streamer.postgres.answers import only_row
from streamer.postgres.connect import Session

# A sequence numbers a column whose identity it is ('i'), or whose default names it. A default may
# also name it as plain text, which PostgreSQL doesn't see as a dependency: then its owner ('a')
# tells. Partitions repeat what their root says.
_DRAWN = """
drawn AS (
    SELECT d.refobjid AS relation, d.refobjsubid AS number, d.objid AS sequence, 0 AS weight
    FROM pg_depend AS d
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.deptype = 'i' AND d.refobjsubid > 0
    UNION ALL
    SELECT f.adrelid, f.adnum, d.refobjid, 1
    FROM pg_depend AS d JOIN pg_attrdef AS f ON f.oid = d.objid
    WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid IN (SELECT seqrelid FROM pg_sequence)
    UNION ALL
    SELECT d.refobjid, d.refobjsubid, d.objid, 2
    FROM pg_depend AS d
    JOIN pg_attrdef AS f ON f.adrelid = d.refobjid AND f.adnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.deptype = 'a' AND pg_get_expr(f.adbin, f.adrelid) LIKE '%nextval(%'
)"""

# pg_sequence_last_value() refuses roles without a right to look, and unlogged sequences on a
# standby; it is NULL where the next value is the one that the sequence itself holds.
SEQUENCES = f"""
WITH {_DRAWN}, chosen AS (
    SELECT DISTINCT ON (w.relation, w.number) w.relation, w.number, w.sequence
    FROM drawn AS w JOIN pg_class AS r ON r.oid = w.relation AND NOT r.relispartition
    JOIN pg_sequence AS q ON q.seqrelid = w.sequence
    ORDER BY w.relation, w.number, w.weight, w.sequence
), seen AS (
    SELECT c.*, s.relname, n.nspname,
           has_sequence_privilege(s.oid, 'SELECT, USAGE')
               AND (s.relpersistence = 'p' OR NOT pg_is_in_recovery()) AS may_ask,
           has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(s.oid, 'SELECT')
               AND (s.relpersistence = 'p' OR NOT pg_is_in_recovery()) AS may_look,
           count(*) OVER (PARTITION BY c.sequence) > 1 AS shared
    FROM chosen AS c JOIN pg_class AS s ON s.oid = c.sequence
    JOIN pg_namespace AS n ON n.oid = s.relnamespace
)
SELECT s.relation, s.number, s.sequence, s.nspname::text AS schema, s.relname::text AS name,
       q.seqstart AS start, q.seqincrement AS increment, q.seqmin AS minimum, q.seqmax AS maximum,
       q.seqcycle AS cycle, s.shared, s.may_look,
       CASE WHEN s.may_ask THEN pg_sequence_last_value(s.sequence) END AS last_value
FROM seen AS s JOIN pg_sequence AS q ON q.seqrelid = s.sequence
JOIN pg_class AS r ON r.oid = s.relation JOIN pg_namespace AS rn ON rn.oid = r.relnamespace
WHERE $1::text[] IS NULL OR rn.nspname = ANY ($1)
"""

_USERS = """
n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
AND ($1::text[] IS NULL OR n.nspname = ANY ($1))"""
_NOT_OF_AN_EXTENSION = """NOT EXISTS (
    SELECT FROM pg_depend AS e WHERE e.classid = '{catalog}'::regclass AND e.objid = {oid}
                                 AND e.deptype = 'e')"""


def _not_of_an_extension(catalog: str, oid: str) -> str:
    return _NOT_OF_AN_EXTENSION.format(catalog=catalog, oid=oid)


OTHERS = f"""
SELECT (SELECT count(*) FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE {_USERS} AND {_not_of_an_extension("pg_proc", "p.oid")})::int AS functions,
       ARRAY(SELECT t.evtname::text FROM pg_event_trigger AS t
             WHERE {_not_of_an_extension("pg_event_trigger", "t.oid")} ORDER BY 1)
           AS event_triggers,
       (SELECT count(*) FROM pg_largeobject_metadata)::int AS large_objects,
       (SELECT count(*) FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace
        WHERE {_USERS})::int AS statistics,
       ARRAY(SELECT p.pubname::text FROM pg_publication AS p
             WHERE {_not_of_an_extension("pg_publication", "p.oid")} ORDER BY 1) AS publications,
       (SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
          AND c.relpersistence <> 't' AND {_USERS}
          AND EXISTS (SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner)
       )::int AS granted
"""

LONELY = f"""
SELECT n.nspname::text AS schema, c.relname::text AS name
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND {_USERS}
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
                  AND d.objid = c.oid AND d.deptype IN ('a', 'i', 'e'))
ORDER BY 1, 2
"""

_AT_ONCE = 500


async def read_sequences(
    session: Session, schemas: list[str] | None
) -> Mapping[tuple[int, int], Sequence]:
    """The sequence of each column that has one, by the table's oid and the column's number.

    One that nothing was drawn from since it was set or restarted has that value as its `start`.
    """
    rows = await session.fetch(SEQUENCES, schemas)
    fresh = {row["sequence"]: row for row in rows if row["last_value"] is None and row["may_look"]}
    starts = await _starts(session, list(fresh.values()))
    return {(row["relation"], row["number"]): _sequence(row, starts) for row in rows}


async def _starts(session: Session, rows: list[asyncpg.Record]) -> Mapping[int, int]:
    """What sequences that nothing was drawn from begin with: only they themselves know."""
    found: dict[int, int] = {}
    for at in range(0, len(rows), _AT_ONCE):
        parts = [
            f"SELECT {row['sequence']}::bigint AS oid, last_value FROM "
            f"{quote_identifier(row['schema'])}.{quote_identifier(row['name'])}"
            for row in rows[at : at + _AT_ONCE]
        ]
        rows_of_part = await session.fetch(" UNION ALL ".join(parts))
        found |= {row["oid"]: row["last_value"] for row in rows_of_part}
    return found


def _sequence(row: asyncpg.Record, starts: Mapping[int, int]) -> Sequence:
    return Sequence(
        name=QualifiedName(row["schema"], row["name"]),
        start=starts.get(row["sequence"], row["start"]),
        increment=row["increment"],
        minimum=row["minimum"],
        maximum=row["maximum"],
        cycle=row["cycle"],
        last_value=row["last_value"],
        shared=row["shared"],
        hidden=row["last_value"] is None and row["sequence"] not in starts,
    )


async def read_others(session: Session, schemas: list[str] | None) -> OtherObjects:
    """How many functions, publications and the like there are, and which sequences nobody owns."""
    row = await only_row(session, OTHERS, schemas)
    lonely = await session.fetch(LONELY, schemas)
    return OtherObjects(
        functions=row["functions"],
        event_triggers=tuple(row["event_triggers"]),
        large_objects=row["large_objects"],
        statistics=row["statistics"],
        publications=tuple(row["publications"]),
        sequences=tuple(QualifiedName(found["schema"], found["name"]) for found in lonely),
        granted_tables=row["granted"],
    )
