"""What of a table's defaults, generated columns, CHECKs and indexes the target gets.

Each is translated so that it means the same in D1, or left out and announced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from streamer.frozen import frozen
from streamer.model import Check, Column, Finding
from streamer.translate import expressions
from streamer.translate.defaults import carry_defaults, domains
from streamer.translate.expressions import Scope, Translated, Untranslated
from streamer.translate.index_sql import IndexSql, index_sql
from streamer.translate.names import quote
from streamer.translate.sequences import Numbering, number_rows
from streamer.translate.terms import REFUSED, Terms, shortened, warn, warn_of_difference


@frozen
class CheckSql:
    """A CHECK of the target: `condition` over target columns; `name` '' for one without a name.

    `object` is what findings call it. `column` is the target column that it stands beside, or ''.
    """

    object: str
    name: str
    condition: str
    column: str = ""


@frozen
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
    defaults = carry_defaults(terms, said)
    checks = tuple(_checks(terms, said))
    indexes: dict[str, IndexSql] = {}
    objections: dict[str, str] = {}
    for index in terms.table.indexes:
        made = index_sql(terms, index)
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


def _generated(terms: Terms, said: list[Finding]) -> dict[str, str]:
    made: dict[str, str] = {}
    for column in terms.table.columns:
        if not column.generated:
            continue
        sql = _generated_sql(terms, column)
        if isinstance(sql, Untranslated):
            what = f"the generated column becomes a plain one that holds the values: {sql.reason}"
            warn(said, terms.object(column.name), f"{what} ({shortened(column.default or '')})")
        else:
            made[column.name] = sql.sql
            warn_of_difference(said, terms.object(column.name), "the generated column", sql)
    return made


def _generated_sql(terms: Terms, column: Column) -> Translated | Untranslated:
    sql = column.default or ""
    if objection := _must_be_written(terms, column):
        return Untranslated(objection)
    found = expressions.generated(sql, terms.scope, terms.operands[column.name])
    if isinstance(found, Untranslated):
        return Untranslated(terms.why(sql, found.reason))
    return found


def _must_be_written(terms: Terms, column: Column) -> str:
    """Why D1 can't compute the column, whatever its expression; '' where it may."""
    if column.name in terms.altered:
        return f"{column.name} {terms.altered[column.name]}"
    if terms.transformed:
        return "the transform may change its rows"
    if column.name in terms.fixed_keys:
        return "a key or a foreign key is made of it"
    if column.generated_apart:
        return "a partition computes it by an expression of its own"
    return REFUSED if terms.object(column.name) in terms.untranslatable else ""


def _checks(terms: Terms, said: list[Finding]) -> Iterator[CheckSql]:
    for column in terms.table.columns:
        yield from _type_check(terms, column, said)
        for domain in domains(column.type):
            for check in domain.checks:
                found = _domain_check(terms, column, check)
                what = f"the CHECK {check.name} of {column.name}'s domain {domain.formatted}"
                yield from _check(terms, check, found, what, said)
    for check in terms.table.checks:
        found = _table_check(terms, check)
        kind = "CHECK" if check.definition.startswith("CHECK") else "constraint"
        yield from _check(terms, check, found, f"the {kind} {check.name}", said)


def _type_check(terms: Terms, column: Column, said: list[Finding]) -> Iterator[CheckSql]:
    """The CHECK that stands for what the column's type allows: an enum's labels, a length."""
    operand, where = terms.operands[column.name], terms.object(column.name)
    if not operand.mapping.check:
        return
    objection = REFUSED if where in terms.untranslatable else _left_out(terms)
    if objection:
        what = f"the CHECK of what {column.type.formatted} allows is left out: {objection}"
        warn(said, where, what)
        return
    condition = operand.mapping.check.replace("{c}", quote(operand.target))
    yield CheckSql(where, "", condition, operand.target)


def _check(
    terms: Terms, check: Check, found: Translated | Untranslated, what: str, said: list[Finding]
) -> Iterator[CheckSql]:
    where = terms.object(check.name)
    if not isinstance(found, Untranslated):
        warn_of_difference(said, where, what, found)
        yield CheckSql(where, check.name, found.sql)
        return
    definition = shortened(check.definition.removeprefix("CHECK "))
    warn(said, where, f"{what} {definition} is not translated: {found.reason}")


def _left_out(terms: Terms) -> str:
    """Why no CHECK at all is carried over; '' where they are."""
    if not terms.checks:
        return 'as asked by checks = "none"'
    return "the transform may make rows that it forbids" if terms.transformed else ""


def _objection(terms: Terms, check: Check) -> str:
    if check.unproven:
        return f"it is {check.unproven} in PostgreSQL, so rows may be there that break it"
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
