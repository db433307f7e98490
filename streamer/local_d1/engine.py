"""A connection to SQLite that is bound to D1's limits and refusals."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportAttributeAccessIssue=false
# pyright: reportUnknownArgumentType=false
# apsw's stubs name a type that they don't define; this module keeps that from the others.

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from streamer.local_d1.authorizer import authorize
from streamer.local_d1.body import VALUE_BYTES, Bindable

# Measured on workerd 1.20261117.1 and read in its src/workerd/util/sqlite.c++ (setupSecurity); the
# length is the hosted service's (developers.cloudflare.com/d1/platform/limits) and holds for whole rows.
_LIMITS = {
    apsw.SQLITE_LIMIT_LENGTH: VALUE_BYTES,
    apsw.SQLITE_LIMIT_COLUMN: 100,
    apsw.SQLITE_LIMIT_EXPR_DEPTH: 100,
    apsw.SQLITE_LIMIT_COMPOUND_SELECT: 5,
    apsw.SQLITE_LIMIT_FUNCTION_ARG: 127,
    apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
    apsw.SQLITE_LIMIT_VARIABLE_NUMBER: 100,
    apsw.SQLITE_LIMIT_TRIGGER_DEPTH: 10,
    apsw.SQLITE_LIMIT_ATTACHED: 0,
}
SQL_BYTES = 100_000  # the same page; of one statement
_STEPS = 1_000_000  # of SQLite's virtual machine, between two looks at whether it is over

# Quick, and safe against the death of the process: the service's files are for rehearsals.
SERVED = ("journal_mode=WAL", "synchronous=NORMAL")

Value = None | int | float | str | bytes
Row = tuple[Value, ...]


def never() -> bool:
    """False: what may take as long as it likes is never over."""
    return False


class SqliteError(Exception):
    """An error of SQLite.

    `message` is SQLite's; `offset` the byte in the statement, -1 where there is none; `code` and
    `extended` are names such as SQLITE_CONSTRAINT and SQLITE_CONSTRAINT_UNIQUE.
    """

    def __init__(self, message: str, offset: int, code: str, extended: str) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.code = code
        self.extended = extended


class BindingsError(Exception):
    """More or fewer parameters than the statement has."""


class TextError(Exception):
    """A text that isn't UTF-8 was to be read."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """What the hook tells of a changed row; `columns` are the positions of an update's new values."""

    kind: str  # INSERT, UPDATE or DELETE
    table: str
    columns: frozenset[int]


@dataclass(frozen=True, slots=True)
class Selected:
    """A statement's columns and rows, and the steps of its full scans."""

    columns: tuple[str, ...]
    rows: list[Row]
    scanned: int


class Engine:
    """One connection. `ask` is for the server's own questions, `execute` for the clients' statements."""

    def __init__(self, path: Path, pragmas: Sequence[str] = SERVED) -> None:
        """Create or open the file at `path`; `pragmas` say how it is written. Raises SqliteError."""
        try:
            self._connection = apsw.Connection(str(path))
        except apsw.Error as error:
            raise _translated(error) from None
        self._trusted = False
        self._columns: tuple[str, ...] = ()
        self._scanned = 0
        self.is_over: Callable[[], bool] = never  # what runs is rolled back once this is so
        self.wanted_transaction = False  # whether the last statement tried BEGIN or one of its kin
        self._prepare(pragmas)
        self._page_bytes = int(str(self.ask("PRAGMA page_size")[0][0]))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def interrupt(self) -> None:
        """Make the running statement fail; the only method that another thread may call."""
        self._connection.interrupt()

    def ask(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """The rows of the server's own question, which may be about anything."""
        # Never from or into the cache of statements: clients must not get what was allowed here.
        self._trusted = True
        try:
            return list(self._connection.execute(sql, params, can_cache=False))
        except apsw.Error as error:
            raise _translated(error) from None
        finally:
            self._trusted = False

    def execute(self, sql: str, params: Sequence[Bindable]) -> Selected:
        """Run a client's statement. Raises SqliteError, BindingsError or TextError."""
        if len(sql) * 4 > SQL_BYTES and len(sql.encode()) > SQL_BYTES:
            raise SqliteError("statement too long", -1, "SQLITE_TOOBIG", "SQLITE_TOOBIG")
        self.wanted_transaction = False
        try:
            rows = list(self._connection.execute(sql, params))
        except apsw.BindingsError:
            raise BindingsError from None
        except UnicodeDecodeError:
            raise TextError from None
        except apsw.Error as error:
            raise _translated(error) from None
        return Selected(self._columns, rows, self._scanned)

    def explain(self, sql: str, params: int) -> list[Row]:
        """The instructions of a client's statement with `params` parameters, as EXPLAIN prints them.

        Raises SqliteError or BindingsError.
        """
        try:
            found = self._connection.execute(sql, (None,) * params, can_cache=False, explain=1)
            return list(found)
        except apsw.BindingsError:
            raise BindingsError from None
        except apsw.Error as error:
            raise _translated(error) from None

    def watch_rows(self, callback: Callable[[RowChange], None] | None) -> None:
        """Call `callback` for each row that a statement changes; None ends it."""
        if callback is None:
            self._connection.preupdate_hook(None)
            return
        tell = callback

        def hook(update: Any) -> None:  # apsw.PreUpdate, which is partly unknown
            columns = frozenset[int]()
            if update.op == "UPDATE":
                pairs = zip(update.old, update.new, strict=True)
                columns = frozenset(n for n, (old, new) in enumerate(pairs) if old != new)
            tell(RowChange(update.op, update.table_name, columns))

        self._connection.preupdate_hook(hook)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.in_transaction

    @property
    def owes_rows(self) -> bool:
        """Whether the transaction has foreign keys that point nowhere, and may not be committed so."""
        return self._connection.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0] > 0

    @property
    def changes(self) -> int:
        """Rows changed since the file was opened, those of triggers included."""
        return self._connection.total_changes()

    @property
    def last_row_id(self) -> int:
        """The rowid of the last insert."""
        return self._connection.last_insert_rowid()

    def forget_row_id(self) -> None:
        """Begin anew with `last_row_id`, as a database that was reset does."""
        self._connection.set_last_insert_rowid(0)

    @property
    def size(self) -> int:
        """Bytes of the database, free pages left out."""
        (pages,), (free,) = *self.ask("PRAGMA page_count"), *self.ask("PRAGMA freelist_count")
        return (int(str(pages)) - int(str(free))) * self._page_bytes

    def copy_to(self, path: Path) -> None:
        """Write a copy of the whole database to `path`."""
        target = apsw.Connection(str(path))
        _copy(self._connection, target)
        target.close()

    def copy_from(self, path: Path) -> None:
        """Make this database equal to the one at `path`."""
        source = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        _copy(source, self._connection)
        source.close()

    def _prepare(self, pragmas: Sequence[str]) -> None:
        connection = self._connection
        connection.set_busy_timeout(5_000)
        connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        connection.drop_modules(["fts5", "fts5vocab", "rtree"])
        for pragma in (*pragmas, "foreign_keys=ON"):
            self.ask(f"PRAGMA {pragma}")
        connection.authorizer = self._authorize
        connection.exec_trace = self._on_statement
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, self._on_profile)
        connection.set_progress_handler(self._is_over, _STEPS)
        for limit, value in _LIMITS.items():
            connection.limit(limit, value)

    def _is_over(self) -> bool:
        return self.is_over()

    def _authorize(
        self, action: int, first: str | None, second: str | None, schema: str | None, by: str | None
    ) -> int:
        if self._trusted:
            return apsw.SQLITE_OK
        self.wanted_transaction |= action in (apsw.SQLITE_TRANSACTION, apsw.SQLITE_SAVEPOINT)
        return authorize(action, first, second, schema, by)

    def _on_statement(self, cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
        # The only moment when the columns of a statement without rows can be seen.
        self._columns = tuple(name for name, _ in cursor.get_description())
        return True

    def _on_profile(self, event: dict[str, Any]) -> None:  # as apsw declares it
        self._scanned = event["stmt_status"]["SQLITE_STMTSTATUS_FULLSCAN_STEP"]


def _translated(error: apsw.Error) -> SqliteError:
    code, extended = error.result, error.extendedresult
    name = apsw.mapping_result_codes[code]
    long_name = name if extended == code else apsw.mapping_extended_result_codes[extended]
    return SqliteError(str(error), error.error_offset, str(name), str(long_name))


def _copy(source: apsw.Connection, target: apsw.Connection) -> None:
    with target.backup("main", source, "main") as backup:
        while not backup.done:
            backup.step()
