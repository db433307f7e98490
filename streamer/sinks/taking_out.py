"""Staged rows that can't be published: set aside and taken out of their stage, or what stops the run.

Rows with a key are set aside as the source has them now. What the source had in the place of a row
without one may be another by now: it is set aside as it is staged.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

from streamer.errors import BadRowsError
from streamer.model import ColumnPlan, Key, Statement, StepId, StepKind, TablePlan, Wire
from streamer.model.sql import quote_identifier
from streamer.pack import LedgerStep, by_number
from streamer.sinks.bad_rows import MEND, BadRow, stored_key
from streamer.sinks.references import Carried, Row, text_of
from streamer.sinks.refresh import can_refresh, read_again
from streamer.sinks.renewing import Renewing
from streamer.sinks.uniqueness import (
    Unique,
    among_keys,
    delete,
    duplicates,
    kept_out,
    keys_of,
    later_duplicates,
)

AT_ONCE = 2_000  # rows that are looked for in one request
WHOLE_AT_ONCE = 10  # rows that are read from D1 in one request: each may be as long as it takes

TWICE = "another row that is moved has its value, as D1 compares it"
HELD = "a row of D1 that isn't among those moved has its value, and can't leave"
SHARED = (
    "Rows that are published together share a value that may be there once, as D1 compares it: mend "
    "them in PostgreSQL, then go on with --resume; --on-error reject sets such rows aside."
)

SetAside = Callable[[TablePlan, Sequence[BadRow]], Awaitable[None]]
"""Writes down durably that rows of a table, which count as moved, are rejected."""


class FixedPlacesError(Exception):
    """Rows of a table without a key stand in the way: `tables` must be read again as a whole.

    `problem` is what is to be said where they were read again and nothing changed; or at once, where
    somebody has to do something about it before that helps (`is_sure`).
    """

    def __init__(
        self, tables: Sequence[TablePlan], problem: BadRowsError, *, is_sure: bool = False
    ) -> None:
        super().__init__()
        self.tables = tables
        self.problem = problem
        self.is_sure = is_sure


class TakingOut:
    """Takes rows out of stages. They are given to `set_aside`; where it is None, they stop the run."""

    def __init__(self, renewing: Renewing, set_aside: SetAside | None) -> None:
        self._renewing = renewing
        self._set_aside = set_aside

    @property
    def stops(self) -> bool:
        """Whether such rows stop the run."""
        return self._set_aside is None

    def named(self, table: TablePlan, key: Key) -> str:
        """A staged row, for a message."""
        return self._renewing.layout(table, staged=True).row_named(key)

    async def bad(self, table: TablePlan, reasons: Mapping[Key, str]) -> None:
        """Do away with rows that their table never takes, for these reasons.

        Raises:
            BadRowsError, FixedPlacesError: they stop the run.

        """
        if not self.stops:
            return await self.reject(table, reasons)
        first = min(reasons)
        problem = BadRowsError(f"{self.named(table, first)}: {reasons[first]}", hint=MEND)
        raise problem if can_refresh(table) else FixedPlacesError([table], problem, is_sure=True)

    async def reject(self, table: TablePlan, reasons: Mapping[Key, str]) -> None:
        """Set staged rows aside, and take them from the stage; those that are gone go anyway."""
        assert self._set_aside is not None, "rows are to stop the run"
        carried = Carried(table, self._renewing.layout(table, staged=True))
        rows = await self._rows(carried, reasons)
        why = [reasons[stored_key(carried.layout, row)] for row in rows]
        bad = [BadRow(carried, StepId(0), 0, *one) for one in zip(rows, why, strict=True)]
        if bad:
            # Durable first: a row that was taken away before would be missing, and nobody would know.
            await self._set_aside(table, bad)
            taken = delete(by_number(table), table.stage, [row.key for row in bad])
            guard = self._renewing.ownership.guard(LedgerStep(table.target, StepKind.ROWS))
            await self._renewing.database.execute([*taken, guard])

    async def reject_clashing(
        self, clashes: Iterable[tuple[TablePlan, Unique]], message: str
    ) -> bool:
        """Set staged rows aside whose values others have, by these UNIQUEs; whether there were any.

        Raises:
            FixedPlacesError: one came late to a table without a key, so that it has to be read again.

        """
        found = False
        for table, unique in clashes:
            await self._refuse_late(table, unique, message)
            rows = by_number(table)
            for question, why in (
                (kept_out(rows, unique, AT_ONCE), HELD),
                (later_duplicates(rows, table.stage, unique, AT_ONCE), TWICE),
            ):
                if not self.stops and (keys := await self._clashing(table, question)):
                    await self.reject(table, dict.fromkeys(keys, f"{message}: {why}"))
                    found = True
        return found

    async def _refuse_late(self, table: TablePlan, unique: Unique, message: str) -> None:
        if can_refresh(table) or not unique.terms:
            return
        question = duplicates(by_number(table), table.stage, unique, AT_ONCE)
        if any(int(number) < 0 for (number,) in await self._asked(question)):
            raise FixedPlacesError([table], BadRowsError(f"{table.name}: {message}", hint=SHARED))

    async def _clashing(self, table: TablePlan, question: Statement) -> list[Key]:
        """The answer of D1, asked once more when its rows are as the source has them now."""
        keys = await self._asked(question)
        if keys and can_refresh(table):
            await self._renewing.renew(table, keys, staged=True)
            return await self._asked(question)
        return keys

    async def _asked(self, question: Statement) -> list[Key]:
        return keys_of((await self._renewing.database.execute([question])).results[0])

    async def _rows(self, carried: Carried, keys: Collection[Key]) -> list[Row]:
        """The rows with these keys, whole, as far as there are any."""
        table, layout = carried.plan, carried.layout
        if can_refresh(table):
            fresh = await read_again(self._renewing.source, table, layout, keys)
            if fresh.gone:
                await self._renewing.renew(table, fresh.gone, staged=True)
            return fresh.rows
        wanted, found = sorted(keys), list[Row]()
        texts = ", ".join(map(_printed, layout.columns))
        for start in range(0, len(wanted), WHOLE_AT_ONCE):
            some = wanted[start : start + WHOLE_AT_ONCE]
            condition, params = among_keys(by_number(table), some)
            rows = f"FROM {quote_identifier(table.stage)} AS o WHERE {condition}"
            answer = await self._renewing.database.execute(
                [Statement.of(f"SELECT {texts} {rows}", *params)]
            )
            found += [[_cell(value) for value in row] for row in answer.results[0].rows]
        return found


def _printed(column: ColumnPlan) -> str:
    """SQL of a staged cell as it is sent: as text, but for doubles."""
    name = f"o.{quote_identifier(column.target)}"
    if column.wire is Wire.HEX:
        return f"CASE WHEN {name} IS NOT NULL THEN {text_of('o', column)} END"
    # D1's answers are exact for doubles, and round large integers.
    return f"CASE typeof({name}) WHEN 'real' THEN {name} ELSE CAST({name} AS TEXT) END"


def _cell(value: object) -> str | None:
    if value is None:
        return None
    return repr(float(value)) if isinstance(value, int | float) else str(value)
