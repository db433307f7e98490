"""What only the rows can tell: questions to PostgreSQL, worked out of a table's plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from streamer.model import (
    Finding,
    Index,
    QualifiedName,
    Question,
    Severity,
    Table,
    TablePlan,
)
from streamer.plan.draft import Draft
from streamer.plan.orphans import orphan_questions
from streamer.plan.promises import promise_questions, value_sql
from streamer.plan.sizes import size_questions
from streamer.plan.source_sql import column_sql, key_order, name_sql, rows_sql
from streamer.translate.keys import key_names


def table_questions(
    draft: Draft,
    plan: TablePlan,
    *,
    tables: Mapping[QualifiedName, Table],
    wheres: Mapping[QualifiedName, str],
    server_version: int,
) -> list[Question]:
    """Everything to ask about one table's rows.

    `tables` are all of the catalog, `wheres` the users' conditions on those that are moved.
    """
    return [
        *_of_columns(draft, plan),
        *_of_splits(draft, plan),
        *promise_questions(draft, plan),
        *size_questions(draft, plan, server_version),
        *_of_given_key(draft, plan),
        *_of_unique_indexes(draft, plan),
        *orphan_questions(draft, plan, tables, wheres),
        *_of_sequence(draft, plan),
    ]


def _of_columns(draft: Draft, plan: TablePlan) -> list[Question]:
    """What the types say of single values."""
    found: list[Question] = []
    for column in plan.columns:
        value = value_sql(draft, column.source)
        for counted in draft.mappings[column.source].counted:
            refuses = counted.refuses or (counted.nulls and column.not_null)
            severity = Severity.REFUSAL if refuses else Severity.WARNING
            where = f"{plan.name}.{column.source}"
            finding = Finding(severity, where, counted.what, counted.hint)
            condition, necessary = (
                sql.replace("{c}", value) for sql in (counted.condition, counted.necessary)
            )
            found.append(
                Question(
                    plan.name,
                    finding,
                    condition,
                    necessary=necessary,
                    indexed=counted.ranges and _leads_an_index(draft, column.source),
                )
            )
    return found


def _leads_an_index(draft: Draft, name: str) -> bool:
    """Whether an index has all values of a column that is moved as it is, in their order."""
    return draft.shaped.columns[name].value == column_sql(name) and any(
        index.valid
        and index.method == "btree"
        and index.predicate is None
        and index.operator_classes_default
        and index.columns[:1] == (name,)
        for index in draft.table.indexes
    )


def _of_splits(draft: Draft, plan: TablePlan) -> list[Question]:
    """Where a value can't be told from NULL once it is split."""
    what = "NULL and a value of which all parts are NULL are stored alike, in {rows} of the rows"
    return [
        Question(
            plan.name,
            Finding(Severity.WARNING, f"{plan.name}.{split.name}", what, _WHOLE),
            condition=split.merged,
        )
        for split in draft.shaped.splits
        if split.merged
    ]


_WHOLE = 'composites = "json" keeps them apart'


def _of_given_key(draft: Draft, plan: TablePlan) -> list[Question]:
    """Whether a key that only the user knows of is one."""
    wanted = draft.shaped.options.key
    if not any(index.name == plan.key.name and not index.oid for index in draft.table.indexes):
        return []
    columns = [column_sql(name) for name in wanted]
    names = ", ".join(wanted)
    nulls = Finding(
        Severity.REFUSAL,
        str(plan.name),
        f"NULL in {names}, which its settings call its key, in {{rows}} of the rows",
        "Name other columns as its `key`, or leave these rows out with a `where`",
    )
    twice = Finding(
        Severity.REFUSAL,
        str(plan.name),
        f"{names}, which its settings call its key, isn't unique in {{rows}} of the rows: {{keys}}",
        "Name more columns as its `key`, or none",
    )
    return [
        Question(plan.name, nulls, condition=" OR ".join(f"{c} IS NULL" for c in columns)),
        _duplicates(plan, twice, columns),
    ]


def _of_unique_indexes(draft: Draft, plan: TablePlan) -> list[Question]:
    """Whether rows that differ in a unique index are the same in it once they are stored."""
    if plan.transform:
        return []
    printed = {column.source: column.read_sql for column in plan.columns}
    found: list[Question] = []
    for index in draft.table.indexes:
        names = key_names(index)
        if not _is_kept_unique(index) or not any(_may_merge(draft, name) for name in names):
            continue
        merged = ", ".join(name for name in names if _may_merge(draft, name))
        finding = Finding(
            Severity.REFUSAL,
            f"{plan.name}.{index.name}",
            f"{', '.join(names)} must be unique, and would be the same once stored in {{rows}} of the"
            " rows: {keys}",
            f"Store {merged} exactly: the default of its type's option",
        )
        conditions = [index.predicate] if index.predicate else []
        found.append(_duplicates(plan, finding, [printed[n] for n in names], conditions))
    return found


def _is_kept_unique(index: Index) -> bool:
    return index.unique and index.valid and bool(index.columns) and None not in index.columns


def _may_merge(draft: Draft, name: str) -> bool:
    """Whether values that PostgreSQL tells apart may be stored alike; a hash keeps them so."""
    return not draft.mappings[name].distinct


def _duplicates(
    plan: TablePlan, finding: Finding, values: list[str], conditions: list[str] | None = None
) -> Question:
    """How many rows aren't alone with their `values`; NULL is equal to nothing."""
    order = key_order(plan)
    outputs = [f"{value} AS v{n}" for n, value in enumerate(values)]
    outputs += [f"{key} AS o{n}" for n, key in enumerate(order)]
    outputs += [f"{name} AS name"] if (name := name_sql(plan)) else []
    rows = f"SELECT {', '.join(outputs)} {rows_sql(plan.table, plan.where, conditions or [])}"
    distinct = ", ".join(f"s.v{n}" for n in range(len(values)))
    known = " AND ".join(f"s.v{n} IS NOT NULL" for n in range(len(values)))
    counted = f"SELECT count(*) AS n FROM ({rows}) AS s WHERE {known} GROUP BY {distinct}"
    examples = (
        f"SELECT d.name FROM (SELECT s.*, count(*) OVER (PARTITION BY {distinct}) AS n"
        f" FROM ({rows}) AS s WHERE {known}) AS d WHERE d.n > 1"
        f" ORDER BY {', '.join(f'd.o{n}' for n in range(len(order)))}"
    )
    return Question(
        plan.name,
        finding,
        query=f"SELECT coalesce(sum(g.n), 0)::bigint FROM ({counted}) AS g WHERE g.n > 1",
        examples=examples if order else "",
    )


def _of_sequence(draft: Draft, plan: TablePlan) -> list[Question]:
    """Where a table's numbers go on, which SQLite takes from the highest there is."""
    name = draft.carried.alias
    sequence = draft.table.column(name).sequence if name else None
    handed_over = any("sqlite_sequence" in sql for sql in plan.after_sql)
    if sequence is None or sequence.hidden or handed_over:
        return []
    last = sequence.last_value
    following = sequence.start if last is None else last + sequence.increment
    # numeric: behind the last bigint there is one more number.
    ours = f"SELECT coalesce(max({column_sql(name)})::numeric, 0) + 1 AS n " + rows_sql(
        plan.table, plan.where
    )
    steps = f", by steps of {sequence.increment}" if sequence.increment != 1 else ""
    finding = Finding(
        Severity.WARNING,
        f"{plan.name}.{name}",
        f"the next value in PostgreSQL is {following}{steps}, D1 will use {{keys}}:"
        " one more than the highest there is",
        "autoincrement = true lets D1 go on where PostgreSQL's sequence is",
    )
    return [
        Question(
            plan.name,
            finding,
            query=f"SELECT (m.n <> {following})::int FROM ({ours}) AS m",
            examples=f"SELECT m.n::text FROM ({ours}) AS m",
        )
    ]
