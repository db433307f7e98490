"""SQLite in memory behind the `execute` that a run knows: what its steps do to a target."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import apsw
import orjson

from streamer.errors import BadRowsError, FencedError
from streamer.model import Answer, Result, Statement
from streamer.model.sql import quote_identifier
from tests.engines.limited_sqlite import LimitedSqlite


class SqliteDatabase(LimitedSqlite):
    """A database that takes what D1 takes; `requests` holds the SQL of each one it carried out.

    With `lose_answers`, every request is sent twice, as after an answer that was lost.
    """

    def __init__(self, *schema: str, lose_answers: bool = False) -> None:
        super().__init__(*schema)
        self.requests: list[list[str]] = []
        self.lose_answers = lose_answers

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        """Run statements in one transaction; refusals are told apart as the client does."""
        if self.lose_answers:
            self._carry_out(statements)
        return Answer(tuple(self._carry_out(statements)))

    def _carry_out(self, statements: Sequence[Statement]) -> list[Result]:
        results: list[Result] = []
        try:
            with self.connection:
                for statement in statements:
                    body = orjson.loads(b"".join(statement.pieces))
                    rows = self.connection.execute(body["sql"], body["params"]).fetchall()
                    results.append(Result(rows=tuple(rows), size_after=4096))
        except (apsw.ConstraintError, apsw.SQLError) as error:
            kind = FencedError if "_streamer_" in str(error) else BadRowsError
            raise kind(str(error)) from None
        self.requests.append([statement.sql for statement in statements])
        return results

    def drop_indexes(self) -> None:
        """Take away all indexes but those of keys and UNIQUE constraints."""
        for (name,) in self.rows(
            "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql > ''"
        ):
            self.connection.execute(f"DROP INDEX {quote_identifier(str(name))}")


@contextmanager
def steps_in(database: SqliteDatabase) -> Generator[Callable[[], int]]:
    """How many thousands of steps of its machine SQLite takes in the block: work, not time."""
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    database.connection.set_progress_handler(count, 1_000)
    try:
        yield lambda: steps
    finally:
        database.connection.set_progress_handler(None)
