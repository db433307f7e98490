"""The SELECTs that tables are read with; pure functions of the plan.

Two traps shape them. `ORDER BY id` beside `id::text AS id` sorts by the text, so outputs are called
c0, c1, … and orders are always qualified with `t`. And an order without resume by key loses rows,
so `(k1, k2) > (…)` uses the very columns, casts and directions of the order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.frozen import frozen
from streamer.model import (
    ColumnPlan,
    Key,
    KeyKind,
    StepKind,
    Storage,
    Table,
    TablePlan,
    TypeKind,
)
from streamer.model.sql import operator, printed, quote_identifier
from streamer.plan.source_sql import from_sql
from streamer.postgres.physical import NumberedLeaf, Position, rowid_sql

_DOUBLE = "pg_catalog.float8"
_INFLATION = 8  # how much bigger a printed value may be than it is stored, compressed
_LENGTH_IS_KNOWN = ("text", "varchar", "bytea", "json", "xml", "citext")


@frozen
class Query:
    """A SELECT, its parameters, and how a record of it reads (see Page)."""

    sql: str
    parameters: tuple[str, ...]
    width: int
    key_cells: tuple[int, ...]
    json_rows: bool = False


def read_query(
    plan: TablePlan,
    kind: StepKind,
    after: Key | None,
    *,
    leaf: NumberedLeaf | None = None,
    json_rows: bool = False,
    upto: Key | None = None,
    copied: Callable[[ColumnPlan], str] | None = None,
) -> Query:
    """The rows behind `after`, in key order; of one leaf where the key is the position.

    With `upto`, which no position can be, only those up to that key. With `copied`, the query is for
    COPY, which takes no parameters: keys stand in the SQL, and this is the SQL of a column's cell.

    ROWS has all columns in order (behind the position, where that is the key); EDGES has the key's
    columns and then the deferred ones, of rows where one of these isn't NULL (with `null_edges`, of
    all rows).
    """
    cells = [_cell(column) for column in stored_columns(plan, kind)]
    if leaf is not None:
        cells.insert(0, rowid_sql(leaf.number))
    width = len(cells)
    extra: list[str] = []
    key_cells = (
        (0,) if leaf is not None else _key_cells(plan, kind, extra, width, json_rows=json_rows)
    )
    if json_rows:
        extra = [cells[0], *extra] if leaf is not None else extra
        cells = [f"pg_catalog.json_build_array({', '.join(cells)})::text"]
        width = 1
        key_cells = (1,) if leaf is not None else key_cells
    if copied is not None:
        cells = [copied(column) for column in stored_columns(plan, kind)]
    outputs = ", ".join(f"{cell} AS c{number}" for number, cell in enumerate([*cells, *extra]))
    written = copied is not None
    return Query(
        f"SELECT {outputs} {_tail(plan, kind, after, leaf, upto, written=written)}",
        () if written else (*_parameters(after, leaf), *(upto or ())),
        width,
        key_cells,
        json_rows,
    )


def size_query(
    plan: TablePlan,
    kind: StepKind,
    after: Key | None,
    *,
    leaf: NumberedLeaf | None = None,
    upto: Key | None = None,
) -> Query:
    """About how many bytes each row of `read_query` prints, in the same order, as one integer.

    Costs no reading of TOAST: of texts and bytea the length is kept beside the pointer, of others
    the compressed size is, and counted _INFLATION-fold. What is made of other columns is made.
    """
    sizes = [_size(plan.table, column) for column in stored_columns(plan, kind)]
    total = " + ".join(["0::bigint", *(size for size in sizes if size)])
    parameters = (*_parameters(after, leaf), *(upto or ()))
    return Query(f"SELECT {total} AS c0 {_tail(plan, kind, after, leaf, upto)}", parameters, 1, ())


def stored_columns(plan: TablePlan, kind: StepKind) -> tuple[ColumnPlan, ...]:
    """The columns whose cells a page of `kind` holds, in order (the position not counted)."""
    if kind is StepKind.ROWS:
        return plan.columns
    by_target = {column.target: column for column in plan.columns}
    return tuple(by_target[target] for target in (*plan.key.targets, *plan.deferred))


def count_sql(table: Table, where: str = "") -> str:
    """SQL that counts the rows for which the user's `where` is true; '' counts all."""
    return f"SELECT count(*) FROM {from_sql(table)}{where_sql([chosen(where)])}"


def chosen(where: str) -> str:
    """The user's `where` as a condition beside others; '' where there is none.

    A comment at its end must not hide what follows.
    """
    return f"({where}\n)" if where.strip() else ""


def where_sql(conditions: Sequence[str]) -> str:
    """A WHERE with those of the conditions that aren't empty; '' where all are."""
    given = [condition for condition in conditions if condition]
    return f" WHERE {' AND '.join(given)}" if given else ""


def lookup_query(plan: TablePlan) -> Query:
    """All columns of the rows with given keys, in key order; parameter N is a text[] of key N.

    A key's text is cast to the column's type, or, without one, compared with what is printed.
    """
    extra: list[str] = []
    cells = [_cell(column) for column in plan.columns]
    key_cells = _key_cells(plan, StepKind.ROWS, extra, len(cells), json_rows=False)
    outputs = ", ".join(f"{cell} AS c{number}" for number, cell in enumerate([*cells, *extra]))
    keys = _key_columns(plan)
    names = [f"k{number}" for number in range(len(keys))]
    arrays = ", ".join(f"${number}::text[]" for number in range(1, len(keys) + 1))
    casts = [
        f"{name}::{cast}" if cast else name for name, cast in zip(names, _casts(plan), strict=True)
    ]
    wanted = f"SELECT {', '.join(casts)} FROM unnest({arrays}) AS wanted ({', '.join(names)})"
    found = _is_wanted(_compared(plan), wanted, _operators(plan))
    where = where_sql([found, chosen(plan.where)])
    order = ", ".join(f"{key} AS o{number}" for number, key in enumerate(keys))
    names = [f"c{number}" for number in range(len(cells) + len(extra))]
    # Sorting comes behind finding: sessions do without sorts, and would look at all rows in order.
    sql = (
        f"WITH found AS MATERIALIZED (SELECT {outputs}, {order} FROM {from_sql(plan.table)}{where}) "
        f"SELECT {', '.join(names)} FROM found "
        f"ORDER BY {', '.join(f'o{number}' for number in range(len(keys)))}"
    )
    return Query(sql, (), len(cells), key_cells)


def absent_query(plan: TablePlan) -> str:
    """SQL for the numbers (from 1) of those keys that no row has; parameter N is a text[] of key N."""
    keys = range(len(plan.key.columns))
    names = [f"k{n}" for n in keys]
    arrays = ", ".join(f"${n + 1}::text[]" for n in keys)
    same = [
        f"{value} {operator('=', schema)} w.{name}" + (f"::{cast}" if cast else "")
        for value, schema, name, cast in zip(
            _compared(plan), _operators(plan), names, _casts(plan), strict=True
        )
    ]
    row = f"SELECT FROM {from_sql(plan.table)}{where_sql([*same, chosen(plan.where)])}"
    wanted = f"unnest({arrays}) WITH ORDINALITY AS w ({', '.join(names)}, n)"
    return f"SELECT w.n FROM {wanted} WHERE NOT EXISTS ({row})"


def sample_query(plan: TablePlan, rows: int) -> str:
    """SQL for the keys, as texts, of about so many rows: from both ends, and by chance."""
    ends = max(1, rows // 4)
    order = _key_columns(plan)
    outputs = ", ".join(f"{key} AS k{n}" for n, key in enumerate(_key_texts(plan)))
    some = f"SELECT {outputs} FROM {from_sql(plan.table)}{where_sql([chosen(plan.where)])}"
    parts = (
        f"{some} ORDER BY {', '.join(order)} LIMIT {ends}",
        f"{some} ORDER BY {', '.join(f'{key} DESC' for key in order)} LIMIT {ends}",
        f"{some} ORDER BY pg_catalog.random() LIMIT {max(1, rows - 2 * ends)}",
    )
    return " UNION ALL ".join(f"({part})" for part in parts)


def _compared(plan: TablePlan) -> list[str]:
    """What a lookup compares with each of its keys."""
    printed = {column.source: _cell(column) for column in plan.columns}
    return [
        column if cast else printed[name] + (f"::{double}" if double else "")
        for name, column, cast, double in zip(
            plan.key.columns, _key_columns(plan), plan.key.casts, _casts(plan), strict=True
        )
    ]


def _casts(plan: TablePlan) -> list[str]:
    """What the text of each key is cast to; '' where texts are compared."""
    reals = {column.source for column in plan.columns if column.storage is Storage.REAL}
    doubles = reals if plan.key.as_numbers else ()
    return [
        cast or (_DOUBLE if name in doubles else "")
        for name, cast in zip(plan.key.columns, plan.key.casts, strict=True)
    ]


def _is_wanted(values: Sequence[str], wanted: str, operators: Sequence[str]) -> str:
    """Whether the values are among those that the query `wanted` gives."""
    if not any(operators):
        return f"({', '.join(values)}) IN ({wanted})"
    names = [f"k{number}" for number in range(len(values))]
    same = " AND ".join(
        f"{value} {operator('=', schema)} w.{name}"
        for value, name, schema in zip(values, names, operators, strict=True)
    )
    return f"EXISTS (SELECT FROM ({wanted}) AS w ({', '.join(names)}) WHERE {same})"


def _cell(column: ColumnPlan) -> str:
    return f"({column.read_sql})"


def _key_columns(plan: TablePlan) -> list[str]:
    return [f"t.{quote_identifier(name)}" for name in plan.key.columns]


def _key_texts(plan: TablePlan) -> list[str]:
    """Each key column's own text, which casts back to it."""
    return [
        printed(f"{key}::text", key, plan.table.column(name).type)
        for name, key in zip(plan.key.columns, _key_columns(plan), strict=True)
    ]


def _operators(plan: TablePlan) -> list[str]:
    """The schema of the operators that compare each key; '' where printed text is compared."""
    schemas = {column.source: column.operators for column in plan.columns}
    return [
        schemas[name] if cast else ""
        for name, cast in zip(plan.key.columns, plan.key.casts, strict=True)
    ]


def _key_cells(
    plan: TablePlan, kind: StepKind, extra: list[str], width: int, *, json_rows: bool
) -> tuple[int, ...]:
    """Where each key column's text is: its own cell where that is exact, else one in `extra`."""
    stored = stored_columns(plan, kind)
    places: list[int] = []
    for name, printed_key in zip(plan.key.columns, _key_texts(plan), strict=True):
        own = [at for at, column in enumerate(stored) if column.source == name and column.exact_sql]
        if own and not json_rows:
            places.append(own[0])
            continue
        places.append((1 if json_rows else width) + len(extra))
        extra.append(printed_key)
    return tuple(places)


def _tail(
    plan: TablePlan,
    kind: StepKind,
    after: Key | None,
    leaf: NumberedLeaf | None,
    upto: Key | None = None,
    *,
    written: bool = False,
) -> str:
    conditions: list[str] = []
    if kind is StepKind.EDGES and not plan.null_edges:
        edges = stored_columns(plan, kind)[len(plan.key.targets) :]
        set_ones = [f"{_cell(column)} IS NOT NULL" for column in edges]
        conditions.append(f"({' OR '.join(set_ones)})")
    if after is not None:
        conditions.append(_behind(plan, leaf, after, written=written))
    if upto is not None:
        assert leaf is None
        behind = _behind(plan, None, upto, number=1 + len(after or ()), written=written)
        conditions.append(f"NOT ({behind})")
    where = where_sql([*conditions, chosen(plan.where)])
    if plan.key.kind is KeyKind.PHYSICAL:
        # No ORDER BY: a scan that begins at the beginning delivers positions in order, a sort
        # would read everything first.
        return f"FROM {leaf.sql if leaf is not None else from_sql(plan.table)}{where}"
    return f"FROM {from_sql(plan.table)}{where} ORDER BY {', '.join(_key_columns(plan))}"


def _behind(
    plan: TablePlan,
    leaf: NumberedLeaf | None,
    after: Key,
    *,
    number: int = 1,
    written: bool = False,
) -> str:
    """Whether a row comes behind the key that the parameters from `number` on are."""
    if leaf is not None:
        return "t.ctid > $1::text::tid"
    keys = [_written(key) if written else f"${n}" for n, key in enumerate(after, start=number)]
    values = [f"{key}::text::{cast}" for key, cast in zip(keys, plan.key.casts, strict=True)]
    columns, operators = _key_columns(plan), _operators(plan)
    if len(columns) == 1 or any(operators):
        return _is_later(list(zip(columns, values, operators, strict=True)))
    return f"({', '.join(columns)}) > ({', '.join(values)})"


def _written(text: str) -> str:
    """A text as PostgreSQL's SQL has it, whatever it is set to make of backslashes."""
    quoted = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{quoted}'" if "\\" in text else f"'{quoted}'"


def seeks(plan: TablePlan) -> bool:
    """Whether PostgreSQL begins behind a key at once: an index has it, and one operator compares it.

    Else it goes through all that comes before, or sorts: once a cursor, but once a page as well.
    """
    key = plan.key
    if any(index.name == key.name and not index.oid for index in plan.table.indexes):
        return False  # only the settings name it
    return len(key.columns) == 1 or not any(_operators(plan))


def _is_later(keys: Sequence[tuple[str, str, str]]) -> str:
    """Whether a row comes behind a key, where no one operator compares all its columns.

    Each has a column, the value to be behind, and its operators' schema. By the first `>=` a scan
    of the index finds where to begin.
    """
    (column, value, schema), *rest = keys
    later = f"{column} {operator('>', schema)} {value}"
    if not rest:
        return later
    from_here = f"{column} {operator('>=', schema)} {value}"
    return f"({from_here} AND ({later} OR {_is_later(rest)}))"


def _parameters(after: Key | None, leaf: NumberedLeaf | None) -> tuple[str, ...]:
    if after is None:
        return ()
    return (Position.of(after[0]).tid,) if leaf is not None else after


def _size(table: Table, column: ColumnPlan) -> str:
    name = f"t.{quote_identifier(column.source)}"
    if name not in column.read_sql:  # made of other columns
        return f"coalesce(pg_catalog.octet_length({_cell(column)}), 0)"
    kind = table.column(column.source).type.base
    if kind.kind is TypeKind.BASE and kind.name in _LENGTH_IS_KNOWN:
        length = name if kind.name == "bytea" else f"{name}::text"
        return f"coalesce(pg_catalog.octet_length({length}), 0)"
    return f"coalesce(pg_catalog.pg_column_size({name}), 0) * {_INFLATION}"
