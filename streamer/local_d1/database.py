"""One database: a SQLite file that behaves like D1. Synchronous; to be used by one thread at a time."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streamer.local_d1.authorizer import ABSENT_FUNCTIONS
from streamer.local_d1.body import Query
from streamer.local_d1.counting import RowsWritten
from streamer.local_d1.engine import (
    SERVED,
    BindingsError,
    Engine,
    Row,
    SqliteError,
    TextError,
    Value,
    never,
)
from streamer.local_d1.errors import ApiError, failed

_NO_TRANSACTIONS = (
    "To execute a transaction, please use the state.storage.transaction() or "
    "state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. "
    "The JavaScript API is safer because it will automatically roll back on exceptions, and because it "
    "interacts correctly with Durable Objects' automatic atomic write coalescing."
)
_VIOLATED = (
    "Durable Object was reset and rolled back to its last known good state because the application left "
    "the database in a state where constraints were violated: "
)
_ALTER = re.compile(r"\s*ALTER\b", re.IGNORECASE)
_TIMED_OUT = "D1 DB storage operation exceeded timeout which caused object to be reset."


@dataclass(frozen=True, slots=True)
class Meta:
    """What the API tells about one statement; names and units are the API's.

    `rows_read` is an estimate: the steps of full scans, or the rows returned.
    """

    duration: float  # milliseconds
    changes: int
    last_row_id: int
    changed_db: bool
    size_after: int
    rows_read: int
    rows_written: int


@dataclass(frozen=True, slots=True)
class Result:
    """One statement's columns, rows (as SQLite holds them) and figures."""

    columns: tuple[str, ...]
    rows: list[Row]
    meta: Meta


class Database:
    """A database file, open. Every `run` is one transaction, as every request to D1 is."""

    def __init__(self, path: Path, query_s: float, *, pragmas: Sequence[str] | None = None) -> None:
        """Create or open the file at `path`; a request that takes longer than `query_s` fails.

        With `pragmas`, which say how it is written, it is a plain file that only obeys D1's rules;
        without, it is one as the hosted service keeps it.
        """
        self._query_s = query_s
        self.writes = 0  # requests that changed it since it was opened
        self._engine = Engine(path, SERVED if pragmas is None else pragmas)
        self._written = RowsWritten(self._engine)
        if pragmas is None:
            # The hosted service keeps such a table, and lists it in sqlite_schema.
            self._engine.ask(
                "CREATE TABLE IF NOT EXISTS _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID"
            )

    def close(self) -> None:
        """Close the file; requests on other threads must have ended."""
        self._engine.close()

    def interrupt(self) -> None:
        """Stop the running request, from another thread; it is rolled back."""
        self._engine.interrupt()

    def ask(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """The rows of the server's own question, which may be about anything."""
        return self._engine.ask(sql, params)

    @property
    def size(self) -> int:
        """Bytes, as D1 reports them."""
        return self._engine.size

    def run(
        self,
        queries: Iterable[Query],
        *,
        foreign_keys: bool = True,
        over: Callable[[], bool] | None = None,
    ) -> list[Result]:
        """All statements or none, each taken when its turn has come; raises ApiError.

        Without `foreign_keys` nothing is checked: for import files that switch them off. They are rolled
        back once they are `over`: where that isn't given, when they have taken too long.
        """
        ask = self._engine.ask
        end = time.monotonic() + self._query_s
        self._engine.is_over = over or (lambda: time.monotonic() > end)
        if not foreign_keys:
            ask("PRAGMA foreign_keys = OFF")
        try:
            with self._transaction():
                results = [self._one(query) for query in queries]
        finally:
            if not foreign_keys:
                ask("PRAGMA foreign_keys = ON")
        self.writes += any(result.meta.changed_db for result in results)
        return results

    def run_together(
        self, requests: Iterable[Iterable[Query]], over: Callable[[], bool]
    ) -> list[list[Result]] | None:
        """Several requests in one transaction, since a commit can take longer than thousands of rows.

        None: nothing was done, since one of them fails or they were `over`, and each must be run by
        itself. Of the others they see what they would see then: none leaves a foreign key open, or
        deferred, for the next.
        """
        self._engine.is_over = over
        found: list[list[Result]] = []
        try:
            with self._transaction():
                for queries in requests:
                    found.append([self._one(query) for query in queries])
                    if self._engine.owes_rows:
                        raise failed(_VIOLATED)
                    self._engine.ask("PRAGMA defer_foreign_keys = OFF")
        except (ApiError, SqliteError):
            return None
        self.writes += sum(any(result.meta.changed_db for result in results) for results in found)
        return found

    def copy_to(self, path: Path) -> None:
        """Write a copy of the whole database to `path`."""
        self._engine.copy_to(path)

    def restore_from(self, path: Path) -> None:
        """Make this database equal to the copy at `path`."""
        self._engine.copy_from(path)
        self._written.forget()
        self.writes += 1

    @contextmanager
    def _transaction(self) -> Generator[None]:
        """Commit what is done in here; roll it back where that fails."""
        ask = self._engine.ask
        ask("BEGIN")
        try:
            yield
            self._commit()
        except BaseException:
            self._engine.is_over = never
            self._written.forget()
            if self._engine.in_transaction:
                ask("ROLLBACK")
            raise

    def _one(self, query: Query) -> Result:
        engine = self._engine
        started = time.perf_counter()
        before = (engine.changes, engine.last_row_id, engine.size)
        self._written.start(query.sql, len(query.params))
        try:
            selected = engine.execute(query.sql, query.params)
        except (SqliteError, BindingsError, TextError) as error:
            raise self._refusal(error) from None
        if _ALTER.match(query.sql):
            self._check_names()
        written = self._written.stop(query.sql)
        after = (engine.changes, engine.last_row_id, engine.size)
        meta = Meta(
            duration=(time.perf_counter() - started) * 1000,
            changes=after[0] - before[0],
            last_row_id=after[1],
            changed_db=after != before,
            size_after=after[2],
            rows_read=max(selected.scanned, len(selected.rows)),
            rows_written=written,
        )
        return Result(selected.columns, selected.rows, meta)

    def _check_names(self) -> None:
        """Refuse what ALTER TABLE made of a reserved name: SQLite asks its authorizer for the old one."""
        reserved = "SELECT 1 FROM sqlite_schema WHERE name LIKE '\\_cf\\_%' ESCAPE '\\' AND name <> '_cf_KV'"
        if self._engine.ask(reserved):
            raise failed("not authorized: SQLITE_AUTH")

    def _commit(self) -> None:
        try:
            self._engine.ask("COMMIT")
        except SqliteError as error:  # deferred foreign keys that were left open
            self._engine.forget_row_id()
            raise failed(_VIOLATED + error_text(error)) from None

    def _refusal(self, error: SqliteError | BindingsError | TextError) -> ApiError:
        """What D1 answers for an error of SQLite."""
        if isinstance(error, TextError):
            return failed("The local D1 can't show text that isn't UTF-8.")
        if isinstance(error, BindingsError):
            return failed("Wrong number of parameter bindings for SQL query.")
        if error.code == "SQLITE_INTERRUPT":
            return failed(_TIMED_OUT)
        if self._engine.wanted_transaction:
            return failed(_NO_TRANSACTIONS)
        if not self._engine.in_transaction:  # a conflict resolved by ROLLBACK
            self._engine.forget_row_id()
            return failed(f"internal error; reference = {secrets.token_hex(12)}")
        return failed(error_text(error))


def error_text(error: SqliteError) -> str:
    """An error as D1 words it: message, offset in the statement, SQLite's names of the code."""
    text = error.message
    refused = re.fullmatch(r"not authorized to use function: (\w+)", text)
    if refused and refused[1].lower() in ABSENT_FUNCTIONS:
        text = f"no such function: {refused[1]}"
    if error.offset >= 0:
        text += f" at offset {error.offset}"
    text += f": {error.code}"
    return text if error.extended == error.code else f"{text} (extended: {error.extended})"
