"""Column types with everything below them: elements of arrays and ranges, fields, bases of domains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import asyncpg

from streamer.model import Check, PgType, TypeField, TypeKind
from streamer.postgres import catalog_sql as sql
from streamer.postgres.connect import Session

_KINDS = {
    "b": TypeKind.BASE,
    "c": TypeKind.COMPOSITE,
    "d": TypeKind.DOMAIN,
    "e": TypeKind.ENUM,
    "p": TypeKind.PSEUDO,
    "r": TypeKind.RANGE,
    "m": TypeKind.MULTIRANGE,
}

Modified = tuple[int, int]
"""A type and its modifier (typmod), as a column or a domain uses it."""


async def read_types(
    session: Session, wanted: Collection[Modified], version: int
) -> Mapping[Modified, PgType]:
    """The types that are `wanted`, whether a column has them or an expression.

    `version` is server_version_num.
    """
    oids = sorted({oid for oid, _ in wanted})
    rows = {row["oid"]: row for row in await session.fetch(sql.types(version), oids)}
    chains = _with_parts(wanted, rows)
    formatted = await session.fetch(
        sql.FORMATTED, [oid for oid, _ in chains], [str(modifier) for _, modifier in chains]
    )
    checks = await _domain_checks(session, rows.values())
    names = {(row["type"], row["modifier"]): str(row["formatted"]) for row in formatted}
    found: dict[Modified, PgType] = {}
    for modified in wanted:
        _build(modified, rows, names, checks, found)
    return found


async def _domain_checks(
    session: Session, types: Iterable[asyncpg.Record]
) -> Mapping[int, list[Check]]:
    domains = [row["oid"] for row in types if row["type"] == "d"]
    found: dict[int, list[Check]] = defaultdict(list)
    for row in await session.fetch(sql.DOMAIN_CHECKS, domains):
        found[row["type"]].append(Check(row["name"], row["definition"], row["validated"]))
    return found


def _inner(modified: Modified, rows: Mapping[int, asyncpg.Record]) -> Modified | None:
    """What is directly below: a domain brings its own modifier, an array hands its on."""
    oid, modifier = modified
    row = rows[oid]
    if not row["inner"]:
        return None
    if row["type"] == "d":
        return row["inner"], row["base_modifier"]
    return row["inner"], modifier if _is_array(row) else -1


def _is_array(row: asyncpg.Record) -> bool:
    return bool(row["inner"]) and row["type"] == "b"


def _fields(row: asyncpg.Record) -> list[tuple[str, Modified]]:
    parts = zip(row["field_names"], row["field_types"], row["field_modifiers"], strict=True)
    return [(name, (oid, int(modifier))) for name, oid, modifier in parts]


def _with_parts(wanted: Collection[Modified], rows: Mapping[int, asyncpg.Record]) -> list[Modified]:
    found: set[Modified] = set()
    left = list(wanted)
    while left:
        modified = left.pop()
        if modified in found:
            continue
        found.add(modified)
        below = _inner(modified, rows)
        left += [below] if below is not None else []
        left += [kind for _, kind in _fields(rows[modified[0]])]
    return sorted(found)


def _build(
    modified: Modified,
    rows: Mapping[int, asyncpg.Record],
    names: Mapping[Modified, str],
    checks: Mapping[int, list[Check]],
    found: dict[Modified, PgType],
) -> PgType:
    if modified in found:
        return found[modified]
    row = rows[modified[0]]
    below = _inner(modified, rows)
    found[modified] = PgType(
        oid=modified[0],
        schema=row["schema"],
        name=row["name"],
        formatted=names[modified],
        kind=TypeKind.ARRAY if _is_array(row) else _KINDS[row["type"]],
        modifier=modified[1],
        inner=_build(below, rows, names, checks, found) if below is not None else None,
        labels=tuple(row["labels"]),
        output=row["output"],
        extension=row["extension"],
        casts=tuple(row["casts"]),
        changes_form=row["changes_form"],
        not_null=row["not_null"],
        default=row["default"],
        checks=tuple(checks.get(modified[0], ())),
        fields=tuple(
            TypeField(name, _build(kind, rows, names, checks, found)) for name, kind in _fields(row)
        ),
    )
    return found[modified]
