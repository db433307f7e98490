"""Looks at the target before anything is written: which tables are there, and what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field

from streamer import limits
from streamer.d1 import TooLargeError
from streamer.frozen import frozen
from streamer.model import Answer, Statement, whole_number
from streamer.model.sql import quote_identifier
from streamer.pack import CURRENT, Engine
from streamer.run.engine import Database, with_engine

OURS = "_streamer_"
GENERATED = (
    2,
    3,
)  # table_xinfo's `hidden` of virtual and stored: sqlite.org/pragma.html, 2026-11-22

_OBJECTS = """\
SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')
AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"""
_COLUMNS = """\
SELECT m.name, c.name, c.type, c.pk, c.hidden
FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c
WHERE m.type = 'table' AND m.name NOT LIKE '\\_cf\\_%' ESCAPE '\\'"""
_REFERENCES = """\
SELECT DISTINCT m.name, f."table" FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f
WHERE m.type = 'table' AND m.name NOT LIKE '\\_cf\\_%' ESCAPE '\\'"""
# Only those that call texts equal which aren't the same; sqlite.org/pragma.html, 2026-11-30.
_LOOSE = """\
SELECT m.name, l.name, i.name, upper(i.coll)
FROM sqlite_master AS m, pragma_index_list(m.name) AS l, pragma_index_xinfo(l.name) AS i
WHERE m.type = 'table' AND m.name NOT LIKE '\\_cf\\_%' ESCAPE '\\'
AND l."unique" AND NOT l.partial AND i.key AND EXISTS (
SELECT 1 FROM pragma_index_xinfo(l.name) AS c WHERE c.key AND upper(c.coll) <> 'BINARY')"""

Collations = frozenset[tuple[str, str]]
"""Of the columns of a unique index, their names in lower case and by which collation each is told apart."""


@frozen
class FoundTable:
    """A table or view of the target; `columns` maps lower-case names to declared types.

    `key` holds the primary key's columns in key order, lower case; `generated` are those that
    SQLite computes, which aren't among `columns`. `holds_rows` isn't known of our own tables. `loose`
    are the unique indexes, keys among them, with a column whose collation isn't BINARY.
    """

    name: str
    is_view: bool
    columns: dict[str, str]
    key: tuple[str, ...]
    holds_rows: bool
    generated: frozenset[str] = frozenset()
    loose: frozenset[Collations] = frozenset()


@frozen
class Survey:
    """What the target holds. Tables are found by name, ignoring ASCII case as SQLite does."""

    tables: dict[str, FoundTable] = field(default_factory=dict[str, FoundTable])
    references: frozenset[tuple[str, str]] = frozenset()
    engine: Engine = CURRENT
    size_bytes: int = 0

    def find(self, name: str) -> FoundTable | None:
        """The table or view called `name`, or None."""
        return self.tables.get(name.lower())

    @property
    def names(self) -> frozenset[str]:
        """Names of the user's tables, as spelled in the target."""
        found = self.tables.values()
        return frozenset(t.name for t in found if not t.is_view and not t.name.startswith(OURS))

    def children_of(self, name: str) -> frozenset[str]:
        """Tables, other than itself, with a foreign key to `name`."""
        lower = name.lower()
        return frozenset(
            child
            for child, parent in self.references
            if parent.lower() == lower and child.lower() != lower
        )

    def refers_to_itself(self, name: str) -> bool:
        """Whether the table has a foreign key to itself."""
        lower = name.lower()
        return any(lower == c.lower() == p.lower() for c, p in self.references)


def _texts(answer: Answer, statement: int, width: int) -> list[tuple[str, ...]]:
    rows = answer.results[statement].table(width)
    return [tuple(str(cell) for cell in row) for row in rows]


async def survey(database: Database) -> Survey:
    """Read the target's tables, columns and references, and what its engine can do."""
    asked = [Statement.of(sql) for sql in (_OBJECTS, _COLUMNS, _REFERENCES, _LOOSE)]
    answer, engine = await with_engine(database, asked)
    objects = _texts(answer, 0, 2)
    # Whether ours hold any matters to nobody, and an older start's request may drop them just now.
    asked_of = [n for n, kind in objects if kind == "table" and not n.startswith(OURS)]
    holding = await _holding_rows(database, asked_of)
    columns: dict[str, dict[str, str]] = {name: {} for name, _ in objects}
    keys: dict[str, list[tuple[int, str]]] = {name: [] for name, _ in objects}
    generated: dict[str, set[str]] = {}
    for table, column, declared, position, hidden in _texts(answer, 1, 5):
        if whole_number(hidden) in GENERATED:
            generated.setdefault(table, set()).add(column.lower())
            continue
        columns.setdefault(table, {})[column.lower()] = declared.upper()
        if place := whole_number(position):
            keys.setdefault(table, []).append((place, column.lower()))
    loose: dict[str, dict[str, set[tuple[str, str]]]] = {}
    for table, index, column, collation in _texts(answer, 3, 4):
        of_table = loose.setdefault(table, {})
        of_table.setdefault(index, set()).add((column.lower(), collation))
    return Survey(
        tables={
            name.lower(): FoundTable(
                name=name,
                is_view=kind == "view",
                columns=columns[name],
                key=tuple(column for _, column in sorted(keys[name])),
                holds_rows=name in holding,
                generated=frozenset(generated.get(name, ())),
                loose=frozenset(map(frozenset, loose.get(name, {}).values())),
            )
            for name, kind in objects
        },
        references=frozenset((child, parent) for child, parent in _texts(answer, 2, 2)),
        engine=engine,
        size_bytes=answer.size_after,
    )


async def _holding_rows(database: Database, names: Sequence[str]) -> frozenset[str]:
    found: set[str] = set()
    for part in _parts(names, limits.BATCH_STATEMENTS):
        answer = await database.execute(
            [Statement.of(f"SELECT EXISTS (SELECT 1 FROM {quote_identifier(n)})") for n in part]
        )
        found.update(
            name for name, result in zip(part, answer.results, strict=True) if result.number
        )
    return frozenset(found)


def _parts(names: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))


async def count_rows(database: Database, tables: Sequence[str]) -> list[int | None]:
    """How many rows each table has; fewer share a request where that is too much for one."""
    if not tables:
        return []
    if len(tables) <= limits.BATCH_STATEMENTS:
        count = [Statement.of(f"SELECT count(*) FROM {quote_identifier(name)}") for name in tables]
        try:
            answer = await database.execute(count)
        except TooLargeError:
            if len(tables) == 1:
                return [None]
        else:
            return [result.number for result in answer.results]
    middle = len(tables) // 2
    return [
        *await count_rows(database, tables[:middle]),
        *await count_rows(database, tables[middle:]),
    ]
