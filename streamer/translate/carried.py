"""What of a table's defaults, generated columns, CHECKs and indexes the target gets.

Each is translated so that it means the same in D1, or left out and announced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from streamer.model import (
    Check,
    Column,
    Finding,
    ForeignKey,
    ForeignKeyAction,
    Index,
    PgType,
    Severity,
    Table,
    TypeKind,
)
from streamer.translate import expressions
from streamer.translate.expressions import Scope, Translated, Untranslated
from streamer.translate.names import quote
from streamer.translate.sequences import Numbering, is_numbered, lost_numbering, number_rows
from streamer.translate.terms import Terms

REFUSED = "D1 doesn't accept its translation"
_BTREE_LIKE = frozenset({"btree", "hash"})


@dataclass(frozen=True, slots=True)
class CheckSql:
    """A CHECK of the target: `condition` over target columns; `name` '' for one without a name.

    `object` is what findings call it. `column` is the target column that it stands beside, or ''.
    """

    object: str
    name: str
    condition: str
    column: str = ""


@dataclass(frozen=True, slots=True)
class IndexSql:
    """An index's keys, and its WHERE or '', in the target's words; `notes` say what differs."""

    keys: tuple[str, ...]
    where: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Carried:
    """What the target gets of a table beside its columns and keys.

    `defaults` and `generated` (SQL) are by source column, `indexes` by the index's name: those that
    aren't there are left out, for the reason in `objections`. `fixed` are source columns that must
    not be NULL for a while, because a CHECK, a generated column or a unique index looks at them.
    `alias` is the column that becomes `INTEGER PRIMARY KEY`, or ''. `scope` are the columns that
    a view may read.
    """

    defaults: Mapping[str, str] = field(default_factory=dict[str, str])
    generated: Mapping[str, str] = field(default_factory=dict[str, str])
    checks: tuple[CheckSql, ...] = ()
    indexes: Mapping[str, IndexSql] = field(default_factory=dict[str, IndexSql])
    objections: Mapping[str, str] = field(default_factory=dict[str, str])
    numbering: Numbering = field(default_factory=Numbering)
    fixed: frozenset[str] = frozenset()
    alias: str = ""
    scope: Scope = field(default_factory=lambda: Scope({}))
    findings: tuple[Finding, ...] = ()


def carry(terms: Terms) -> Carried:
    """Translate all that can be translated of a table."""
    said: list[Finding] = []
    generated = _generated(terms, said)
    defaults = _defaults(terms, said)
    checks = tuple(_checks(terms, said))
    indexes: dict[str, IndexSql] = {}
    objections: dict[str, str] = {}
    for index in terms.table.indexes:
        made = _index(terms, index)
        if isinstance(made, Untranslated):
            objections[index.name] = made.reason
        else:
            indexes[index.name] = made
    numbering = number_rows(terms)
    return Carried(
        defaults=defaults,
        generated=generated,
        checks=checks,
        indexes=indexes,
        objections=objections,
        numbering=numbering,
        fixed=_fixed(terms, generated, checks, indexes),
        alias=terms.alias,
        scope=terms.scope,
        findings=(*said, *numbering.findings),
    )


def domains(kind: PgType) -> Iterator[PgType]:
    """The domains that a type is made of, outermost first."""
    inner: PgType | None = kind
    while inner is not None and inner.kind is TypeKind.DOMAIN:
        yield inner
        inner = inner.inner


def default_of(column: Column) -> str | None:
    """The column's default, or that of its type's outermost domain that has one; not NULL."""
    declared = [column.default, *(domain.default for domain in domains(column.type))]
    sql = next((sql for sql in declared if sql is not None), None)
    return None if sql is None or _is_null(sql) else sql


def _warn(said: list[Finding], where: str, what: str, hint: str = "") -> None:
    said.append(Finding(Severity.WARNING, where, what, hint))


def _generated(terms: Terms, said: list[Finding]) -> dict[str, str]:
    made: dict[str, str] = {}
    for column in terms.table.columns:
        if not column.generated:
            continue
        sql = _generated_sql(terms, column)
        if isinstance(sql, Untranslated):
            what = f"the generated column becomes a plain one that holds the values: {sql.reason}"
            _warn(said, terms.object(column.name), f"{what} ({_short(column.default or '')})")
        else:
            made[column.name] = sql.sql
            _differs(said, terms.object(column.name), "the generated column", sql)
    return made


def _differs(said: list[Finding], where: str, what: str, translated: Translated) -> None:
    if translated.note:
        _warn(said, where, f"{what} differs in D1: {translated.note}")


def _generated_sql(terms: Terms, column: Column) -> Translated | Untranslated:
    where, sql = terms.object(column.name), column.default or ""
    if column.name in terms.altered:
        return Untranslated(f"{column.name} {terms.altered[column.name]}")
    if terms.transformed:
        return Untranslated("the transform may change its rows")
    if column.name in terms.fixed_keys:
        return Untranslated("a key or a foreign key is made of it")
    if where in terms.untranslatable:
        return Untranslated(REFUSED)
    found = expressions.generated(sql, terms.scope, terms.operands[column.name])
    if isinstance(found, Untranslated):
        return Untranslated(terms.why(sql, found.reason))
    return found


def _defaults(terms: Terms, said: list[Finding]) -> dict[str, str]:
    made: dict[str, str] = {}
    for column in terms.table.columns:
        sql = default_of(column)
        if column.generated or (sql is None and not column.identity):
            continue
        where = terms.object(column.name)
        must = _must_supply(column)
        if is_numbered(column, sql):
            if column.name != terms.alias:
                _warn(said, where, f"{lost_numbering(column)}: {must}")
            continue
        found = _default_sql(terms, column, sql or "")
        if isinstance(found, Untranslated):
            what = f"the default {_short(sql or '')} is not translated ({found.reason}): {must}"
            _warn(said, where, what)
            continue
        made[column.name] = found.sql
        _differs(said, where, f"the default {_short(sql or '')}", found)
    return made


def set_defaults(table: Table, carried: Carried, keys: Iterable[ForeignKey]) -> list[Finding]:
    """What to say of kept foreign keys that set defaults which the target doesn't have."""
    said: list[Finding] = []
    for key in keys:
        if ForeignKeyAction.SET_DEFAULT not in (key.on_delete, key.on_update):
            continue
        lost = [
            name
            for name in key.columns
            if default_of(table.column(name)) and name not in carried.defaults
        ]
        if lost:
            what = f"SET DEFAULT sets NULL, because the default of {', '.join(lost)} is left out"
            _warn(said, f"{table.name}.{key.name}", what)
    return said


def _default_sql(terms: Terms, column: Column, sql: str) -> Translated | Untranslated:
    if not terms.defaults:
        return Untranslated('as asked by defaults = "none"')
    if column.name == terms.alias:
        return Untranslated("D1 numbers an INTEGER PRIMARY KEY by itself")
    if column.name in terms.altered:
        return Untranslated(f"{column.name} {terms.altered[column.name]}")
    if terms.object(column.name) in terms.untranslatable:
        return Untranslated(REFUSED)
    return expressions.default(sql, terms.operands[column.name])


def _is_null(sql: str) -> bool:
    return sql.upper() == "NULL" or sql.upper().startswith("NULL::")


def _must_supply(column: Column) -> str:
    if column.not_null or any(domain.not_null for domain in domains(column.type)):
        return "the column is NOT NULL, every INSERT must supply it"
    return "INSERTs must supply it"


def _checks(terms: Terms, said: list[Finding]) -> Iterator[CheckSql]:
    for column in terms.table.columns:
        operand = terms.operands[column.name]
        if operand.mapping.check and not _left_out(terms) and column.name not in terms.altered:
            condition = operand.mapping.check.replace("{c}", quote(operand.target))
            where = terms.object(column.name)
            if where not in terms.untranslatable:
                yield CheckSql(where, "", condition, operand.target)
        for domain in domains(column.type):
            for check in domain.checks:
                found = _domain_check(terms, column, check)
                what = f"the CHECK {check.name} of {column.name}'s domain {domain.formatted}"
                yield from _check(terms, check, found, what, said)
    for check in terms.table.checks:
        found = _table_check(terms, check)
        yield from _check(terms, check, found, f"the CHECK {check.name}", said)


def _check(
    terms: Terms, check: Check, found: Translated | Untranslated, what: str, said: list[Finding]
) -> Iterator[CheckSql]:
    where = terms.object(check.name)
    if not isinstance(found, Untranslated):
        _differs(said, where, what, found)
        yield CheckSql(where, check.name, found.sql)
        return
    definition = _short(check.definition.removeprefix("CHECK "))
    _warn(said, where, f"{what} {definition} is not translated: {found.reason}")


def _left_out(terms: Terms) -> str:
    """Why no CHECK at all is carried over; '' where they are."""
    if not terms.checks:
        return 'as asked by checks = "none"'
    return "the transform may make rows that it forbids" if terms.transformed else ""


def _objection(terms: Terms, check: Check) -> str:
    if not check.validated:
        return "it is NOT VALID in PostgreSQL, so rows may be there that break it"
    if terms.object(check.name) in terms.untranslatable:
        return REFUSED
    return _left_out(terms)


def _table_check(terms: Terms, check: Check) -> Translated | Untranslated:
    if objection := _objection(terms, check):
        return Untranslated(objection)
    found = expressions.check(check.definition, terms.scope)
    if isinstance(found, Untranslated):
        return Untranslated(terms.why(check.definition, found.reason))
    return found


def _domain_check(terms: Terms, column: Column, check: Check) -> Translated | Untranslated:
    if objection := _objection(terms, check):
        return Untranslated(objection)
    if column.name in terms.altered:
        return Untranslated(f"{column.name} {terms.altered[column.name]}")
    return expressions.domain_check(check.definition, terms.operands[column.name])


def _index(terms: Terms, index: Index) -> IndexSql | Untranslated:
    """The index's keys and WHERE, or why it is left out."""
    if not index.valid:
        return Untranslated("it is invalid in PostgreSQL")
    if index.method not in _BTREE_LIKE:
        return Untranslated(f"D1 has no {index.method} indexes")
    if terms.object(index.name) in terms.untranslatable:
        return Untranslated(REFUSED)
    keys: list[Translated] = []
    for number, name in enumerate(index.columns):
        key = _index_key(terms, index, number, name)
        if isinstance(key, Untranslated):
            return key
        keys.append(key)
    where = _predicate(terms, index)
    if isinstance(where, Untranslated):
        return where
    notes = tuple(part.note for part in (*keys, where) if part.note)
    return IndexSql(tuple(key.sql for key in keys), where.sql, notes)


def _predicate(terms: Terms, index: Index) -> Translated | Untranslated:
    """What stands behind WHERE, '' for nothing."""
    if index.predicate is None:
        return Translated("")
    if terms.transformed and index.unique:
        return Untranslated("the transform may change which rows its WHERE is true for")
    where = expressions.predicate(index.predicate, terms.scope)
    if isinstance(where, Untranslated):
        why = terms.why(index.predicate, where.reason)
        return Untranslated(f"its WHERE {_short(index.predicate)} isn't translated: {why}")
    return where


def _index_key(
    terms: Terms, index: Index, number: int, name: str | None
) -> Translated | Untranslated:
    if name is not None:
        operand = terms.operands.get(name)
        return Translated(quote(operand.target)) if operand else Untranslated(f"{name} isn't moved")
    sql = index.expressions[number] if number < len(index.expressions) else None
    if not sql:
        return Untranslated("expressions aren't translated")
    if terms.transformed and index.unique:
        return Untranslated("the transform may change what its expression makes")
    key = expressions.index_key(sql, terms.scope)
    if isinstance(key, Untranslated):
        why = terms.why(sql, key.reason)
        return Untranslated(f"its expression {_short(sql)} isn't translated: {why}")
    return key


def _fixed(
    terms: Terms,
    generated: Mapping[str, str],
    checks: tuple[CheckSql, ...],
    indexes: Mapping[str, IndexSql],
) -> frozenset[str]:
    table = terms.table
    conditions = [check.condition for check in checks if not check.column]
    unique = [
        text
        for index in table.indexes
        if index.unique and (made := indexes.get(index.name)) is not None
        for text in (*made.keys, made.where)
    ]
    looked_at = " ".join([*generated.values(), *conditions, *unique])
    primary = {n for index in table.indexes if index.primary for n in index.columns if n}
    found = {n for n, o in terms.operands.items() if quote(o.target) in looked_at}
    return frozenset(primary | found)


def index_changes(table: Table, index: Index) -> list[str]:
    """What a translated index does differently in D1."""
    changes: list[str] = []
    if index.method == "hash":
        changes.append("the hash index becomes an ordinary one")
    if not index.operator_classes_default:
        changes.append("the index's operator class or collation becomes D1's own order of bytes")
    if index.nulls_not_distinct:
        changes.append("NULLS NOT DISTINCT isn't known to D1, which allows several NULLs")
    if index.unique and not index.immediate:
        changes.append("DEFERRABLE isn't known to D1, which checks each row at once")
    if any(first != down for first, down in zip(index.nulls_first, index.descending, strict=False)):
        changes.append("NULLS FIRST or LAST isn't kept, D1 sorts NULLs first")
    loose = [
        name for name in index.columns if name is not None and not table.column(name).deterministic
    ]
    if index.unique and loose:
        changes.append(
            f"the collation of {', '.join(loose)} takes more texts as equal than D1 does"
        )
    return changes


def _short(sql: str) -> str:
    """SQL for a message: whole up to 200 characters."""
    return sql if len(sql) <= 200 else f"{sql[:200]}…"
