"""What fills columns that an INSERT leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from streamer.model import Column, Finding, ForeignKey, ForeignKeyAction, PgType, Table, TypeKind
from streamer.translate import expressions
from streamer.translate.expressions import Translated, Untranslated
from streamer.translate.sequences import is_numbered, lost_numbering
from streamer.translate.terms import REFUSED, Terms, shortened, warn, warn_of_difference


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


def carry_defaults(terms: Terms, said: list[Finding]) -> dict[str, str]:
    """The defaults that the target gets, by source column; of the others it is `said`."""
    made: dict[str, str] = {}
    for column in terms.table.columns:
        sql = default_of(column)
        if column.generated or (sql is None and not column.identity):
            continue
        where = terms.object(column.name)
        must = _must_supply(column)
        if is_numbered(column, sql):
            if column.name != terms.alias:
                warn(said, where, f"{lost_numbering(column)}: {must}")
            continue
        found = _default_sql(terms, column, sql or "")
        if isinstance(found, Untranslated):
            what = f"the default {shortened(sql or '')} is not translated ({found.reason}): {must}"
            warn(said, where, what)
            continue
        made[column.name] = found.sql
        warn_of_difference(said, where, f"the default {shortened(sql or '')}", found)
    return made


def set_defaults(
    table: Table, carried: Mapping[str, str], keys: Iterable[ForeignKey]
) -> list[Finding]:
    """What to say of kept foreign keys that set defaults which aren't among those `carried`."""
    said: list[Finding] = []
    for key in keys:
        if ForeignKeyAction.SET_DEFAULT not in (key.on_delete, key.on_update):
            continue
        lost = [
            name for name in key.columns if default_of(table.column(name)) and name not in carried
        ]
        if lost:
            what = f"SET DEFAULT sets NULL, because the default of {', '.join(lost)} is left out"
            warn(said, f"{table.name}.{key.name}", what)
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
