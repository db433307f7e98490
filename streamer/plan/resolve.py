"""Finds the tables and columns that the user's settings name, however they are spelled.

A table is spelled `schema.table`, or `table` where its schema is public, without quotes; names may
hold dots themselves, so a spelling is compared with each real table's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from streamer.errors import UsageError, nearest
from streamer.model import ColumnOptions, QualifiedName, Shaping, Table, TableOptions
from streamer.plan.parts import part_names
from streamer.translate.names import column_name_problem, name_problem, quote

Options = Mapping[QualifiedName, TableOptions]


def resolve(tables: Iterable[Table], shaping: Shaping) -> Options:
    """What is asked of each table, by its real name, its columns by theirs.

    `Shaping.rename` is worked into the options. Tables of which nothing is asked are left out.

    Raises:
        UsageError: a name fits nothing or several things, or two settings contradict each other;
            all such problems at once.

    """
    options, problems = resolved(tables, shaping)
    if problems:
        raise UsageError("\n".join(problems), hint=HINT)
    return options


HINT = "Tables are spelled `schema.table`, or `table` where the schema is public."


def resolved(tables: Iterable[Table], shaping: Shaping) -> tuple[Options, list[str]]:
    """As `resolve`, with the problems instead of raising them."""
    book = _Book(tables)
    found: dict[QualifiedName, TableOptions] = {}
    for spelling, asked in shaping.tables.items():
        table = book.table(spelling)
        if table is None:
            continue
        if table.name in found:
            book.problems.append(f"{spelling}: {table.name} has settings under two spellings.")
            continue
        found[table.name] = book.options(table, asked)
    for spelling, target in shaping.rename.items():
        book.rename(found, spelling, target)
    return found, book.problems


class _Book:
    """All spellings of the tables, and what was wrong with those that were looked up."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self.problems: list[str] = []
        self._spelled: dict[str, dict[QualifiedName, Table]] = defaultdict(dict)
        for table in tables:
            for spelling in spellings(table.name):
                self._spelled[spelling][table.name] = table

    def table(self, spelling: str) -> Table | None:
        """The one table of that spelling; None (and a problem) where there isn't one."""
        found = list(self._spelled.get(spelling, {}).values())
        if len(found) == 1:
            return found[0]
        if found:
            self._ambiguous(spelling, [quoted(table.name) for table in found])
        else:
            self.problems.append(f"{spelling}: no such table{nearest(spelling, self._spelled)}.")
        return None

    def options(self, table: Table, asked: TableOptions) -> TableOptions:
        """`asked` with the columns' real names."""
        where = str(table.name)
        column: dict[str, ColumnOptions] = {}
        for spelling, wanted in asked.column.items():
            for name in self._columns(table, [spelling], where):
                column[name] = wanted
                if wanted.rename and (why := column_name_problem(wanted.rename)):
                    self.problems.append(f"{where}.{name}: {why}.")
                if wanted.expression and wanted.mask:
                    self.problems.append(f"{where}.{name}: an expression or a mask, not both.")
        if asked.rename and (why := name_problem(asked.rename)):
            self.problems.append(f"{where}: {why}.")
        constraints = {key.name for key in table.foreign_keys}
        for name in asked.exclude_foreign_keys:
            if name not in constraints:
                near = nearest(name, constraints)
                self.problems.append(f"{where}: no foreign key is called {name}{near}.")
        return replace(
            asked,
            columns=self._columns(table, asked.columns, where),
            exclude_columns=self._columns(table, asked.exclude_columns, where),
            key=self._columns(table, asked.key, where),
            column=column,
        )

    def rename(self, found: dict[QualifiedName, TableOptions], spelling: str, target: str) -> None:
        """Work one renaming of a table or a column into `found`."""
        places = self._places(spelling)
        if not places:
            near = nearest(spelling, self._everything(spelling))
            self.problems.append(f"rename {spelling}: no such table or column{near}.")
            return
        if len(places) > 1:
            self._ambiguous(f"rename {spelling}", [_spell(*place) for place in places])
            return
        table, column = places[0]
        options = found.get(table, TableOptions())
        single = options.column.get(column, ColumnOptions())
        why = column_name_problem(target) if column else name_problem(target)
        if why:
            self.problems.append(f"rename {spelling}: {why}.")
            return
        before = single.rename if column else options.rename
        if before not in {"", target}:
            self.problems.append(f"rename {spelling}: to {target}, or to {before}?")
            return
        if column:
            columns = {**options.column, column: replace(single, rename=target)}
            found[table] = replace(options, column=columns)
        else:
            found[table] = replace(options, rename=target)

    def _places(self, spelling: str) -> list[tuple[QualifiedName, str]]:
        """The tables, and the columns, that are spelled so; '' for the column of a table."""
        places = [(name, "") for name in self._spelled.get(spelling, {})]
        for dot, letter in enumerate(spelling):
            if letter != ".":
                continue
            for name, table in self._spelled.get(spelling[:dot], {}).items():
                rest = spelling[dot + 1 :]
                places += [(name, column) for column in _columns_and_parts(table) if rest == column]
        return list(dict.fromkeys(places))

    def _everything(self, spelling: str) -> list[str]:
        """Spellings of tables, and of the columns of those that `spelling` begins with."""
        columns = [
            f"{table}.{column}"
            for table, named in self._spelled.items()
            if spelling.startswith(f"{table}.")
            for found in named.values()
            for column in _columns_and_parts(found)
        ]
        return columns or list(self._spelled)

    def _columns(self, table: Table, spelled: Sequence[str], where: str) -> tuple[str, ...]:
        names = _columns_and_parts(table) if spelled else []
        for spelling in spelled:
            if spelling not in names:
                near = nearest(spelling, names)
                self.problems.append(f"{where}: no column is called {spelling}{near}.")
        return tuple(dict.fromkeys(name for name in spelled if name in names))

    def _ambiguous(self, spelling: str, meant: Sequence[str]) -> None:
        self.problems.append(
            f"{spelling} may be {' or '.join(meant)}: spell it as no other is spelled."
        )


def _columns_and_parts(table: Table) -> list[str]:
    """The names of columns, and of those that may come of them."""
    return [*(column.name for column in table.columns), *part_names(table)]


def spellings(name: QualifiedName) -> tuple[str, ...]:
    """The ways in which a user may spell a table's name."""
    return (str(name), name.name) if name.schema == "public" else (str(name),)


def quoted(name: QualifiedName) -> str:
    """A name in which dots can't be mistaken."""
    return f"{quote(name.schema)}.{quote(name.name)}"


def _spell(table: QualifiedName, column: str) -> str:
    return f"{quoted(table)}.{quote(column)}" if column else quoted(table)
