"""A UNIQUE of a table, as SQL: who holds values that rows were sent with, and who must let go (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson

from streamer.frozen import frozen
from streamer.model import (
    ColumnPlan,
    Key,
    KeyKind,
    Result,
    Statement,
    Storage,
    TablePlan,
    Wire,
    whole_number,
)
from streamer.model.sql import quote_identifier
from streamer.pack import Layout, unique_columns
from streamer.pack.probe import ROWS_OF, rows_json
from streamer.sinks.references import Row, text_of

_INDEX = r"(?s)UNIQUE constraint failed: index '(.*)'"
_PARKED = " _streamer_parked "
_NEARLY_FULL = 2**63 - 1_000_000_000  # the largest number that so many more have room above
_ENDLESS = {Storage.INTEGER: 2**63, Storage.REAL: 1e300}  # such numbers aren't stored as that

Coming = tuple[Layout, Sequence[Row]]
"""Rows that are written to a table by the same request, and how they are packed."""


@frozen
class Unique:
    """What may be there once: `terms` are SQL over the table's columns, for rows where `where` is true."""

    terms: tuple[str, ...]
    where: str = ""

    def columns(self, plan: TablePlan) -> list[ColumnPlan]:
        """The written columns that the terms are made of."""
        text = " ".join(self.terms)
        return [column for column in plan.columns if quote_identifier(column.target) in text]


def uniques_of(plan: TablePlan, layout: Layout, message: str) -> list[Unique]:
    """The UNIQUEs to look after when one failed with `message`; none where it isn't known.

    Those of indexes that are there while rows come, and the one that failed.
    """
    names = unique_columns(layout, message)
    terms = tuple(map(quote_identifier, names))
    index = re.search(_INDEX, message)
    known = [Unique(i.keys, i.where) for i in plan.indexes if i.unique and i.keys == terms]
    failed = [
        *((known or [Unique(terms)]) if names else []),
        *(
            Unique(known.keys, known.where)
            for known in plan.indexes
            if index is not None and known.unique and known.name == index[1]
        ),
    ]
    if not failed or set(names) == set(plan.key.targets):
        return []
    early = [Unique(i.keys, i.where) for i in plan.indexes if i.unique and i.early and i.keys]
    own = tuple(map(quote_identifier, plan.key.targets))
    return [one for one in dict.fromkeys([*failed, *early]) if set(one.terms) != set(own)]


def uniques_beside_key(plan: TablePlan) -> list[Unique]:
    """What must be there once in a table, but for its key."""
    key = set(plan.key.targets)
    found = [Unique(index.keys, index.where) for index in plan.indexes if index.unique]
    return [
        unique
        for unique in found
        if unique.terms and {column.target for column in unique.columns(plan)} != key
    ]


def holders(plan: TablePlan, layout: Layout, unique: Unique, rows: Sequence[Row]) -> Statement:
    """Ask for other rows of the target that hold what `rows` have: a row's number, and their key."""
    cells = ", ".join(
        f"{_typed(layout, n)} AS {quote_identifier(column.target)}"
        for n, column in enumerate(layout.columns)
    )
    condition = f" WHERE {unique.where}" if unique.where else ""
    terms = ", ".join(f"{term} AS _t{n}" for n, term in enumerate(unique.terms))
    keys = ", ".join(f"{quote_identifier(name)} AS _k{n}" for n, name in enumerate(layout.key))
    same = " AND ".join(f"o._t{n} = a._t{n}" for n in range(len(unique.terms)))
    other = " AND ".join(f"o._k{n} = a._k{n}" for n in range(len(layout.key)))
    texts = ", ".join(text_of("o", c) for c in _key_columns(plan, "_k"))
    return Statement.of(
        f"{ROWS_OF}, sent AS (SELECT s.n AS _n, {cells} FROM s) "
        f"SELECT a._n, {texts} FROM (SELECT _n, {keys}, {terms} FROM sent{condition}) AS a "
        f"JOIN (SELECT {keys}, {terms} FROM {quote_identifier(layout.table)}{condition}) AS o "
        f"ON {same} WHERE NOT ({other})",
        rows_json(rows),
    )


def duplicates(plan: TablePlan, table: str, unique: Unique, most: int) -> Statement:
    """Ask for at most `most` rows of `table` that share with another what may be there once."""
    condition = f" WHERE {unique.where}" if unique.where else ""
    terms = ", ".join(f"{term} AS _t{n}" for n, term in enumerate(unique.terms))
    names = ", ".join(f"_t{n}" for n in range(len(unique.terms)))
    known = " AND ".join(f"_t{n} IS NOT NULL" for n in range(len(unique.terms)))
    keys = ", ".join(
        f"{quote_identifier(name)} AS _k{n}" for n, name in enumerate(plan.key.targets)
    )
    rows = f"SELECT {keys}, {terms} FROM {quote_identifier(table)}{condition}"
    twice = f"SELECT {names} FROM ({rows}) WHERE {known} GROUP BY {names} HAVING count(*) > 1"
    texts = ", ".join(text_of("o", c) for c in _key_columns(plan, "_k"))
    return Statement(f"SELECT {texts} FROM ({rows}) AS o WHERE ({names}) IN ({twice}) LIMIT {most}")


def later_duplicates(plan: TablePlan, table: str, unique: Unique, most: int) -> Statement:
    """As `duplicates`, save the row with the first key of each group."""
    condition = f" WHERE {unique.where}" if unique.where else ""
    keys = ", ".join(f"{quote_identifier(k)} AS _k{n}" for n, k in enumerate(plan.key.targets))
    order = ", ".join(map(quote_identifier, plan.key.targets))
    terms = ", ".join(unique.terms)
    known = " AND ".join(f"({term}) IS NOT NULL" for term in unique.terms)
    nth = f"row_number() OVER (PARTITION BY {terms} ORDER BY {order}) AS _nth"
    rows = f"SELECT {keys}, {nth}, {known} AS _known FROM {quote_identifier(table)}{condition}"
    texts = ", ".join(text_of("o", c) for c in _key_columns(plan, "_k"))
    return Statement(f"SELECT {texts} FROM ({rows}) AS o WHERE _known AND _nth > 1 LIMIT {most}")


def holders_of(result: Result) -> list[tuple[int, Key]]:
    """The answer to `holders`: numbers of rows sent, and the keys of the rows in their way."""
    return [(whole_number(n), tuple(map(str, key))) for n, *key in result.rows]


def keys_of(result: Result) -> list[Key]:
    """Keys that an answer consists of."""
    return [tuple(map(str, key)) for key in result.rows]


def in_the_way(plan: TablePlan, unique: Unique, most: int) -> Statement:
    """Ask for at most `most` rows of the target that hold what staged rows with other keys have.

    Whether a row of that key is staged too (1, else 0), and the key.
    """
    texts = ", ".join(text_of("o", c) for c in _key_columns(plan, "_k"))
    staged = f"EXISTS ({_staged(plan)})"
    return Statement(f"SELECT DISTINCT {staged}, {texts} {_shared(plan, unique)} LIMIT {most}")


def in_the_way_of(result: Result) -> list[tuple[bool, Key]]:
    """The answer to `in_the_way`."""
    return [(str(staged) not in {"0", "0.0"}, tuple(map(str, key))) for staged, *key in result.rows]


def kept_out(plan: TablePlan, unique: Unique, most: int) -> Statement:
    """Ask for at most `most` staged rows whose values rows of the target hold that nothing is staged for."""
    texts = ", ".join(text_of("a", c) for c in _key_columns(plan, "_k"))
    unstaged = f"NOT EXISTS ({_staged(plan)})"
    return Statement(f"SELECT DISTINCT {texts} {_shared(plan, unique)} AND {unstaged} LIMIT {most}")


def park_for_stage(
    plan: TablePlan, unique: Unique, coming: Sequence[Coming] = ()
) -> Statement | None:
    """As `park`, of all rows that are in the way of staged ones, and are staged with other values.

    None where no column can let go.
    """
    parking = _Parking.of(plan, [unique], (plan.target, plan.stage), coming)
    if not parking.sets:
        return None
    places = range(len(plan.key.targets))
    value = " || ',' || ".join(f"quote(_k{n})" for n in places)
    keys = ", ".join(f"o._k{n} AS _k{n}" for n in places)
    theirs = f"SELECT DISTINCT {keys} {_shared(plan, unique)} AND EXISTS ({_staged(plan)})"
    numbered = f'SELECT row_number() OVER () - 1 AS "key", {value} AS "value", * FROM ({theirs})'
    same = " AND ".join(f"o.{quote_identifier(plan.key.targets[n])} = w._k{n}" for n in places)
    target = quote_identifier(plan.target)
    return Statement.of(
        f"UPDATE {target} AS o SET {parking.sql(1)} FROM ({numbered}) AS w WHERE {same}",
        *parking.params,
    )


def _shared(plan: TablePlan, unique: Unique) -> str:
    """SQL for pairs of a row of the target, `o`, and a staged one of another key, `a`, that share it."""
    condition = f" WHERE {unique.where}" if unique.where else ""
    keys = ", ".join(f"{quote_identifier(k)} AS _k{n}" for n, k in enumerate(plan.key.targets))
    terms = ", ".join(f"{term} AS _t{n}" for n, term in enumerate(unique.terms))
    of_target, of_stage = (
        f"(SELECT {keys}, {terms} FROM {quote_identifier(table)}{condition})"
        for table in (plan.target, plan.stage)
    )
    same = " AND ".join(f"o._t{n} = a._t{n}" for n in range(len(unique.terms)))
    other = " AND ".join(f"o._k{n} = a._k{n}" for n in range(len(plan.key.targets)))
    return f"FROM {of_stage} AS a JOIN {of_target} AS o ON {same} WHERE NOT ({other})"


def _staged(plan: TablePlan) -> str:
    """SQL for the staged row with the key of `o`."""
    same = " AND ".join(
        f"b.{quote_identifier(name)} = o._k{n}" for n, name in enumerate(plan.key.targets)
    )
    return f"SELECT 1 FROM {quote_identifier(plan.stage)} AS b WHERE {same}"


def park(
    plan: TablePlan, uniques: Sequence[Unique], keys: Sequence[Key], coming: Sequence[Coming] = ()
) -> list[Statement]:
    """Take their values from the rows with these keys, so that others may have them.

    Columns that may be NULL become so, of others one is given a value that nobody has, and none of
    the rows that are `coming` to the table with the same request.
    """
    parking = _Parking.of(plan, uniques, (plan.target,), coming)
    if not parking.sets or not keys:
        return []
    return [
        Statement.of(
            f"UPDATE {quote_identifier(plan.target)} AS o SET {parking.sql(2)} "
            f"FROM json_each(?1) AS w WHERE {_is_key(plan)}",
            orjson.dumps(keys).decode(),
            *parking.params,
        )
    ]


def delete(plan: TablePlan, table: str, keys: Sequence[Key]) -> list[Statement]:
    """Delete the rows with these keys."""
    if not keys:
        return []
    condition, params = among_keys(plan, keys)
    return [Statement.of(f"DELETE FROM {quote_identifier(table)} WHERE {condition}", *params)]


def among_keys(plan: TablePlan, keys: Sequence[Key]) -> tuple[str, tuple[str]]:
    """SQL that is true of rows with these keys, and its parameter, ?1."""
    names = ", ".join(quote_identifier(name) for name in plan.key.targets)
    cells = ", ".join(_sent(column, n) for n, column in enumerate(_key_columns(plan)))
    condition = f"({names}) IN (SELECT {cells} FROM json_each(?1) AS w)"
    return condition, (orjson.dumps(keys).decode(),)


def _is_key(plan: TablePlan) -> str:
    if plan.key.kind is KeyKind.PHYSICAL:
        return f"o.{quote_identifier(plan.key.rowid)} = CAST((w.value->>0) AS INTEGER)"
    return " AND ".join(
        f"o.{quote_identifier(column.target)} = {_sent(column, n)}"
        for n, column in enumerate(_key_columns(plan))
    )


@frozen
class _Parking:
    """What takes values from a row `w` of one table: columns that become NULL (None), or something made.

    No row of `tables` has what is made, nor has one that is `coming`: of these, the least and the
    greatest number by column. What is in `plain` must be there once by itself, and not as part of a term.
    """

    sets: Mapping[str, ColumnPlan | None]
    plain: frozenset[str]
    tables: tuple[str, ...]
    coming: Mapping[str, tuple[float, float]]

    @classmethod
    def of(
        cls,
        plan: TablePlan,
        uniques: Sequence[Unique],
        tables: tuple[str, ...],
        coming: Sequence[Coming],
    ) -> _Parking:
        sets: dict[str, ColumnPlan | None] = {}
        for unique in uniques:
            free = [c for c in unique.columns(plan) if c.target not in plan.key.targets]
            if nullable := [c for c in free if not c.not_null]:
                sets |= {c.target: None for c in nullable}
            elif free:
                sets[free[0].target] = free[0]
        made = [column for column in sets.values() if column is not None and _is_number(column)]
        plain = frozenset(term for unique in uniques for term in unique.terms)
        ends = {c.target: found for c in made if (found := _ends(c, coming))}
        return cls(sets, plain, tables, ends)

    @property
    def params(self) -> tuple[str, ...]:
        """The parameter of `sql`, where it needs one."""
        return (orjson.dumps([*self.coming.values()]).decode(),) if self.coming else ()

    def sql(self, number: int) -> str:
        """The assignments; their parameter is number `number`."""
        changes = (
            f"{quote_identifier(name)} = {'NULL' if column is None else self._made(column, number)}"
            for name, column in self.sets.items()
        )
        return ", ".join(changes)

    def _made(self, column: ColumnPlan, number: int) -> str:
        """A value that no row has, and a CHECK may take as it took the row's own.

        Of texts that and the key; of numbers one beyond all others, above them where none is negative.
        """
        name = quote_identifier(column.target)
        match column.storage:
            case Storage.TEXT:
                own = f"o.{name} || " if name in self.plain else ""
                return f"{own}'{_PARKED}' || w.key || w.value"
            case Storage.BLOB:
                return f"CAST('{_PARKED}' || w.key || w.value AS BLOB)"
            case Storage.INTEGER | Storage.REAL:
                parts = [f"SELECT {name} AS n FROM {quote_identifier(t)}" for t in self.tables]
                if column.target in self.coming:
                    at = [*self.coming].index(column.target)
                    parts.append(f"SELECT value FROM json_each(?{number}, '$[{at}]')")
                # Texts are none, nor is infinity.
                known = f"FROM ({' UNION ALL '.join(parts)}) WHERE n BETWEEN -1e300 AND 1e300"
                full = f"max(n) >= {_NEARLY_FULL} AND min(n) >= -{_NEARLY_FULL}"
                below = f"min(n) < 0 AND min(n) >= -{_NEARLY_FULL} OR {full}"
                step = "1"
                if column.storage is Storage.REAL:  # of large ones, the next one isn't another
                    below, step = "min(n) < 0", "max(1.0, max(abs(n)) * 1e-9)"
                first = f"SELECT CASE WHEN {below} THEN min(n) ELSE max(n) END {known}"
                way = f"SELECT CASE WHEN {below} THEN -1 ELSE 1 END * {step} {known}"
                return f"ifnull(({first}), 0) + (w.key + 1) * ({way})"


def _ends(column: ColumnPlan, coming: Sequence[Coming]) -> tuple[float, float] | None:
    """The least and the greatest number that rows bring to a column; None where they bring none."""
    found: list[float] = []
    for layout, rows in coming:
        places = [n for n, one in enumerate(layout.columns) if one.target == column.target]
        numbers = (_number(row[n], column.storage) for n in places for row in rows)
        found += [number for number in numbers if number is not None]
    return (min(found), max(found)) if found else None


def _number(cell: str | None, storage: Storage) -> float | None:
    """The number that a cell is stored as; None where it is stored as something else."""
    try:
        number = int(cell or "") if storage is Storage.INTEGER else float(cell or "")
    except ValueError:
        return None
    return number if -_ENDLESS[storage] <= number < _ENDLESS[storage] else None


def _key_columns(plan: TablePlan, alias: str = "") -> list[ColumnPlan]:
    """The key's columns; with an `alias`, called by that and their number."""
    by_target = {column.target: column for column in plan.columns}
    columns = [by_target[name] for name in plan.key.targets]
    if not alias:
        return columns
    return [replace(column, target=f"{alias}{n}") for n, column in enumerate(columns)]


def _sent(column: ColumnPlan, n: int) -> str:
    cell = f"(w.value->>{n})"
    if column.wire is Wire.HEX:
        return f"unhex{cell}"
    # Nothing gives the cell the column's affinity in an IN (SELECT …).
    return f"CAST({cell} AS {column.storage})" if _is_number(column) else cell


def _typed(layout: Layout, n: int) -> str:
    cell = layout.stored(n, f"(s.v->>{n})")
    column = layout.columns[n]
    return f"CAST({cell} AS {column.storage})" if _is_number(column) else cell


def _is_number(column: ColumnPlan) -> bool:
    return column.storage in {Storage.INTEGER, Storage.REAL}
