"""What of a table isn't carried over although its rows are: a finding for each thing."""

from __future__ import annotations

from streamer.model import Column, Finding, PgType, Severity, Table, TableKind, TypeKind
from streamer.translate.terms import byte_order, shortened

_NOT_MOVED = {
    TableKind.VIEW: ("the view isn't moved", 'views = "create" makes those that D1 can hold'),
    TableKind.MATERIALIZED_VIEW: (
        "the materialized view isn't moved",
        'matviews = "as-tables" moves its rows',
    ),
    TableKind.FOREIGN: (
        "the foreign table isn't moved",
        'foreign_tables = "as-tables" moves its rows',
    ),
}


def object_not_moved(table: Table) -> Finding | None:
    """What to say of something that isn't a table; None for tables."""
    said = _NOT_MOVED.get(table.kind)
    return Finding(Severity.WARNING, str(table.name), *said) if said else None


def losses(table: Table) -> list[Finding]:
    """What the target won't have of `table`, whatever its columns are translated to."""
    said = [finding for column in table.columns for finding in _of_column(table, column)]
    said += [
        _warning(table, name, "the EXCLUDE constraint isn't moved: D1 has none")
        for name in table.exclusion_constraints
    ]
    said += [
        _warning(table, name, "the trigger isn't moved", "Write it anew in SQLite's SQL")
        for name in table.triggers
    ]
    said += [_warning(table, name, "the rule isn't moved") for name in table.rules]
    return said + [_warning(table, "", what) for what in _of_table(table)]


def _warning(table: Table, name: str, what: str, hint: str = "") -> Finding:
    where = f"{table.name}.{name}" if name else str(table.name)
    return Finding(Severity.WARNING, where, what, hint)


def _of_column(table: Table, column: Column) -> list[Finding]:
    said: list[Finding] = []
    for domain in within(column.type):
        lost = [f"CHECK {check.name} {check.definition}" for check in domain.checks]
        lost += ["NOT NULL"] if domain.not_null else []
        if lost:
            what = f"the domain {domain.formatted} within its values isn't carried over: "
            said.append(_warning(table, column.name, what + shortened(", ".join(lost))))
    return said + _of_collation(table, column)


def _of_collation(table: Table, column: Column) -> list[Finding]:
    if not column.collation or byte_order(column):
        return []
    what = f"the collation {column.collation} isn't carried over: D1 orders texts by their bytes"
    if not column.deterministic:
        what += ", and takes texts as different that PostgreSQL takes as equal"
    return [_warning(table, column.name, what)]


def within(kind: PgType) -> list[PgType]:
    """The domains of elements and fields, however deep, each once; not those of the value itself."""
    found: dict[PgType, None] = {}
    left = _parts(kind.base)
    while left:
        part = left.pop(0)
        found |= {part: None} if part.kind is TypeKind.DOMAIN else {}
        left += _parts(part)
    return [*found]


def _parts(kind: PgType) -> list[PgType]:
    inner = [kind.inner] if kind.inner is not None else []
    return [*inner, *(field.type for field in kind.fields)]


def _of_table(table: Table) -> list[str]:
    said: list[str] = []
    if table.row_security:
        said.append("row level security is not moved: everyone who reads D1 sees every row")
    if table.kind is TableKind.PARTITIONED:
        key = f" ({table.partition_key})" if table.partition_key else ""
        said.append(
            f"its partitions become one table, their bounds are not kept{key},"
            " nor what single partitions have of their own"
        )
    if table.inherits:
        names = ", ".join(str(name) for name in table.inherits)
        said.append(f"inheritance is not kept: queries on {names} miss its rows")
    if any(i.primary and not i.immediate for i in table.indexes):
        said.append("its primary key is DEFERRABLE, D1 checks it at once")
    if any(i.primary and i.without_overlaps for i in table.indexes):
        said.append(
            "its primary key is WITHOUT OVERLAPS: D1 lets in periods that overlap, save equal ones"
        )
    return said
