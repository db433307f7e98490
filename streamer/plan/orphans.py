"""Questions for rows that refer to parents which aren't there, or won't be."""

from __future__ import annotations

from collections.abc import Mapping

from streamer.model import (
    Finding,
    ForeignKey,
    QualifiedName,
    Question,
    Severity,
    Table,
    TablePlan,
)
from streamer.model.sql import operator
from streamer.plan.draft import Draft
from streamer.plan.source_sql import column_sql, rows_sql


def orphan_questions(
    draft: Draft,
    plan: TablePlan,
    tables: Mapping[QualifiedName, Table],
    wheres: Mapping[QualifiedName, str],
) -> list[Question]:
    """Of foreign keys that PostgreSQL never checked, and of those to tables that lose rows."""
    kept = {key.source_name for key in plan.foreign_keys}
    found: list[Question] = []
    for key in draft.table.foreign_keys:
        parent = tables.get(key.parent)
        if parent is None or not parent.readable:
            continue
        if key.unproven and key.name not in draft.shaped.options.exclude_foreign_keys:
            finding = Finding(
                Severity.WARNING,
                f"{plan.name}.{key.name}",
                f"rows of {key.parent} that don't exist are referred to by {{rows}} of the rows, for"
                f" it is {key.unproven}: {{keys}}",
                f"Mend these rows in the source, then {key.to_prove}",
            )
            found.append(_orphans(draft, plan, key, parent, where="", finding=finding))
        elif key.name in kept and wheres.get(key.parent) and _refers(draft, plan, key):
            finding = Finding(
                Severity.REFUSAL,
                f"{plan.name}.{key.name}",
                f"rows of {key.parent} that its `where` leaves out are referred to by {{rows}} of the"
                " rows: {keys}",
                f"Give {plan.name} a `where` that leaves these rows out too, or give the foreign "
                f'key up with exclude_foreign_keys = ["{key.name}"]',
            )
            asked = _orphans(draft, plan, key, parent, where=wheres[key.parent], finding=finding)
            found.append(asked)
    return found


def _refers(draft: Draft, plan: TablePlan, key: ForeignKey) -> bool:
    """Whether the references are known to be PostgreSQL's own: a mask may make them NULL."""
    nulls = any(draft.shaped.columns[name].mask == "null" for name in key.columns)
    return not (plan.transform or nulls)


def _orphans(
    draft: Draft, plan: TablePlan, key: ForeignKey, parent: Table, *, where: str, finding: Finding
) -> Question:
    """How many rows refer to no parent for which `where` is true; a NULL refers to nothing."""
    numbers = range(len(key.columns))
    ours = ", ".join(f"{column_sql(name)} AS k{n}" for n, name in enumerate(key.columns))
    theirs = ", ".join(f"{column_sql(name)} AS k{n}" for n, name in enumerate(key.parent_columns))
    equals = [operator("=", draft.mappings[name].operator_schema) for name in key.columns]
    same = " AND ".join(f"p.k{n} {equals[n]} c.k{n}" for n in numbers)
    whole = [f"{column_sql(name)} IS NOT NULL" for name in key.columns]
    lonely = (
        f"FROM (SELECT {ours} {rows_sql(plan.table, plan.where, whole)}) AS c WHERE NOT EXISTS"
        f" (SELECT FROM (SELECT {theirs} {rows_sql(parent, where)}) AS p WHERE {same})"
    )
    columns = ", ".join(f"c.k{n}" for n in numbers)
    texts = " || ', ' || ".join(f"c.k{n}::text" for n in numbers)
    name = texts if len(key.columns) == 1 else f"'(' || {texts} || ')'"
    masked = any(draft.shaped.columns[column].made for column in key.columns)
    examples = f"SELECT {name} {lonely} GROUP BY {columns} ORDER BY {columns}"
    return Question(
        plan.name,
        finding,
        query=f"SELECT count(*) {lonely}",
        examples="" if masked else examples,
        by_row=True,
    )
