"""A table's rows beside those that the target holds: SQL that changes nothing and judges each row.

The rows travel as those that are written do, and D1's own engine compares them: what it would store
is what it must hold. So no value is read back, and none can be bent on its way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from streamer.frozen import frozen
from streamer.model import (
    KeyKind,
    Loading,
    Pack,
    Result,
    StepKind,
    Storage,
    TablePlan,
    whole_number,
)
from streamer.model.sql import quote_identifier
from streamer.pack.engine import Engine
from streamer.pack.layout import Layout, held

GROUP = 25  # columns whose marks share one output: results have at most 100 of these


@frozen
class Comparison(Layout):
    """The layout of a table's rows that are compared, not written.

    `keys_only` looks for the rows alone. A statement answers with one row, how many of its rows are
    missing or different; `naming` ones with a row for each of these (see `unequal`).
    """

    keys_only: bool = False
    naming: bool = False

    @property
    def stores(self) -> bool:
        """Nothing is written."""
        return False

    @classmethod
    def of_table(
        cls, plan: TablePlan, *, engine: Engine, keys_only: bool = False, naming: bool = False
    ) -> Comparison:
        """How whole rows of `plan` are compared, whichever way they were loaded."""
        whole = replace(plan, loading=Loading.DIRECT, deferred=())
        draft = cls.of(whole, StepKind.ROWS, Pack.JSON, into_stage=False, engine=engine)
        return replace(draft, keys_only=keys_only, naming=naming).with_sql()

    def json_statement(self, bound: Mapping[int, str]) -> str:
        """SQL that compares the rows in ?1, save that the cells of `bound` have their own SQL."""
        cells = [bound.get(n) or self.stored(n, f"(s.v->>{n})") for n in range(len(self.columns))]
        places = {column.target: n for n, column in enumerate(self.columns)}
        same = " AND ".join(f"o.{quote_identifier(k)}={cells[places[k]]}" for k in self.key)
        found = f"o.{quote_identifier(self.key[0])} IS NOT NULL"
        rows = self.engine.streamed(numbered=True)
        joined = f"FROM {rows} LEFT JOIN {quote_identifier(self.table)} AS o ON {same}"
        wrong = " OR ".join([f"NOT {found}", *self._wrong(cells)])
        if not self.naming:
            return f"SELECT count(*),coalesce(sum({wrong}),0) {joined}"
        outputs = ",".join(["s.n", found, *self._marks(cells)])
        return f"SELECT {outputs} {joined} WHERE {wrong}"

    def unequal(self, result: Result) -> list[tuple[int, tuple[str, ...] | None]]:
        """What a `naming` statement found: for each row that isn't equal its number in the
        statement, and the columns (target names) that differ, None where the row is missing.
        """
        found: list[tuple[int, tuple[str, ...] | None]] = []
        names = [self.columns[n].target for n in self._judged()]
        for number, is_there, *marks in result.rows:
            which = "".join(map(str, marks))
            differing = tuple(n for n, mark in zip(names, which, strict=True) if mark == "1")
            there = str(is_there) not in {"0", "0.0"}
            found.append((whole_number(number), differing if there else None))
        return found

    def _judged(self) -> Sequence[int]:
        """The columns that may differ; a row number that is looked up by can't.

        A text can, where D1's table looks it up by a collation.
        """
        if self.keys_only:
            texts = [n for n, c in enumerate(self.columns) if c.storage is Storage.TEXT]
            return [n for n in texts if self.columns[n].target in self.key]
        return [n for n in range(len(self.columns)) if n != self.rowid_cell]

    def _wrong(self, cells: Sequence[str]) -> list[str]:
        """Conditions, any of which says that a row that is there is another one."""
        judged = self._judged()
        if not judged:
            return []
        there = ",".join(self._held(n) for n in judged)
        sent = ",".join(cells[n] for n in judged)
        # One of these alone is no row value.
        differs = f"({there}) IS NOT ({sent})"
        types = [f"typeof({self._held(n)})" for n in judged if self._may_be_real(n)]
        return [differs, *([f"'real' IN ({','.join(types)})"] if types else [])]

    def _marks(self, cells: Sequence[str]) -> list[str]:
        """For each of the columns that may differ a digit, 1 where it does, in groups."""
        digits = [self._mark(n, cells[n]) for n in self._judged()]
        return ["||".join(digits[at : at + GROUP]) for at in range(0, len(digits), GROUP)]

    def _mark(self, n: int, cell: str) -> str:
        real = f" OR typeof({self._held(n)})='real'" if self._may_be_real(n) else ""
        return f"({self._held(n)} IS NOT {cell}{real})"

    def _held(self, n: int) -> str:
        return held(self.columns[n])

    def _may_be_real(self, n: int) -> bool:
        """Whether a double may be kept that equals the integer: where both ends of 64 bits are near, it stays one."""
        return self.columns[n].storage is Storage.INTEGER


def compared(plan: TablePlan, *, keys_only: bool) -> TablePlan:
    """`plan` with the columns that a comparison reads, those that D1 computes too.

    What a function makes needs all that are written, and D1 computes nothing of it.
    """
    if keys_only and plan.key.kind is not KeyKind.PHYSICAL and not plan.transform:
        keys = tuple(column for column in plan.columns if column.target in plan.key.targets)
        return replace(plan, columns=keys)
    return replace(plan, columns=(*plan.columns, *plan.computed), computed=())
