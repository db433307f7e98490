"""Staged rows that break a constraint of the table which they are to be published into.

A staging table has none but its key's. D1 names the constraint that failed, but not the row; and
nothing may be published before foreign keys hold. So a table is made that is defined as the real one
is, takes what it can, and is gone again with the same request.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from streamer.d1 import FailureKind, RefusedRowsError, TooLargeError
from streamer.frozen import frozen
from streamer.model import Key, Statement, StepKind, TablePlan
from streamer.model.sql import quote_identifier
from streamer.pack import LedgerStep
from streamer.sinks.bad_rows import OTHER, reason_of
from streamer.sinks.ownership import Database, Ownership
from streamer.sinks.references import text_of
from streamer.sinks.uniqueness import among_keys, keys_of

AT_ONCE = 2_000  # rows that are looked at together
ROUNDS = 20  # rows whose reason is asked for, one by one
# SQLite keeps CREATE TABLE and one space before what the user wrote, from the name on.
_NAMED = re.compile(
    r'CREATE TABLE ("(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|\'(?:[^\']|\'\')*\'|\w+)'
)


@frozen
class Unfit:
    """Finds such rows."""

    database: Database
    ownership: Ownership

    async def among(self, table: TablePlan, keys: Collection[Key] | None = None) -> list[Key]:
        """The keys of staged rows of a table `by_number` (of these, where some are given) that the table takes never.

        Not those that only lack a row which they refer to, or share a UNIQUE value with another.
        None are found where that can't be tried.
        """
        left = None if keys is None else sorted(keys)
        while left is None or left:
            try:
                found = sorted(await self._tried(table, left, "INSERT OR IGNORE"))
            except (RefusedRowsError, TooLargeError):
                return []
            if found == left:  # none of them is in, so that no other can be in its way
                return found
            left = found
        return []

    async def reasons(self, table: TablePlan, keys: Collection[Key]) -> dict[Key, str]:
        """Why the table takes none of these, in D1's words, as far as that is asked."""
        reasons = dict.fromkeys(keys, OTHER)
        for key in sorted(keys)[:ROUNDS]:
            try:
                await self._tried(table, [key], "INSERT")
            except (RefusedRowsError, TooLargeError) as error:
                if error.failure.kind is FailureKind.CONSTRAINT:
                    reasons[key] = reason_of(error).replace(_probe(table), table.target)
        return reasons

    async def _tried(
        self, table: TablePlan, keys: Collection[Key] | None, insert: str
    ) -> list[Key]:
        """Which of the rows aren't there when a table like the real one was to take them."""
        probe, stage = quote_identifier(_probe(table)), quote_identifier(table.stage)
        names = ", ".join(quote_identifier(column.target) for column in table.columns)
        condition, params = ("1", ()) if keys is None else among_keys(table, sorted(keys))
        by_target = {column.target: column for column in table.columns}
        texts = ", ".join(text_of("o", by_target[name]) for name in table.key.targets)
        same = " AND ".join(f"p.{n} = o.{n}" for n in map(quote_identifier, table.key.targets))
        there = f"SELECT 1 FROM {probe} AS p WHERE {same}"
        rows = f"FROM {stage} AS o WHERE {condition}"
        answer = await self.database.execute(
            [
                Statement("PRAGMA defer_foreign_keys=on"),
                Statement(await self._defined(table)),
                Statement.of(f"{insert} INTO {probe}({names}) SELECT {names} {rows}", *params),
                Statement.of(
                    f"SELECT {texts} {rows} AND NOT EXISTS ({there}) LIMIT {AT_ONCE}", *params
                ),
                Statement(f"DELETE FROM {probe}"),  # before foreign keys are looked at
                Statement(f"DROP TABLE {probe}"),
                self.ownership.guard(LedgerStep(table.target, StepKind.ROWS)),
            ]
        )
        return keys_of(answer.results[3])

    async def _defined(self, table: TablePlan) -> str:
        """SQL that makes a table as D1 has the real one by now."""
        question = Statement.of("SELECT sql FROM sqlite_schema WHERE name=?1", table.target)
        rows = (await self.database.execute([question])).results[0].rows
        made = str(rows[0][0]) if rows else table.create_sql
        return _NAMED.sub(lambda _: f"CREATE TABLE {quote_identifier(_probe(table))}", made, 1)


def _probe(table: TablePlan) -> str:
    """Not as our marks are called: what D1 says of those means that another run came."""
    return f"trial_streamer_{table.target}"
