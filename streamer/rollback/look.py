"""What the target holds of a run's tables now."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.d1 import D1Database
from streamer.frozen import frozen
from streamer.model import Statement, whole_number
from streamer.pack import LEDGER_TABLE, OWNER_TABLE, owners_of, read_owners
from streamer.pack.ledger import Owner
from streamer.run.survey import OURS, Survey, count_rows, survey

_EDGES = """\
SELECT m.name, f.id, f."from", f."table", x."notnull" FROM sqlite_master AS m,
pragma_foreign_key_list(m.name) AS f, pragma_table_xinfo(m.name) AS x
WHERE m.type = 'table' AND x.name = f."from" COLLATE NOCASE AND m.name NOT LIKE '\\_cf\\_%' ESCAPE '\\'"""
_FORMS = "SELECT name, wr FROM pragma_table_list WHERE schema = 'main'"
_INDEXES = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
_OUR_TABLES = (
    f"SELECT name FROM sqlite_master WHERE name LIKE '{OURS.replace('_', '?_')}%' ESCAPE '?'"
)
_SEQUENCE = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'"
_LEDGER = (
    "SELECT \"table\", CAST(sum(CASE step WHEN 'rows' THEN rows ELSE 0 END) AS TEXT) "
    f'FROM {LEDGER_TABLE} WHERE run = ?1 GROUP BY "table"'
)


@frozen
class ForeignKey:
    """A foreign key: its table, columns, parent, and those of its columns that may be NULL."""

    child: str
    parent: str
    columns: tuple[str, ...]
    nullable: tuple[str, ...]


@frozen
class Seen:
    """The target now: names are in lower case wherever they are keys.

    `rows` are counts of the tables asked for that are there (None: too many to count in one
    request). `ledger_rows` is what the run's ledger says came; it has an entry, maybe of no row, of all
    that the run claimed. `has_counters`: there is a table sqlite_sequence.
    """

    survey: Survey
    rows: dict[str, int | None]
    foreign_keys: tuple[ForeignKey, ...]
    without_rowid: frozenset[str]
    indexes: dict[str, tuple[str, ...]]
    owners: tuple[Owner, ...]
    ledger_rows: dict[str, int]
    has_counters: bool

    @property
    def is_claimed(self) -> bool:
        """Whether the run's own claim stands, with what came with it; a rollback's leaves nothing."""
        return bool(self.ledger_rows)


async def look(database: D1Database, tables: Sequence[str], run_id: str) -> Seen:
    """Look at the target's schema, and count the rows of `tables` (target names)."""
    seen = await survey(database)
    answer = await database.execute(
        [Statement.of(sql) for sql in (_EDGES, _FORMS, _INDEXES, _OUR_TABLES, _SEQUENCE)]
    )
    edges, forms, indexes, ours = (
        result.table(width) for result, width in zip(answer.results, (5, 2, 2, 1), strict=False)
    )
    by_table: dict[str, list[str]] = {}
    for table, index in indexes:
        by_table.setdefault(str(table).lower(), []).append(str(index))
    there = [name for name in tables if (t := seen.find(name)) is not None and not t.is_view]
    owners, ledger_rows = await _ledger(database, {str(name) for (name,) in ours}, run_id)
    return Seen(
        survey=seen,
        rows=dict(zip(map(str.lower, there), await count_rows(database, there), strict=True)),
        foreign_keys=_foreign_keys(edges),
        without_rowid=frozenset(str(n).lower() for n, wr in forms if whole_number(wr)),
        indexes={table: tuple(names) for table, names in by_table.items()},
        owners=owners,
        ledger_rows=ledger_rows,
        has_counters=bool(answer.results[4].number),
    )


async def _ledger(
    database: D1Database, there: set[str], run_id: str
) -> tuple[tuple[Owner, ...], dict[str, int]]:
    owners: tuple[Owner, ...] = ()
    rows: dict[str, int] = {}
    if OWNER_TABLE in there:
        owners = owners_of((await database.execute([read_owners()])).results[0])
    if LEDGER_TABLE in there:
        answer = await database.execute([Statement.of(_LEDGER, run_id)])
        rows = {
            str(table).lower(): whole_number(count) for table, count in answer.results[0].table(2)
        }
    return owners, rows


def _foreign_keys(edges: Sequence[tuple[object, ...]]) -> tuple[ForeignKey, ...]:
    grouped: dict[tuple[str, str], list[tuple[str, str, bool]]] = {}
    for child, number, column, parent, not_null in edges:
        key = (str(child), str(number))
        fixed = bool(whole_number(not_null))
        grouped.setdefault(key, []).append((str(parent), str(column), fixed))
    return tuple(
        ForeignKey(
            child=child,
            parent=parts[0][0],
            columns=tuple(column for _, column, _ in parts),
            nullable=tuple(column for _, column, fixed in parts if not fixed),
        )
        for (child, _), parts in grouped.items()
    )
