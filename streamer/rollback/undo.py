"""Takes a run's rows, tables, indexes and views away; safe to be killed, and called again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.d1 import D1Database, RefusedRowsError, TooLargeError
from streamer.model import Statement, StepKind
from streamer.model.sql import quote_identifier
from streamer.pack import LedgerStep, Reference, without_lookups
from streamer.rollback.decide import Action, Decision, TableAction
from streamer.rollback.look import ForeignKey, Seen
from streamer.sinks import Ownership

MOST_ROWS = 50_000  # deleted in one request; halved where that takes D1 too long
TABLES = 40  # dropped in one request, each with its guard
ROW_NAMES = ("rowid", "_rowid_", "oid")


class Undo:
    """Carries out a decision. `heed_stop` is called between requests and may raise."""

    def __init__(
        self,
        database: D1Database,
        ownership: Ownership,
        seen: Seen,
        heed_stop: Callable[[], None],
    ) -> None:
        self._database = database
        self._ownership = ownership
        self._seen = seen
        self._heed_stop = heed_stop
        self._most_rows = MOST_ROWS

    async def carry_out(self, decision: Decision, say: Callable[[str], None]) -> None:
        """Views go first, then rows, children before parents, then tables and indexes."""
        await self._drop_views(decision)
        for group in decision.groups:
            say(f"emptying {', '.join(group)}")
            await self._empty(group)
        touched = [one for one in decision.tables if one.action is not Action.LEFT]
        say("dropping what the run made")
        await self._drop_tables([one for one in touched if one.action is Action.DROPPED])
        for one in touched:
            if one.action is Action.EMPTIED:
                await self._restore(one)
        await self._drop_stages(decision.tables)

    async def _drop_views(self, decision: Decision) -> None:
        """Drop views while the run's tables are ours: a view itself has no owner."""
        tables = [one.table.target for one in decision.tables]
        for name in decision.views:
            await self._send([f"DROP VIEW IF EXISTS {quote_identifier(name)}"], tables[:1])

    async def _empty(self, group: Sequence[str]) -> None:
        """Delete the rows of tables that refer to each other, or of a single one."""
        inside = [
            key
            for key in self._seen.foreign_keys
            if {key.child.lower(), key.parent.lower()} <= {name.lower() for name in group}
        ]
        if not inside:
            await self._delete_by_parts(group[0])
            return
        if all(key.nullable for key in inside) and await self._cut(inside):
            for name in group:
                cut = [
                    Reference(key.child, key.columns, key.nullable[0])
                    for key in inside
                    if key.parent.lower() == name.lower()
                ]
                await self._delete_by_parts(name, cut)
            return
        # Rows that refer to each other without NULLs can only go together.
        deletes = [f"DELETE FROM {quote_identifier(name)}" for name in group]
        uncut = [Reference(key.child, key.columns) for key in inside]
        await self._send(without_lookups(deletes, uncut), group)

    async def _cut(self, edges: Sequence[ForeignKey]) -> bool:
        """Set references to NULL, so that rows can go one by one; False where a check forbids it."""
        for key in edges:
            columns = [quote_identifier(column) for column in key.nullable]
            where = " AND ".join(f"{quote_identifier(c)} IS NOT NULL" for c in key.columns)
            change = f"UPDATE {quote_identifier(key.child)} SET " + ", ".join(
                f"{column} = NULL" for column in columns
            )
            try:
                await self._by_parts(key.child, change, where)
            except RefusedRowsError:
                return False
        return True

    async def _delete_by_parts(self, name: str, cut: Sequence[Reference] = ()) -> None:
        await self._by_parts(name, f"DELETE FROM {quote_identifier(name)}", "true", cut)

    async def _by_parts(
        self, name: str, change: str, where: str, cut: Sequence[Reference] = ()
    ) -> None:
        """Do `change` to all rows of a table for which `where` holds, some in each request."""
        row, table = self._row_of(name), quote_identifier(name)
        while True:
            self._heed_stop()
            some = f"SELECT {row} FROM {table} WHERE {where} LIMIT {self._most_rows}"
            left = f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {where})"
            picked = f"{change} WHERE ({row}) IN ({some})" if row else f"{change} WHERE {where}"
            try:
                answer = await self._send([*without_lookups([picked], cut), left], [name])
            except TooLargeError:
                if self._most_rows == 1 or not row:
                    raise
                self._most_rows = max(1, self._most_rows // 2)
                continue
            if not answer[-1]:
                return

    def _row_of(self, name: str) -> str:
        """What a row is picked by: its number, else its key; '' where both are out of reach."""
        found = self._seen.survey.find(name)
        if found is None:
            return ""
        if name.lower() not in self._seen.without_rowid:
            hidden = {*found.columns, *found.generated}
            return next((row for row in ROW_NAMES if row not in hidden), "")
        return ", ".join(quote_identifier(column) for column in found.key)

    async def _drop_tables(self, tables: Sequence[TableAction]) -> None:
        names = [one.table.target for one in tables]
        for start in range(0, len(names), TABLES):
            self._heed_stop()
            some = names[start : start + TABLES]
            await self._send([f"DROP TABLE IF EXISTS {quote_identifier(n)}" for n in some], some)

    async def _drop_stages(self, tables: Sequence[TableAction]) -> None:
        staged = [
            one.table
            for one in tables
            if one.table.stage and self._seen.survey.find(one.table.stage) is not None
        ]
        for start in range(0, len(staged), TABLES):
            self._heed_stop()
            some = staged[start : start + TABLES]
            drops = [f"DROP TABLE IF EXISTS {quote_identifier(table.stage)}" for table in some]
            await self._send(drops, [table.target for table in some])

    async def _restore(self, one: TableAction) -> None:
        """Take the run's indexes off a table that was there before, and set its counter back."""
        table, target = one.table, one.table.target
        had = {name.lower() for name in table.had_indexes}
        made = {name.lower() for name in table.indexes} - had
        drops = [
            f"DROP INDEX IF EXISTS {quote_identifier(index)}"
            for index in self._seen.indexes.get(target.lower(), ())
            if index.lower() in made
        ]
        for start in range(0, len(drops), TABLES):
            await self._send(drops[start : start + TABLES], [target])
        if self._seen.has_counters:
            name = "'" + target.replace("'", "''") + "'"
            counter = (
                f"DELETE FROM sqlite_sequence WHERE name = {name}"
                if table.counter is None
                else f"UPDATE sqlite_sequence SET seq = {int(table.counter)} WHERE name = {name}"
            )
            await self._send([counter], [target])

    async def _send(self, statements: Sequence[str], tables: Sequence[str]) -> list[object]:
        """Run statements in one request, which fails unless `tables` are still this rollback's.

        The first cell of the first row of each answer, None where there is none.
        """
        guards = [self._ownership.guard(LedgerStep(name, StepKind.ROWS)) for name in tables]
        answer = await self._database.execute(
            [
                Statement.of("PRAGMA defer_foreign_keys=on"),
                *(Statement.of(sql) for sql in statements),
                *guards,
            ]
        )
        results = answer.results[1 : 1 + len(statements)]
        return [result.rows[0][0] if result.rows else None for result in results]
