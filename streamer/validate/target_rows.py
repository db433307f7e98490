"""The target's rows in requests that D1 can answer: walked through by row number or key (pure)."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from streamer.frozen import frozen
from streamer.model import ColumnPlan, Key, KeyKind, Statement, Storage, TablePlan, Wire
from streamer.model.sql import quote_identifier
from streamer.translate.names import rowid_name

COUNTED_ROWS = 3_000_000
"""Rows that one statement looks at: D1 has 30 s for a request."""
KEY_BYTES = 900_000
"""About how long a parameter of keys may be; D1 takes twice that."""


def key_text_sql(alias: str, column: ColumnPlan) -> str:
    """SQL of a key's cell as text: exact, where D1's own numbers would be rounded."""
    name = f"{alias}.{quote_identifier(column.target)}"
    if column.wire is Wire.HEX:
        return f"lower(hex({name}))"
    if column.storage is Storage.REAL:
        return f"CASE typeof({name}) WHEN 'real' THEN printf('%!.17g',{name}) ELSE {name} END"
    return f"CAST({name} AS TEXT)"


def key_columns(plan: TablePlan) -> tuple[ColumnPlan, ...]:
    """The columns of a table's key, in its order; none where that is the position."""
    by_target = {column.target: column for column in plan.columns}
    return tuple(by_target[name] for name in plan.key.targets)


@frozen
class Walk:
    """How the rows of `table` are walked through, in the order of `places` (SQL over `o`).

    `texts` is SQL of the places as texts, `bound` SQL of a place whose text is a parameter.
    """

    table: str
    places: tuple[str, ...]
    texts: tuple[str, ...]
    bound: tuple[str, ...]

    @classmethod
    def through(cls, plan: TablePlan) -> Walk:
        """The cheapest walk: by row number, where the table has them and no column hides them."""
        names = [*(column.target for column in plan.columns), *plan.generated]
        rowid = plan.key.rowid if plan.key.kind is KeyKind.PHYSICAL else rowid_name(names)
        if rowid and not plan.without_rowid:
            place = f"o.{quote_identifier(rowid)}"
            return cls(plan.target, (place,), (f"CAST({place} AS TEXT)",), ("CAST(? AS INTEGER)",))
        keys = key_columns(plan)
        return cls(
            plan.target,
            tuple(f"o.{quote_identifier(column.target)}" for column in keys),
            tuple(key_text_sql("o", column) for column in keys),
            tuple("unhex(?)" if column.wire is Wire.HEX else "?" for column in keys),
        )

    def page(self, after: Key | None, rows: int, outputs: Sequence[str]) -> Statement:
        """The next `rows` rows behind `after`: their places as texts, then `outputs`."""
        shown = ", ".join([*self.texts, *outputs])
        where = self.where(after, None)
        return Statement.of(
            f"SELECT {shown} FROM {self.rows}{where} ORDER BY {', '.join(self.places)} LIMIT {rows}",
            *(after or ()),
        )

    def edge(self, after: Key | None, rows: int) -> Statement:
        """The place, as texts, of the last of `rows` rows behind `after`; none where fewer are."""
        where, order = self.where(after, None), ", ".join(self.places)
        return Statement.of(
            f"SELECT {', '.join(self.texts)} FROM {self.rows}{where}"
            f" ORDER BY {order} LIMIT 1 OFFSET {rows - 1}",
            *(after or ()),
        )

    @property
    def rows(self) -> str:
        """The FROM item; the rows are called `o`."""
        return f"{quote_identifier(self.table)} AS o"

    def where(self, after: Key | None, upto: Key | None, *others: str) -> str:
        """A WHERE for the rows behind `after`, up to `upto`, that `others` are true for.

        Its parameters are the texts of `after`, then those of `upto`.
        """
        left, right = ", ".join(self.places), ", ".join(self.bound)
        conditions = [f"({left}) > ({right})"] if after is not None else []
        conditions += [f"({left}) <= ({right})"] if upto is not None else []
        conditions += others
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""


@frozen
class Named:
    """Rows of a table by their keys: `rows` are those of the parameter ?1, `same` joins them."""

    plan: TablePlan

    @property
    def rows(self) -> str:
        """The FROM item of the keys, called `s`; `s.key` is a key's number in the parameter."""
        return "json_each(?1) AS s"

    @property
    def same(self) -> str:
        """Whether the row `o` has the key `s`: without key columns, that row number."""
        if self.plan.key.kind is KeyKind.PHYSICAL:
            return f"o.{quote_identifier(self.plan.key.rowid)} = CAST((s.value->>0) AS INTEGER)"
        return " AND ".join(
            f"o.{quote_identifier(column.target)} = {self._sent(n, column)}"
            for n, column in enumerate(key_columns(self.plan))
        )

    @staticmethod
    def _sent(n: int, column: ColumnPlan) -> str:
        cell = f"(s.value->>{n})"
        return f"unhex{cell}" if column.wire is Wire.HEX else cell

    def parts(self, keys: Sequence[Key]) -> list[Sequence[Key]]:
        """`keys` in as few parts as parameters need."""
        parts = 1 + len(orjson.dumps(keys)) // KEY_BYTES
        length = max(1, -(-len(keys) // parts))
        return [keys[at : at + length] for at in range(0, len(keys), length)]


def keys_text(keys: Sequence[Key]) -> str:
    """Keys as a parameter."""
    return orjson.dumps(keys).decode()
