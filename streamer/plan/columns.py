"""Which columns of a table are moved, and how: as they are, made, or split into several."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field, replace

from streamer.frozen import frozen, slotted
from streamer.model import (
    Column,
    ColumnOptions,
    Finding,
    Mask,
    PgType,
    QualifiedName,
    Severity,
    Table,
    TableOptions,
    TypeKind,
    TypeOptions,
)
from streamer.plan.parts import COLUMNS, Part, option_of, parts_of
from streamer.translate.names import quote
from streamer.translate.types import option_applies

ExpressionTypes = Mapping[tuple[QualifiedName, str], PgType]


@frozen
class ShapedColumn:
    """A column that is moved: its name in the target, and how its values are stored or made.

    At most one of `expression` (SQL over the columns of `t`) and `mask` is given. `value` is SQL of
    what is moved before it is printed, masked or not. `whole` is the table's column that it is a
    part of, '' where it isn't a part.
    """

    target: str
    value: str
    whole: str = ""
    types: TypeOptions = field(default_factory=TypeOptions)
    expression: str = ""
    mask: Mask | None = None

    @property
    def made(self) -> bool:
        """Whether its values aren't those that PostgreSQL holds."""
        return bool(self.expression or self.mask)


@frozen
class Split:
    """A value that is split; `merged` is SQL, true of rows where its parts are those of NULL too.

    '' where they never are.
    """

    name: str
    merged: str


@slotted
class Wanted:
    """The columns of a table that are moved.

    `columns` are by source name, `parts` are those that take the place of a column of the table: a
    part's source name is `column.field`. `problems` say what is wrong with what is asked of them.
    """

    columns: dict[str, ShapedColumn] = field(default_factory=dict[str, ShapedColumn])
    parts: dict[str, list[Column]] = field(default_factory=dict[str, list[Column]])
    splits: list[Split] = field(default_factory=list[Split])
    said: list[Finding] = field(default_factory=list[Finding])
    problems: list[str] = field(default_factory=list[str])


def wanted_columns(
    table: Table,
    asked: TableOptions,
    run: TypeOptions,
    expression_types: ExpressionTypes,
    tied: Collection[str],
) -> Wanted:
    """What is asked of the table's columns; those that are `tied`, by keys, stay whole."""
    chooser = _Chooser(table, asked, expression_types, tied)
    types = run.but(asked.types)
    for column in table.columns:
        chooser.choose(column, column.name, types)
    chooser.about_strangers()
    return chooser.wanted


@frozen
class _Chooser:
    table: Table
    asked: TableOptions
    expression_types: ExpressionTypes
    tied: Collection[str]
    wanted: Wanted = field(default_factory=Wanted)
    offered: set[str] = field(default_factory=set[str])

    def choose(
        self,
        column: Column,
        target: str,
        types: TypeOptions,
        *,
        part: Part | None = None,
        root: str = "",
        whole_asked: bool = False,
    ) -> None:
        """Take up the column, or its parts; `part` of `root`, where it is one itself.

        `whole_asked`: what it is a part of is among those columns that alone are wanted.
        """
        name = column.name
        if name in self.asked.exclude_columns:
            return
        meant = not self.asked.columns or name in self.asked.columns or whole_asked
        own = self.asked.column.get(name, ColumnOptions())
        chosen = types.but(own.types) if own.types else types
        value = part.value if part is not None else f"t.{quote(name)}"
        parts = self._parts(column, own, chosen, value, meant=meant)
        if not parts and meant:
            self._about_options(column, own)
            self.wanted.columns[name] = ShapedColumn(
                target=own.rename or target,
                value=f"({own.expression}\n)" if own.expression else value,
                whole=root,
                types=chosen,
                expression=own.expression,
                mask=own.mask,
            )
            if root:
                self.wanted.parts.setdefault(root, []).append(column)
        if not parts:
            return
        self.offered.update([name, *(f"{name}.{one.name}" for one in parts)])
        before = len(self.wanted.columns)
        for number, one in enumerate(parts):
            self.choose(
                Column(
                    name=f"{name}.{one.name}",
                    number=column.number,
                    type=one.type,
                    not_null=one.present and column.not_null,
                    comment="" if number else column.comment,
                ),
                f"{own.rename or target}__{one.name}",
                chosen,
                part=one,
                root=root or name,
                whole_asked=meant and bool(self.asked.columns),
            )
        leaves = [*self.wanted.columns.values()][before:]
        if leaves:
            always = column.not_null or column.type.base.kind is not TypeKind.COMPOSITE
            self.wanted.splits.append(Split(name, "" if always else _merged(value, leaves)))

    def about_strangers(self) -> None:
        """What is asked of parts of columns that stay whole."""
        known = {column.name for column in self.table.columns}
        for name in (*self.asked.columns, *self.asked.exclude_columns, *self.asked.column):
            if name not in known | self.offered:
                self.wanted.problems.append(
                    f"{self.table.name}.{name}: what it is a part of isn't split into columns."
                )

    def _parts(
        self,
        column: Column,
        own: ColumnOptions,
        chosen: TypeOptions,
        value: str,
        *,
        meant: bool,
    ) -> tuple[Part, ...]:
        where = f"{self.table.name}.{column.name}"
        option = option_of(column.type)
        parts = parts_of(column.type, value, chosen)
        why = ""
        if column.type.base.kind is TypeKind.MULTIRANGE and chosen.ranges == COLUMNS:
            option, why = "ranges", "a multirange has any number of bounds"
        elif not parts:
            return ()
        elif own.expression or own.mask:
            why = "an expression or a mask makes one value of it"
        elif column.name in self.tied:
            why = "a key or a foreign key is made of it"
        elif taken := {f"{column.name}.{one.name}" for one in parts} & {
            other.name for other in self.table.columns
        }:
            why = f"there is a column {min(taken)} already"
        if not why:
            return parts
        if own.types.get(option) == COLUMNS:
            self.wanted.problems.append(
                f'{where}: {option} = "{COLUMNS}" can\'t split it: {why}. Leave it whole:'
                f' {option} = "{TypeOptions.choices(option)[0]}".'
            )
        elif meant:
            what = f'stays whole although {option} = "{COLUMNS}": {why}'
            self.wanted.said.append(Finding(Severity.WARNING, where, what))
        return ()

    def _about_options(self, column: Column, own: ColumnOptions) -> None:
        made = self.expression_types.get((self.table.name, column.name))
        if kind := made if own.expression else column.type:
            of = ", which its expression is of" if own.expression else ""
            self.wanted.problems += [
                f"{self.table.name}.{column.name}: the option {name} isn't about the type"
                f" {kind.formatted}{of}."
                for name in own.types
                if not option_applies(kind, name)
            ]


def _merged(value: str, leaves: Collection[ShapedColumn]) -> str:
    """Of a composite that isn't NULL all parts may be."""
    values = ", ".join(leaf.value for leaf in leaves)
    return f"num_nulls({value}) = 0 AND num_nonnulls({values}) = 0"


def with_parts(table: Table, wanted: Wanted) -> Table:
    """`table` with the parts in the place of each column that is split."""
    columns = tuple(
        one for column in table.columns for one in wanted.parts.get(column.name, [column])
    )
    return replace(table, columns=columns)
