"""What the target's tables guarantee by themselves: keys and unique indexes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from streamer.frozen import frozen
from streamer.model import Statement, TablePlan
from streamer.validate.sides import Database

_INDEXES = """\
SELECT m.name, l.name, l.partial, i.name
FROM sqlite_master AS m, pragma_index_list(m.name) AS l, pragma_index_info(l.name) AS i
WHERE m.type = 'table' AND m.name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND l."unique" = 1"""


@frozen
class UniqueIndex:
    """A unique index that a plan keeps; `columns` are target names, none where it isn't plain."""

    name: str
    columns: tuple[str, ...]


@frozen
class Structure:
    """By lower-case names: sets of columns that are unique in a table, and its unique indexes."""

    unique: frozenset[tuple[str, frozenset[str]]]
    indexes: frozenset[str]

    def is_unique(self, table: str, columns: Sequence[str]) -> bool:
        """Whether no two rows of a table can have the same in these columns."""
        wanted = frozenset(column.lower() for column in columns)
        return any(name == table.lower() and have <= wanted for name, have in self.unique)

    def enforces(self, table: str, index: UniqueIndex) -> bool:
        """Whether D1 itself keeps the rows of a table unique as `index` wants them."""
        if index.name.lower() in self.indexes:
            return True
        return bool(index.columns) and self.is_unique(table, index.columns)


async def read_structure(database: Database, keys: Mapping[str, Sequence[str]]) -> Structure:
    """What D1 enforces; `keys` are the tables' primary keys."""
    answer = await database.execute([Statement.of(_INDEXES)])
    columns: dict[tuple[str, str], set[str]] = {}
    loose: set[tuple[str, str]] = set()
    for table, index, partial, column in answer.results[0].table(4):
        place = (str(table).lower(), str(index).lower())
        columns.setdefault(place, set()).add(str(column).lower())
        if column is None or str(partial) not in {"0", "0.0"}:
            loose.add(place)
    unique = [
        (table, frozenset(cs)) for (table, i), cs in columns.items() if (table, i) not in loose
    ]
    primary = [(t.lower(), frozenset(c.lower() for c in key)) for t, key in keys.items() if key]
    return Structure(frozenset([*unique, *primary]), frozenset(index for _, index in columns))


def kept_unique(plan: TablePlan) -> Iterable[UniqueIndex]:
    """The unique indexes of the source that the plan makes in the target too."""
    kept = {index.object: index.name for index in plan.indexes if index.unique and index.object}
    targets = {column.source: column.target for column in plan.columns}
    for index in plan.table.indexes:
        name = kept.get(f"{plan.name}.{index.name}")
        if name is None:
            continue
        columns = tuple(targets.get(c or "", "") for c in index.columns)
        plain = index.predicate is None and "" not in columns
        yield UniqueIndex(name, columns if plain else ())
