"""Questions for values and rows that are bigger than D1 takes.

Of a text or a bytea PostgreSQL keeps the length beside the pointer, so that asking costs next to
nothing. Of everything else only the size that it takes on disk is at hand, compressed and in a form
of its own: only where that may print as too much, the value itself is fetched and printed.
"""

from __future__ import annotations

from streamer import limits
from streamer.frozen import frozen
from streamer.model import (
    ColumnPlan,
    Finding,
    Question,
    Severity,
    Storage,
    TableKind,
    TablePlan,
    TypeKind,
    Wire,
)
from streamer.plan.draft import Draft

_MOST = f"{limits.VALUE_BYTES:,}"
_HINT = (
    "Leave such rows out with a `where` for the table, set them aside with --on-error reject, or store"
    " NULL or less of a column by an `expression`"
)
_KNOWS_COMPRESSION = 140_000  # postgresql.org/docs/release/14.0: pg_column_compression() is new
# What a stored byte may come to in print: JSON writes a control character as six, a boolean of an
# array as `false,`; eight leaves room. pglz packs at most 273 bytes into 3 (src/common/
# pg_lzcompress.c), LZ4 255 into 1 (its block format).
_PRINTED = 8
_PACKED = {"pglz": 91, "lz4": 255}
_TOASTED_AS_TEXT = frozenset({"text", "varchar", "xml", "citext"})
# Types whose values print as less than a hundred bytes: no row is too big because of them.
_SMALL = frozenset(
    {
        *("bool", "int2", "int4", "int8", "float4", "float8", "oid", "xid", "cid", "xid8", "tid"),
        *("date", "time", "timetz", "timestamp", "timestamptz", "interval", "uuid", "money"),
        *("char", "name", "inet", "cidr", "macaddr", "macaddr8", "pg_lsn", "point", "line"),
        *("lseg", "box", "circle"),
    }
)


@frozen
class _Size:
    """SQL for a column's stored bytes: `bound` is quickly known and never less than `exact`."""

    column: str
    bound: str
    exact: str


def size_questions(draft: Draft, plan: TablePlan, server_version: int) -> list[Question]:
    """One question a column, one for rows: of tables that have values too long for a page.

    What a transform makes of values is known only when it has; then packing watches over sizes.
    """
    if not _may_be_big(plan) or plan.transform:
        return []
    sizes = [
        size
        for column in plan.columns
        if (size := _size(draft, column, server_version)) is not None
    ]
    if not sizes:
        return []
    return [*(_of_value(plan, size) for size in sizes), _of_row(plan, sizes)]


def _may_be_big(plan: TablePlan) -> bool:
    """Whether some value is kept outside of its page; of foreign tables nobody knows."""
    table = plan.table
    return table.toast_bytes > 0 or table.kind in {TableKind.VIEW, TableKind.FOREIGN}


def _size(draft: Draft, column: ColumnPlan, server_version: int) -> _Size | None:
    """How big the column's values are; None where they never are."""
    base = draft.table.column(column.source).type.base
    shaped = draft.shaped.columns[column.source]
    if shaped.mask or column.storage in {Storage.INTEGER, Storage.REAL}:
        return None
    stored = f"coalesce(octet_length({column.read_sql}), 0)"
    printed = f"({stored} / 2)" if column.wire is Wire.HEX else stored
    if shaped.expression:
        return _Size(column.source, printed, printed)
    if base.kind is TypeKind.ENUM or (base.kind is TypeKind.BASE and base.name in _SMALL):
        return None
    value = shaped.value
    if base.name in _TOASTED_AS_TEXT and column.read_sql == f"{value}::text":
        return _Size(column.source, stored, stored)
    if base.name == "bytea" and column.wire is Wire.HEX:
        length = f"coalesce(octet_length({value}), 0)"
        return _Size(column.source, length, length)
    return _Size(column.source, _bound(value, server_version), printed)


def _bound(value: str, server_version: int) -> str:
    """SQL for at least the bytes that `value` prints as, without fetching it."""
    factor = str(_PRINTED * _PACKED["pglz"])
    if server_version >= _KNOWS_COMPRESSION:
        cases = " ".join(f"WHEN '{name}' THEN {_PRINTED * by}" for name, by in _PACKED.items())
        factor = f"CASE pg_column_compression({value}) {cases} ELSE {_PRINTED} END"
    return f"coalesce(pg_column_size({value})::bigint * {factor}, 0)"


def _of_value(plan: TablePlan, size: _Size) -> Question:
    return Question(
        plan.name,
        Finding(
            Severity.REFUSAL,
            f"{plan.name}.{size.column}",
            f"more than {_MOST} bytes, which no value may have in D1, in {{rows}} of the rows: {{keys}}",
            _HINT,
        ),
        condition=_above([size]),
        sizes=size.exact,
        by_row=True,
    )


def _of_row(plan: TablePlan, sizes: list[_Size]) -> Question:
    """Rows of which no single value is too big, but all together are.

    A row is at least its values, a byte a column and three of its own (sqlite.org/fileformat2.html,
    record format). The few more that numbers and long values take, packing counts.
    """
    least = len(plan.columns) + 3
    single = " AND ".join(f"NOT ({_above([size])})" for size in sizes)
    return Question(
        plan.name,
        Finding(
            Severity.REFUSAL,
            str(plan.name),
            f"more than {_MOST} bytes, which no row may have in D1, in {{rows}} of the rows: {{keys}}",
            _HINT,
        ),
        condition=f"({_above(sizes, limits.VALUE_BYTES - least)}) AND {single}",
        sizes=f"{_sum([size.exact for size in sizes])} + {least}",
        by_row=True,
    )


def _above(sizes: list[_Size], most: int = limits.VALUE_BYTES) -> str:
    """Whether the sizes come to more than `most`; a CASE looks at the exact ones only then."""
    exact = f"{_sum([size.exact for size in sizes])} > {most}"
    if all(size.bound == size.exact for size in sizes):
        return exact
    bound = f"{_sum([size.bound for size in sizes])} > {most}"
    return f"CASE WHEN {bound} THEN {exact} ELSE false END"


def _sum(parts: list[str]) -> str:
    return " + ".join(f"{part}::bigint" for part in parts)
