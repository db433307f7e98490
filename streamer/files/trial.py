"""Puts transformed rows into a temporary SQLite database, to find what D1 would refuse."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportAttributeAccessIssue=false, reportUnknownArgumentType=false
# apsw's stubs name a type that they don't define.

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw

from streamer.errors import StreamerError
from streamer.files.writing import problems
from streamer.frozen import frozen
from streamer.model import KeyKind, Plan, TablePlan, Wire
from streamer.model.plan import ForeignKeyPlan
from streamer.model.sql import quote_identifier

NAMED = 20  # missing references of a foreign key that are looked for in the file


@frozen
class Missing:
    """A foreign key, and values of its columns (as cells, numbers as SQLite gives them) that no
    parent has; at least one.
    """

    table: TablePlan
    key: ForeignKeyPlan
    values: frozenset[tuple[str, ...]]

    @property
    def places(self) -> tuple[int, ...]:
        """Where the key's columns are in the table's cells."""
        names = [column.target for column in self.table.columns]
        return tuple(names.index(name) for name in self.key.columns)


class TrialDatabase:
    """A SQLite database with the plan's tables; foreign keys are looked at once all rows are in."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        with problems(path):
            path.unlink(missing_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self._plan = plan
        self._connection = apsw.Connection(str(path))
        for sql in (
            "foreign_keys=OFF",
            "journal_mode=OFF",
            "synchronous=OFF",
            "locking_mode=EXCLUSIVE",
        ):
            self._connection.execute(f"PRAGMA {sql}")
        self._connection.execute("BEGIN")
        for table in plan.tables:
            self._connection.execute(table.create_sql)
            for index in table.indexes:
                if index.unique:
                    self._connection.execute(index.sql)

    def insert_sql(self, table: TablePlan) -> str:
        """The statement that `insert` runs."""
        names = [quote_identifier(column.target) for column in table.columns]
        if table.key.kind is KeyKind.PHYSICAL:
            names.insert(0, quote_identifier(table.key.rowid))
        places = ", ".join("?" * len(names))
        return (
            f"INSERT INTO {quote_identifier(table.target)} ({', '.join(names)}) VALUES ({places})"
        )

    def insert(self, table: TablePlan, sql: str, number: int, cells: Sequence[str | None]) -> str:
        """Put a row in; why it can't be, '' where it was. `number` is its place in the file."""
        values: list[str | int | bytes | None] = [
            bytes.fromhex(cell) if cell is not None and column.wire is Wire.HEX else cell
            for cell, column in zip(cells, table.columns, strict=True)
        ]
        if table.key.kind is KeyKind.PHYSICAL:
            values.insert(0, number)
        try:
            self._connection.execute(sql, values)
        except apsw.FullError as error:
            raise StreamerError(
                f"{self.path} can't be written: {error}.", hint="Make room for it, then run again."
            ) from None
        except apsw.Error as error:
            return str(error)
        return ""

    def missing(self) -> Iterator[Missing]:
        """The foreign keys that rows break."""
        tables = {table.target for table in self._plan.tables}
        for table in self._plan.tables:
            for key in table.foreign_keys:
                # A parent that only the target holds is looked at there.
                if key.parent in tables and (found := self._lacking(table, key)):
                    yield Missing(table, key, found)

    def _lacking(self, table: TablePlan, key: ForeignKeyPlan) -> frozenset[tuple[str, ...]]:
        columns = [f"c.{quote_identifier(name)}" for name in key.columns]
        same = " AND ".join(
            f"p.{quote_identifier(parent)} = {column}"
            for parent, column in zip(key.parent_columns, columns, strict=True)
        )
        present = " AND ".join(f"{column} IS NOT NULL" for column in columns)
        # Texts that only NOCASE takes for equal are told apart.
        spelled = ", ".join(f"{column} COLLATE BINARY" for column in columns)
        rows = self._connection.execute(
            f"SELECT DISTINCT {spelled} FROM {quote_identifier(table.target)} AS c"
            f" WHERE {present} AND NOT EXISTS"
            f" (SELECT 1 FROM {quote_identifier(key.parent)} AS p WHERE {same}) LIMIT {NAMED}"
        )
        return frozenset(tuple(map(_cell, row)) for row in rows)

    def close(self, *, keep: bool) -> None:
        """Finish the database, for people to look into, or remove it."""
        if keep:
            for table in self._plan.tables:
                for index in table.indexes:
                    if not index.unique:
                        self._connection.execute(index.sql)
            self._connection.execute("COMMIT")
        self._connection.close()
        if not keep:
            self.path.unlink(missing_ok=True)


def _cell(value: object) -> str:
    """A stored value as the cell that it came from."""
    if isinstance(value, bytes):
        return value.hex()
    return repr(value) if isinstance(value, float) else str(value)
