"""What of a table's indexes, keys and checks is left when columns aren't moved, or made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field, replace

from streamer.frozen import frozen
from streamer.model import Check, Column, Finding, ForeignKey, Index, Severity, Table
from streamer.translate.mentions import mentions

Made = Mapping[str, str]
"""What makes the values of a column: `an expression`, `the mask hash`."""

_KEEPS_TELLING_APART = frozenset({"the mask hash"})
_KEEPS_REFERENCES = frozenset({"the mask hash", "the mask null"})


def what_remains(
    table: Table,
    moved: Collection[str],
    made: Made,
    parts: Mapping[str, Sequence[Column]] | None = None,
) -> tuple[Table, list[Finding]]:
    """`table` with its `moved` columns alone, and what falls away beside the others.

    `parts` take the place of columns that are split.
    """
    parts = parts or {}
    gone = frozenset(column.name for column in table.columns) - frozenset(moved)
    if not gone and not made:
        return table, []
    left = _Left(table, gone, made, frozenset(parts))
    columns = tuple(
        one
        for column in table.columns
        for one in ([left.column(column)] if column.name in moved else parts.get(column.name, ()))
    )
    indexes = tuple(index for index in table.indexes if left.keeps_index(index))
    named = {index.name for index in table.indexes} - {index.name for index in indexes}
    remaining = replace(
        table,
        columns=columns,
        indexes=tuple(
            replace(index, included=tuple(name for name in index.included if name in moved))
            for index in indexes
        ),
        foreign_keys=tuple(key for key in table.foreign_keys if left.keeps_key(key)),
        checks=tuple(check for check in table.checks if left.keeps_check(check)),
        exclusion_constraints=tuple(
            name for name in table.exclusion_constraints if name not in named
        ),
    )
    return remaining, left.said


@frozen
class _Left:
    """Decides what stays of `table` without the columns `gone`, some of which are `split`.

    `said` takes up what doesn't.
    """

    table: Table
    gone: frozenset[str]
    made: Made
    split: frozenset[str]
    said: list[Finding] = field(default_factory=list[Finding])

    def keeps_index(self, index: Index) -> bool:
        kind = "unique index" if index.unique else "index"
        if index.name in self.table.exclusion_constraints:
            kind = "EXCLUDE constraint"
        return self._keeps(index.name, f"the {kind}", self._against(index))

    def keeps_key(self, key: ForeignKey) -> bool:
        why = self._why(key.columns, _KEEPS_REFERENCES)
        return self._keeps(key.name, f"the foreign key to {key.parent}", why)

    def keeps_check(self, check: Check) -> bool:
        why = self._why(self._used(check.definition))
        return self._keeps(check.name, f"the CHECK constraint {check.definition}", why)

    def column(self, column: Column) -> Column:
        """A generated column as a plain one, where D1 couldn't compute the same from what it has."""
        used = self._used(column.default or "") if column.generated else frozenset[str]()
        why = self._why(used) if column.name not in self.made else ""
        if not why:
            return column
        self._say(
            column.name, f"the generated column becomes a plain one that holds the values: {why}"
        )
        hidden = sorted(name for name in used if self.made.get(name, "").startswith("the mask"))
        if hidden:
            self._say(
                column.name,
                f"is computed from {', '.join(hidden)}, which is masked, and isn't masked itself",
                "Mask it too, or leave it out with exclude_columns",
            )
        return replace(column, generated="", default=None)

    def _against(self, index: Index) -> str:
        """Why an index can't be kept; '' where it can."""
        plain = {name for name in index.columns if name is not None}
        texts = [sql for sql in (*index.expressions, index.predicate) if sql]
        if None in index.columns and not any(index.expressions):
            texts.append(index.definition.partition(" USING ")[2])
        inside = frozenset[str]().union(*map(self._used, texts))
        keeps = _KEEPS_TELLING_APART if index.unique else frozenset(self.made.values())
        return self._why(inside) or self._why(plain, keeps)

    def _used(self, sql: str) -> frozenset[str]:
        return mentions(sql, [column.name for column in self.table.columns])

    def _why(self, columns: Collection[str], keeps: Collection[str] = ()) -> str:
        """Why something over `columns` can't be kept whatever makes them, save what `keeps` it."""
        missing = sorted(self.gone.intersection(columns))
        if missing:
            apart = sorted(self.split.intersection(missing))
            if apart:
                return f"{', '.join(apart)} is split into columns"
            return f"{', '.join(missing)} isn't moved"
        for name in sorted(self.made.keys() & frozenset(columns)):
            if self.made[name] not in keeps:
                return f"the values of {name} are made by {self.made[name]}"
        return ""

    def _keeps(self, name: str, what: str, why: str) -> bool:
        if why:
            self._say(name, f"{what} is left out: {why}")
        return not why

    def _say(self, name: str, what: str, hint: str = "") -> None:
        self.said.append(Finding(Severity.WARNING, f"{self.table.name}.{name}", what, hint))
