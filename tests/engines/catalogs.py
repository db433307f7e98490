"""Builders of catalog values, so that a test says only what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from streamer.config import Selection
from streamer.model import (
    Catalog,
    Column,
    Finding,
    ForeignKey,
    Index,
    Leaf,
    PgType,
    Plan,
    QualifiedName,
    SourceIdentity,
    Table,
    TableKind,
    TypeKind,
)
from streamer.plan import PlanOptions, make_plan

_oids = count(16_384)

INT4 = PgType(23, "pg_catalog", "int4", "integer", TypeKind.BASE)
INT8 = PgType(20, "pg_catalog", "int8", "bigint", TypeKind.BASE)
TEXT = PgType(25, "pg_catalog", "text", "text", TypeKind.BASE)
BOOL = PgType(16, "pg_catalog", "bool", "boolean", TypeKind.BASE)
BYTEA = PgType(17, "pg_catalog", "bytea", "bytea", TypeKind.BASE)
JSONB = PgType(3802, "pg_catalog", "jsonb", "jsonb", TypeKind.BASE)
FLOAT8 = PgType(701, "pg_catalog", "float8", "double precision", TypeKind.BASE)
BPCHAR = PgType(1042, "pg_catalog", "bpchar", "character(4)", TypeKind.BASE, modifier=8)
NUMERIC = PgType(1700, "pg_catalog", "numeric", "numeric", TypeKind.BASE)
CITEXT = PgType(99_001, "public", "citext", "public.citext", TypeKind.BASE, extension="citext")


def base(name: str, formatted: str = "") -> PgType:
    """A type of pg_catalog."""
    return PgType(1, "pg_catalog", name, formatted or name, TypeKind.BASE)


def numeric(precision: int, scale: int = 0) -> PgType:
    """numeric(precision, scale), the scale in 11 bits with a sign."""
    modifier = (precision << 16 | scale & 0x7FF) + 4
    formatted = f"numeric({precision},{scale})"
    return replace(NUMERIC, modifier=modifier, formatted=formatted)


def array(element: PgType) -> PgType:
    """An array of `element`."""
    return PgType(2, "pg_catalog", "_x", f"{element.formatted}[]", TypeKind.ARRAY, inner=element)


def domain(inner: PgType, *, not_null: bool = False) -> PgType:
    """A domain over `inner`."""
    return PgType(3, "public", "dom", "public.dom", TypeKind.DOMAIN, inner=inner, not_null=not_null)


def column(name: str, kind: PgType = TEXT, *, not_null: bool = False, **more: str) -> Column:
    """A column."""
    return Column(name, 1, kind, not_null, **more)


def index(name: str, *columns: str | None, unique: bool = False, **more: Any) -> Index:
    """A plain btree index; `more` are other fields of `Index`."""
    made = Index(
        name=name,
        oid=next(_oids),
        columns=columns,
        unique=unique,
        primary=False,
        valid=True,
        immediate=True,
        method="btree",
        definition="",
        descending=(False,) * len(columns),
        nulls_first=(False,) * len(columns),
    )
    return replace(made, **more)


def primary(*columns: str, **more: Any) -> Index:
    """A primary key."""
    return index("pkey", *columns, unique=True, primary=True, **more)


def refers(
    name: str, columns: str | Sequence[str], parent: str, parent_columns: str | Sequence[str] = "id"
) -> ForeignKey:
    """A foreign key to `parent`, which is `schema.table` or a table of `public`."""
    return ForeignKey(
        name=name,
        columns=(columns,) if isinstance(columns, str) else tuple(columns),
        parent=qualified(parent),
        parent_columns=(
            (parent_columns,) if isinstance(parent_columns, str) else tuple(parent_columns)
        ),
    )


def qualified(name: str) -> QualifiedName:
    """`schema.table`, or a table of `public`."""
    schema, dot, table = name.partition(".")
    return QualifiedName(schema, table) if dot else QualifiedName("public", name)


def table(
    name: str,
    *columns: Column,
    indexes: Sequence[Index] = (),
    keys: Sequence[ForeignKey] = (),
    rows: int = 100,
    size: int = 8192,
    **more: Any,
) -> Table:
    """A table of one leaf; without columns it gets `id integer` as its primary key."""
    oid = next(_oids)
    made = Table(
        oid=oid,
        name=qualified(name),
        kind=TableKind.TABLE,
        columns=columns or (column("id", INT4, not_null=True),),
        indexes=tuple(indexes) if columns or indexes else (primary("id"),),
        foreign_keys=tuple(keys),
        checks=(),
        leaves=(Leaf(oid, qualified(name), oid, max(1, size // 8192)),),
        rows=rows,
        bytes=size,
    )
    return replace(made, **more)


def identified(name: str, *columns: Column, **more: Any) -> Table:
    """A table with `id integer` as its primary key, and `columns`."""
    indexes = (primary("id"), *more.pop("indexes", ()))
    key = column("id", INT4, not_null=True)
    return table(name, key, *columns, indexes=indexes, **more)


def catalog(*tables: Table, version: int = 180_000, encoding: str = "UTF8") -> Catalog:
    """A catalog of these tables."""
    return Catalog(SourceIdentity("7", 1, "shop", version, encoding), tables)


def plan_of(*tables: Table, options: PlanOptions | None = None) -> Plan:
    """The plan of moving all of these tables."""
    return make_plan(catalog(*tables), Selection(schemas=("*",)), options)


def said(findings: Sequence[Finding]) -> str:
    """The findings as lines of text."""
    return "\n".join(f"{finding.object}: {finding.what} {finding.hint}" for finding in findings)
