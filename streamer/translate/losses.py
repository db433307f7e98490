"""What of a table isn't carried over although its rows are: one sentence a kind."""

from __future__ import annotations

from streamer.model import (
    Column,
    Finding,
    PgType,
    QualifiedName,
    Severity,
    Table,
    TableKind,
    TypeKind,
)

_INTEGERS = frozenset({"int2", "int4", "int8"})
_BY_BYTES = frozenset({"C", "POSIX", "C.utf8", "C.UTF-8", "ucs_basic", "pg_c_utf8"})
_NOT_MOVED = {
    TableKind.VIEW: "the view isn't moved",
    TableKind.MATERIALIZED_VIEW: "the materialized view isn't moved",
    TableKind.FOREIGN: "the foreign table isn't moved",
}


def object_not_moved(table: Table) -> Finding | None:
    """What to say of something that isn't a table; None for tables."""
    what = _NOT_MOVED.get(table.kind)
    return Finding(Severity.WARNING, str(table.name), what) if what else None


def losses(table: Table) -> list[Finding]:
    """Everything about `table` that the target won't have."""
    return [
        Finding(Severity.WARNING, str(table.name), what)
        for what in (*_of_columns(table), *_of_checks(table), *_of_table(table))
    ]


def _of_columns(table: Table) -> list[str]:
    said: list[str] = []
    generated = [c.name for c in table.columns if c.generated]
    if generated:
        said.append(f"generated columns become plain ones that hold the values: {_join(generated)}")
    defaults = [
        f"{column.name} ({default})"
        for column in table.columns
        if not column.generated and (default := _lost_default(table, column))
    ]
    if defaults:
        said.append(f"defaults are not carried over, INSERTs must supply them: {_join(defaults)}")
    collations = [
        f"{column.name} ({column.collation})"
        for column in table.columns
        if column.collation and column.collation.partition(".")[2].strip('"') not in _BY_BYTES
    ]
    if collations:
        said.append(f"collations are not carried over, D1 orders by bytes: {_join(collations)}")
    return said


def _lost_default(table: Table, column: Column) -> str:
    """The default or generator that `column` loses; `INTEGER PRIMARY KEY` replaces a sequence."""
    default = column.default or _domain_default(column.type)
    sequence = bool(column.identity) or (default or "").startswith("nextval(")
    if sequence and _is_integer_key(table, column):
        return ""
    return "identity" if column.identity else default or ""


def _domain_default(kind: PgType) -> str | None:
    while kind.kind is TypeKind.DOMAIN and kind.inner is not None:
        if kind.default is not None:
            return kind.default
        kind = kind.inner
    return None


def _is_integer_key(table: Table, column: Column) -> bool:
    return column.type.base.name in _INTEGERS and any(
        index.primary and index.columns == (column.name,) for index in table.indexes
    )


def _of_checks(table: Table) -> list[str]:
    checks = [
        f"{check.name} {check.definition}" + ("" if check.validated else " NOT VALID")
        for check in table.checks
    ]
    for column in table.columns:
        kind: PgType | None = column.type
        while kind is not None and kind.kind is TypeKind.DOMAIN:
            checks += [
                f"{check.name} {check.definition} of {column.name}'s domain {kind.formatted}"
                for check in kind.checks
            ]
            kind = kind.inner
    return [f"CHECK constraints are not translated: {'; '.join(checks)}"] if checks else []


def _of_table(table: Table) -> list[str]:
    said: list[str] = []
    if table.exclusion_constraints:
        said.append(f"EXCLUDE constraints are not moved: {_join(table.exclusion_constraints)}")
    if table.triggers:
        said.append(f"triggers are not moved: {_join(table.triggers)}")
    if table.row_security:
        said.append("row level security is not moved: everyone who reads D1 sees every row")
    if table.kind is TableKind.PARTITIONED:
        said.append("its partitions become one table, their bounds are not kept")
    if table.inherits:
        said.append(f"inheritance is not kept: queries on {_names(table.inherits)} miss its rows")
    if any(i.primary and not i.immediate for i in table.indexes):
        said.append("its primary key is DEFERRABLE, D1 checks it at once")
    return said


def _join(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names)


def _names(names: tuple[QualifiedName, ...]) -> str:
    return ", ".join(str(name) for name in names)
