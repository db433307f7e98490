"""Questions about promises that the target enforces for every row and PostgreSQL doesn't. Pure.

A domain's NOT NULL and CHECKs are asked of values that are converted to it: an outer join, or an
INSERT of what one found, brings NULLs past them. A foreign table's are never asked. And SQLite's row
number, which a key of one INTEGER column becomes, takes no text, NaN not either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from streamer.model import ColumnPlan, Finding, Question, Severity, Storage, TableKind, TablePlan
from streamer.plan.draft import Draft
from streamer.plan.shape import domains

ALWAYS_NUMBERS = frozenset({"int2", "int4", "int8", "bool", "oid", "xid", "cid"})
"""Types of pg_catalog that are stored as INTEGER whatever their values."""

_VALUE = r"""([eE]?'(?:[^']|'')*'|"(?:[^"]|"")*")|\bVALUE\b"""
_MEND = "Mend these rows, leave them out with a `where`, or give the column an `expression`"


def promise_questions(draft: Draft, plan: TablePlan) -> list[Question]:
    """Refusals of tables whose rows break what D1 will ask of them; none where a transform may mend."""
    found = [_question(plan, *asked) for asked in _numbers(draft, plan)]
    if plan.transform:
        return found
    for column in plan.columns:
        found += [_question(plan, *asked) for asked in _nulls(draft, column)]
    if plan.table.kind is TableKind.FOREIGN:
        found += [_question(plan, *asked) for asked in _checks(draft)]
    return found


_Asked = tuple[str, str, str, str]
"""The object, what to say, what to do, and the condition."""


def _question(plan: TablePlan, name: str, what: str, hint: str, condition: str) -> Question:
    finding = Finding(Severity.REFUSAL, f"{plan.name}.{name}", what, hint)
    return Question(plan.name, finding, condition=condition)


def value_sql(draft: Draft, source: str) -> str:
    """SQL of what is moved of a column, before it is printed."""
    return draft.shaped.columns[source].value


def _nulls(draft: Draft, plan: ColumnPlan) -> Iterator[_Asked]:
    column = draft.table.column(plan.source)
    value = value_sql(draft, plan.source)
    # What a mask makes of a column is NOT NULL where the column was, for whatever reason.
    assured = column.not_null and not draft.shaped.columns[plan.source].mask
    if plan.not_null and (not assured or draft.table.kind is TableKind.FOREIGN):
        what = "NULL in {rows} of the rows, although it is to be NOT NULL"
        yield plan.source, what, _MEND, f"{value} IS NULL"
        return
    if plan.not_null:
        return
    kept = {check.object for check in draft.carried.checks}
    for domain in domains(column.type):
        for check in domain.checks:
            if f"{draft.table.name}.{check.name}" in kept:
                condition = re.sub(_VALUE, lambda m: m[1] or value, _bare(check.definition))
                yield (
                    plan.source,
                    f"NULL in {{rows}} of the rows, which the CHECK {check.name} of its domain forbids",
                    _MEND,
                    f"CASE WHEN {value} IS NULL THEN NOT ({condition}) ELSE false END",
                )


def _bare(definition: str) -> str:
    """A CHECK's condition, as pg_get_constraintdef prints the constraint."""
    return definition.removeprefix("CHECK ").removesuffix(" NOT VALID")


def _checks(draft: Draft) -> Iterator[_Asked]:
    kept = {check.object for check in draft.carried.checks}
    for check in draft.table.checks:
        if f"{draft.table.name}.{check.name}" in kept:
            what = f"the CHECK {check.name} isn't true of {{rows}} of the rows"
            yield (
                check.name,
                what,
                'Mend these rows, or use checks = "none"',
                (f"NOT ({_bare(check.definition)})"),
            )


def _numbers(draft: Draft, plan: TablePlan) -> Iterator[_Asked]:
    for column in plan.columns:
        kind = draft.table.column(column.source).type.base
        if column.source != draft.carried.alias or column.storage is not Storage.INTEGER:
            continue
        if kind.schema != "pg_catalog" or kind.name not in ALWAYS_NUMBERS:
            what = "no number (NaN, infinity) in {rows} of the rows: the key becomes SQLite's row number"
            hint = (
                "Store the key as text by its type's option, or leave these rows out with a `where`"
            )
            yield column.source, what, hint, f"({column.read_sql}) !~ '^-?[0-9]+$'"
