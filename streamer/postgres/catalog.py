"""Reads pg_catalog into the model's nouns: what there is, nothing decided yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Several

import asyncpg

from streamer.model import (
    Catalog,
    Check,
    Column,
    ForeignKey,
    ForeignKeyAction,
    Index,
    Leaf,
    PgType,
    QualifiedName,
    Sequence,
    SourceIdentity,
    Table,
    TableKind,
)
from streamer.postgres import catalog_sql as sql
from streamer.postgres.answers import only_row
from streamer.postgres.catalog_others import read_others, read_sequences
from streamer.postgres.catalog_types import Modified, read_types
from streamer.postgres.connect import Session

Rows = Several[asyncpg.Record]

_KINDS = {
    "r": TableKind.TABLE,
    "p": TableKind.PARTITIONED,
    "v": TableKind.VIEW,
    "m": TableKind.MATERIALIZED_VIEW,
    "f": TableKind.FOREIGN,
}
_ACTIONS = {
    "a": ForeignKeyAction.NO_ACTION,
    "r": ForeignKeyAction.RESTRICT,
    "c": ForeignKeyAction.CASCADE,
    "n": ForeignKeyAction.SET_NULL,
    "d": ForeignKeyAction.SET_DEFAULT,
}


async def read_identity(session: Session) -> SourceIdentity:
    """Which database this is; call it inside a transaction.

    Where the role may not ask for the cluster's system identifier, the database's oid stands in:
    it tells a database from its neighbours, not from a copy of the cluster.
    """
    found = await only_row(session, sql.DATABASE)
    identifier, timeline = f"database-{found['oid']}", 0
    if found["may_look"]:
        control = await session.fetchrow(sql.CONTROL)
        if control is not None:
            identifier, timeline = control["system_identifier"], control["timeline"]
    return SourceIdentity(
        system_identifier=identifier,
        timeline=timeline,
        database=found["database"],
        server_version=found["version"],
        encoding=found["encoding"],
        is_standby=found["standby"],
        collation=found["collation"],
    )


async def read_catalog(session: Session, schemas: Several[str] | None = None) -> Catalog:
    """Every table, view and foreign table of `schemas` (None: all but the system's).

    Call it inside one transaction, so that everything is of one moment. Costs a dozen queries.
    """
    await session.execute(sql.SORTS)
    source = await read_identity(session)
    version = source.server_version
    wanted = list(schemas) if schemas is not None else None
    tables = await session.fetch(sql.TABLES, wanted)
    leaves = _by(await session.fetch(sql.LEAVES, wanted), "root")
    column_rows = await session.fetch(sql.columns(version), wanted)
    modified = {(row["type"], row["modifier"]) for row in column_rows}
    types = await read_types(session, modified, version)
    sequences = await read_sequences(session, wanted)
    columns = _by(column_rows, "table")
    indexes = _by(await session.fetch(sql.indexes(version), wanted), "table")
    constraints = _by(await session.fetch(sql.constraints(version), wanted), "table")
    return Catalog(
        source,
        tuple(
            _table(
                row,
                tuple(_column(column, types, sequences) for column in columns[row["oid"]]),
                tuple(_index(index) for index in indexes[row["oid"]]),
                leaves[row["oid"]],
                constraints[row["oid"]],
            )
            for row in tables
        ),
        await read_others(session, wanted),
    )


def _by(rows: Rows, key: str) -> Mapping[int, list[asyncpg.Record]]:
    found: dict[int, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return found


def _table(
    row: asyncpg.Record,
    columns: tuple[Column, ...],
    indexes: tuple[Index, ...],
    leaves: Rows,
    constraints: Rows,
) -> Table:
    return Table(
        oid=row["oid"],
        name=QualifiedName(row["schema"], row["name"]),
        kind=_KINDS[row["kind"]],
        columns=columns,
        indexes=indexes,
        foreign_keys=tuple(_foreign_key(c) for c in constraints if c["kind"] == "f"),
        checks=tuple(_check(c) for c in constraints if c["kind"] in {"c", "n"}),
        leaves=tuple(_leaf(leaf) for leaf in leaves),
        rows=estimate(
            [(leaf["tuples"], leaf["pages"], leaf["blocks"]) for leaf in leaves],
            partitioned=row["kind"] == "p",
        ),
        bytes=sum(leaf["bytes"] for leaf in leaves),
        toast_bytes=sum(leaf["toast_bytes"] for leaf in leaves),
        relfilenode=row["relfilenode"],
        row_security=row["row_security"],
        has_children=row["has_children"],
        inherits=tuple(map(QualifiedName, row["parent_schemas"], row["parent_names"])),
        exclusion_constraints=tuple(c["name"] for c in constraints if c["kind"] == "x"),
        triggers=tuple(row["triggers"]),
        comment=row["comment"],
        readable=row["readable"],
        rows_hidden=row["rows_hidden"],
        definition=row["definition"],
        view_options=tuple(row["view_options"]),
        rules=tuple(row["rules"]),
        partition_key=row["partition_key"],
        populated=row["populated"],
    )


def estimate(leaves: Iterable[tuple[float, int, int]], *, partitioned: bool) -> int:
    """The planner's number of rows, -1 where it doesn't know; a leaf is (tuples, pages, blocks).

    Before PostgreSQL 14 a table that was never analysed says 0 tuples on 0 pages. A partition
    without a single block has no rows, whatever it says.
    """
    total = 0.0
    for tuples, pages, blocks in leaves:
        unknown = tuples < 0 or (tuples == 0 and pages == 0 and blocks > 0)
        if unknown and partitioned and blocks == 0:
            continue
        if unknown:
            return -1
        total += tuples
    return int(total)


def _leaf(row: asyncpg.Record) -> Leaf:
    return Leaf(
        oid=row["oid"],
        name=QualifiedName(row["schema"], row["name"]),
        relfilenode=row["relfilenode"],
        blocks=row["blocks"],
    )


def _column(
    row: asyncpg.Record,
    types: Mapping[Modified, PgType],
    sequences: Mapping[tuple[int, int], Sequence],
) -> Column:
    return Column(
        name=row["name"],
        number=row["number"],
        type=types[row["type"], row["modifier"]],
        not_null=row["not_null"],
        default=row["expression"],
        identity=row["identity"],
        generated=row["generated"],
        generated_apart=row["generated_apart"],
        collation=row["collation"],
        collation_version=row["collation_version"],
        comment=row["comment"],
        sequence=sequences.get((row["table"], row["number"])),
        deterministic=row["deterministic"],
    )


def _index(row: asyncpg.Record) -> Index:
    return Index(
        name=row["name"],
        oid=row["oid"],
        columns=tuple(row["columns"]),
        unique=row["unique"],
        primary=row["primary"],
        valid=row["valid"],
        immediate=row["immediate"],
        method=row["method"],
        definition=row["definition"],
        predicate=row["predicate"],
        descending=tuple(flag == "true" for flag in row["descending"]),
        nulls_first=tuple(flag == "true" for flag in row["nulls_first"]),
        nulls_not_distinct=row["nulls_not_distinct"],
        operator_classes_default=row["plain"],
        bytes=row["bytes"],
        constraint=row["constraint"],
        expressions=tuple(row["expressions"]),
        included=tuple(row["included"]),
        without_overlaps=row["without_overlaps"],
    )


def _foreign_key(row: asyncpg.Record) -> ForeignKey:
    return ForeignKey(
        name=row["name"],
        columns=tuple(row["columns"]),
        parent=QualifiedName(row["parent_schema"], row["parent_name"]),
        parent_columns=tuple(row["parent_columns"]),
        on_delete=_ACTIONS[row["on_delete"]],
        on_update=_ACTIONS[row["on_update"]],
        deferrable=row["deferrable"],
        initially_deferred=row["deferred"],
        match_full=row["match"] == "f",
        validated=row["validated"],
        set_columns=tuple(row["set_columns"]),
        period=row["period"],
        enforced=row["enforced"],
    )


def _check(row: asyncpg.Record) -> Check:
    return Check(row["name"], row["definition"], row["validated"], row["enforced"])
