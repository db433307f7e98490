"""What the user decided about tables and columns, worked into the catalog's tables.

What isn't moved is gone from a shaped table, and so is whatever could no longer hold: keys, indexes,
checks over columns that aren't moved, or whose values an expression or a mask makes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from streamer.errors import UsageError
from streamer.frozen import frozen
from streamer.model import (
    Column,
    ColumnOptions,
    Finding,
    PgType,
    QualifiedName,
    Severity,
    Shaping,
    Table,
    TableKind,
    TableOptions,
    TypeKind,
    TypeOptions,
)
from streamer.plan.columns import (
    ExpressionTypes,
    ShapedColumn,
    Split,
    Wanted,
    wanted_columns,
    with_parts,
)
from streamer.plan.remains import what_remains
from streamer.plan.resolve import HINT, resolved
from streamer.translate.keys import key_names, primary_index
from streamer.translate.names import target_name


@frozen
class ShapedTable:
    """A table as the user wants it.

    `table` has only the columns that are moved, by their names in the source, those that an
    expression makes with its type; and of indexes, keys and checks those that are still possible.
    `said` names what fell away. `where` and `transform` are the user's, '' for none. `splits` are the
    values of which parts are moved, as columns named after the whole.
    """

    table: Table
    target: str
    options: TableOptions
    where: str
    transform: str
    columns: Mapping[str, ShapedColumn]
    said: tuple[Finding, ...] = ()
    splits: tuple[Split, ...] = ()

    def target_of(self, source: str) -> str:
        """The target's name of a column."""
        return self.columns[source].target


@frozen
class Shapes:
    """The tables as the user wants them, and what all tables of the catalog are called in the target.

    `columns` are the target names of renamed columns, of whatever table.
    """

    tables: tuple[ShapedTable, ...]
    targets: Mapping[QualifiedName, str]
    columns: Mapping[tuple[QualifiedName, str], str]


def shape(
    tables: Sequence[Table],
    shaping: Shaping,
    expression_types: ExpressionTypes,
    *,
    known: Iterable[Table] = (),
) -> Shapes:
    """Shape `tables`; settings may also be about others that are `known`.

    Raises:
        UsageError: settings that fit no table or column, contradict each other, or ask for
            what a key or a type doesn't allow; all of them at once.

    """
    everything = list({table.name: table for table in (*tables, *known)}.values())
    options, problems = resolved(everything, shaping)
    shaped: list[ShapedTable] = []
    referred = _referred(everything)
    for table in tables:
        asked = options.get(table.name, TableOptions())
        wanted = _wanted(table, asked, shaping.types, expression_types, referred)
        shaped += [] if wanted.problems else [_shaped(table, asked, wanted, expression_types)]
        problems += wanted.problems
    if problems:
        raise UsageError("\n".join(dict.fromkeys(problems)), hint=HINT)
    return Shapes(
        tables=tuple(shaped),
        targets={
            table.name: options.get(table.name, TableOptions()).rename or target_name(table.name)
            for table in everything
        },
        columns={
            (name, column): asked.rename
            for name, table in options.items()
            for column, asked in table.column.items()
            if asked.rename
        },
    )


def problems_of(
    tables: Sequence[Table], shaping: Shaping, *, known: Iterable[Table] = ()
) -> list[str]:
    """What `shape` would refuse, as far as it shows without the types of expressions."""
    everything = list({table.name: table for table in (*tables, *known)}.values())
    options, problems = resolved(everything, shaping)
    referred = _referred(everything)
    for table in tables:
        asked = options.get(table.name, TableOptions())
        problems += _wanted(table, asked, shaping.types, {}, referred).problems
    return list(dict.fromkeys(problems))


def _referred(tables: Iterable[Table]) -> frozenset[tuple[QualifiedName, str]]:
    """The columns that foreign keys refer to."""
    return frozenset(
        (key.parent, name)
        for table in tables
        for key in table.foreign_keys
        for name in key.parent_columns
    )


def _wanted(
    table: Table,
    asked: TableOptions,
    run: TypeOptions,
    expression_types: ExpressionTypes,
    referred: Collection[tuple[QualifiedName, str]],
) -> Wanted:
    """The columns that are moved, and what is wrong with what is asked of the table."""
    index = primary_index(table)
    tied = {*(key_names(index) if index else ()), *asked.key}
    tied |= {name for key in table.foreign_keys for name in key.columns}
    tied |= {column.name for column in table.columns if (table.name, column.name) in referred}
    wanted = wanted_columns(table, asked, run, expression_types, tied)
    wanted.problems += _about_keys(table, asked, wanted.columns)
    if table.kind is TableKind.LABELS and not _only_renames(asked):
        wanted.problems.append(
            f"{table.name}: of the table of an enum's labels nothing can be set but `rename`."
        )
    if not wanted.columns and table.columns and not wanted.problems:
        wanted.problems.append(f"{table.name}: no column is left to move.")
    return wanted


def _only_renames(asked: TableOptions) -> bool:
    columns = {name: ColumnOptions(rename=one.rename) for name, one in asked.column.items()}
    return asked == TableOptions(rename=asked.rename, column=columns)


def _shaped(
    table: Table, asked: TableOptions, wanted: Wanted, expression_types: ExpressionTypes
) -> ShapedTable:
    columns = wanted.columns
    made = {name: _maker(column) for name, column in columns.items() if column.made}
    left, said = what_remains(table, frozenset(columns), made, wanted.parts)
    plain = replace(
        left,
        columns=tuple(
            _as_made(table.name, column, columns[column.name], expression_types)
            for column in left.columns
        ),
    )
    whole = [column for column in table.columns if column.name in wanted.parts]
    return ShapedTable(
        table=plain,
        target=asked.rename or target_name(table.name),
        options=asked,
        where=asked.where,
        transform=asked.transform,
        columns=columns,
        said=(
            *wanted.said,
            *said,
            *(finding for column in whole for finding in _lost_by_split(table.name, column)),
            *_lost(with_parts(table, wanted), plain, made),
        ),
        splits=tuple(wanted.splits),
    )


def _about_keys(
    table: Table, asked: TableOptions, columns: Mapping[str, ShapedColumn]
) -> list[str]:
    """What is asked of key columns and would make rows one that aren't."""
    index = primary_index(table)
    keys = dict.fromkeys([*(key_names(index) if index else ()), *asked.key])
    problems: list[str] = []
    for name in keys:
        where = f"{table.name}.{name}"
        column = columns.get(name)
        if column is None:
            problems.append(f"{where}: a key column can't be left out.")
        elif name not in (one.name for one in table.columns):
            problems.append(f"{where}: a part of a column can't be a key.")
        elif column.expression:
            problems.append(f"{where}: a key column can't be made by an expression.")
        elif column.mask not in {None, "hash"}:
            problems.append(f"{where}: the only mask for a key column is hash.")
    return problems


def _as_made(
    table: QualifiedName, column: Column, shaped: ShapedColumn, types: ExpressionTypes
) -> Column:
    """The column as it is once an expression or a mask has made its values."""
    if not shaped.made:
        return column
    bare = replace(column, default=None, identity="", generated="", sequence=None)
    if shaped.expression:
        kind = types[table, column.name]
        return replace(
            bare, type=kind, not_null=False, collation="", collation_version="", deterministic=True
        )
    return replace(bare, type=column.type.base, not_null=is_not_null(column))


def _maker(column: ShapedColumn) -> str:
    return "an expression" if column.expression else f"the mask {column.mask}"


def _lost(before: Table, after: Table, made: Mapping[str, str]) -> list[Finding]:
    """What columns lose because their values are made."""
    said: list[Finding] = []
    for name, maker in made.items():
        old, new = before.column(name), after.column(name)
        plain = maker == "an expression"
        lost = [
            words
            for words, gone in (
                ("NOT NULL", is_not_null(old) and not new.not_null),
                ("default", bool(old.default) and not old.generated),
                ("identity", bool(old.identity)),
                ("generation", bool(old.generated)),
                ("domain's checks", bool(_domain_checks(old.type))),
                ("type's labels", _is_enum(old) and not (_is_enum(new) and plain)),
            )
            if gone
        ]
        if lost:
            what = f"its values are made by {maker}, so its {', '.join(lost)} isn't carried over"
            said.append(Finding(Severity.WARNING, f"{before.name}.{name}", what))
    return said


def _lost_by_split(table: QualifiedName, column: Column) -> list[Finding]:
    """What a column loses because its values are split; a range's bounds are NOT NULL as it was."""
    fields = column.type.base.kind is TypeKind.COMPOSITE
    lost = [
        words
        for words, gone in (
            ("NOT NULL", is_not_null(column) and (fields or not column.not_null)),
            ("default", bool(column.default) and not column.generated),
            ("generation", bool(column.generated)),
            ("domain's checks", bool(_domain_checks(column.type))),
        )
        if gone
    ]
    what = f"it is split into columns, so its {', '.join(lost)} isn't carried over"
    return [Finding(Severity.WARNING, f"{table}.{column.name}", what)] if lost else []


def _is_enum(column: Column) -> bool:
    return column.type.base.kind is TypeKind.ENUM


def is_not_null(column: Column) -> bool:
    """Whether the column, or a domain it is of, allows no NULL."""
    return column.not_null or any(kind.not_null for kind in domains(column.type))


def domains(kind: PgType) -> list[PgType]:
    """The domains of a type, outermost first; none where it isn't one."""
    found: list[PgType] = []
    while kind.kind is TypeKind.DOMAIN:
        found.append(kind)
        if kind.inner is None:
            break
        kind = kind.inner
    return found


def _domain_checks(kind: PgType) -> list[str]:
    return [check.name for domain in domains(kind) for check in domain.checks]
