"""Makes the staging tables of a cycle fit for being published.

Tables of a cycle are read side by side. Where a run was resumed in between, or is rolling, some rows
refer to others that came after those tables were read, or that are gone by now. Nothing fails until
all are published; then the staged rows say what is missing. What the source has of that is fetched.
What it hasn't got, the rows that refer to it have let go of, or are gone themselves: they are read
again. Only what refers to nothing even then is a bad row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain

import orjson

from streamer.d1 import RefusedRowsError
from streamer.errors import BadRowsError
from streamer.frozen import frozen
from streamer.model import ForeignKeyPlan, Key, Result, Statement, Storage, TablePlan
from streamer.model.sql import quote_identifier
from streamer.pack import by_number
from streamer.sinks.ahead import Ahead, RefusedParentsError, lacks_parents, parents_of
from streamer.sinks.duplicates import Duplicates, Sharing
from streamer.sinks.giving_way import GivingWay, Way
from streamer.sinks.left_out import hint_of, why_missing
from streamer.sinks.parents import IsRejected
from streamer.sinks.references import Wanted, found_by, text_of
from streamer.sinks.refresh import TooManyError, can_refresh
from streamer.sinks.renewing import Renewing
from streamer.sinks.taking_out import HELD, SHARED, FixedPlacesError, SetAside, TakingOut
from streamer.sinks.unfit import Unfit
from streamer.sinks.uniqueness import Unique, keys_of, uniques_of

GENERATIONS = 200  # of rows that refer to rows
ROUNDS = 5  # of looking for a row that isn't there, while the source goes on changing
AT_ONCE = 2_000  # references of one foreign key that are looked at in one request

LET_GO = "Change or delete that row in D1, then go on with --resume; --on-error reject sets such rows aside."


@frozen
class _Gap:
    """A foreign key of a staged table; `broken` is SQL for the rows whose reference leads nowhere."""

    table: TablePlan
    key: ForeignKeyPlan
    outputs: tuple[str, ...]
    broken: str

    @property
    def question(self) -> Statement:
        """Which references lead nowhere."""
        return Statement(f"SELECT DISTINCT {', '.join(self.outputs)} {self.broken} LIMIT {AT_ONCE}")

    def wanted(self, result: Result) -> set[Wanted]:
        """The answer to the question."""
        return {
            Wanted(self.key.parent, self.key.parent_columns, tuple(map(str, row)))
            for row in result.rows
        }

    def referring(self, missing: Sequence[Wanted], *, broken: bool = True) -> Statement:
        """Which rows refer to these (that nowhere has, if `broken`): keys, as `keys_of` reads them."""
        rows = by_number(self.table)
        columns = {column.target: column for column in rows.columns}
        keys = ", ".join(text_of("o", columns[name]) for name in rows.key.targets)
        cells = ", ".join(f"value->>{n}" for n in range(len(self.outputs)))
        stage = f"FROM {quote_identifier(self.table.stage)} AS o WHERE"
        rows = f"{self.broken} AND" if broken else stage
        return Statement.of(
            f"SELECT {keys} {rows} ({', '.join(self.outputs)}) IN "
            f"(SELECT {cells} FROM json_each(?1)) LIMIT {AT_ONCE}",
            orjson.dumps([parent.key for parent in missing]).decode(),
        )


class Stages:
    """The staging tables of one `cycle`.

    Rows that can't be published are given to `set_aside`; where it is None, they stop the run. Those of
    a table without a key may have changed since it was read: as long as it `can_be_read_again`, that is
    asked for first.
    """

    def __init__(
        self,
        ahead: Ahead,
        renewing: Renewing,
        cycle: Sequence[TablePlan],
        is_rejected: IsRejected,
        set_aside: SetAside | None,
        *,
        can_be_read_again: Callable[[TablePlan], bool],
    ) -> None:
        self._is_rejected = is_rejected
        self._can_be_read_again = can_be_read_again
        self._out = TakingOut(renewing, set_aside)
        self._ahead = ahead
        self._renewing = renewing
        self._duplicates = Duplicates(renewing.database, renewing)
        self._giving = GivingWay(renewing, cycle, is_rejected)
        self._unfit = Unfit(renewing.database, renewing.ownership)
        self._brought: set[Wanted] = set()
        self._cycle = cycle
        self._names = {table.target for table in cycle}
        self._gaps = [gap for table in cycle for gap in _gaps(table, cycle, ahead.tables)]

    async def making_way(self) -> Way:
        """What goes before the copies, so that rows of the target aren't in their way."""
        return await self._giving.way()

    async def mend(self, refused: RefusedRowsError, most_bytes: int) -> bool:
        """Do something about what D1 `refused` to publish; False where nothing can be done.

        What is fetched for it travels in requests of about `most_bytes`.

        Raises:
            BadRowsError: rows refer to others that can't be there, or their tables never take them; or
                D1 doesn't take what was read.
            FixedPlacesError: tables without a key must be read again.

        """
        if lacks_parents(refused):
            return await self._complete(most_bytes)
        if "UNIQUE constraint failed" in refused.failure.message:
            return await self._let_go(refused.failure.message)
        return any([await self._refit(table) for table in self._cycle])

    async def _refit(self, table: TablePlan) -> bool:
        """Read rows again that their table doesn't take, and set those aside that it never takes.

        Whether there were any.
        """
        rows = by_number(table)
        if not (left := await self._unfit.among(rows)):
            return False
        if can_refresh(table):
            await self._renewing.renew(table, left, staged=True)
            left = await self._unfit.among(rows, left)
        if left:
            await self._out.bad(table, await self._unfit.reasons(rows, left))
        return True

    async def _let_go(self, message: str) -> bool:
        """Have rows let go of UNIQUE values that others have now; whether that helped."""
        helped = False
        for table, unique in self._named(message):
            shared = await self._duplicates.mend(table, unique, staged=True)
            gives, gone = await self._giving.look(table, unique)
            await self._renew_referring(table, gone)
            helped = helped or gives or shared is Sharing.ENDED
        return helped or await self._out.reject_clashing(self._named(message), message)

    def _named(self, message: str) -> list[tuple[TablePlan, Unique]]:
        """The tables and UNIQUEs that D1's message may be about."""
        return [
            (table, unique)
            for table in self._cycle
            for unique in uniques_of(table, self._renewing.layout(table, staged=False), message)
        ]

    async def _renew_referring(self, parent: TablePlan, gone: set[Key]) -> None:
        """Read staged rows again that refer to rows of the target which are to leave."""
        missing = [Wanted(parent.target, parent.key.targets, key) for key in sorted(gone)]
        for gap in self._gaps if missing else ():
            ours = (gap.key.parent, gap.key.parent_columns) == (parent.target, parent.key.targets)
            if ours and can_refresh(gap.table):
                answer = await self._ahead.ask([gap.referring(missing, broken=False)])
                if keys := keys_of(answer.results[0]):
                    await self._renewing.renew(gap.table, keys, staged=True)

    async def unmended(self, refused: RefusedRowsError) -> BadRowsError:
        """What to say of what D1 `refused` to publish, where nothing can be done."""
        for table, unique in self._named(refused.failure.message):
            if keys := await self._giving.kept_out(table, unique):
                row = self._out.named(table, keys[0])
                return BadRowsError(f"{row}: {refused.failure.message}: {HELD}", hint=LET_GO)
        if "UNIQUE constraint failed" in refused.failure.message:
            return RefusedRowsError(refused.what, refused.failure, hint=SHARED)
        return refused

    async def _complete(self, most_bytes: int) -> bool:
        """Let every staged row refer to one that is there; False where that takes too much.

        What is fetched of the cycle goes to its stages, other rows to their tables.
        """
        tried: Counter[Wanted] = Counter()
        for _ in range(GENERATIONS if self._gaps else 0):
            lacking = await self._lacking()
            wanted = set(chain.from_iterable(some for _, some in lacking))
            if not wanted:
                if not tried and self._giving.lets_leave and not await self._bring(most_bytes):
                    self._giving.keep_all()  # something refers to them that can't be helped
                return True
            rejected = {w for w in wanted if self._is_rejected(w.parent, w.columns, w.key)}
            hopeless = {w for w in wanted if tried[w] > (0 if w in rejected else ROUNDS)}
            if hopeless:
                await self._give_up(lacking, hopeless)
                continue
            try:
                await self._fetch(wanted - rejected, most_bytes)
                again = {w for w in wanted if tried[w]}
                await self._renew(lacking, again | rejected)
            except TooManyError:
                return False
            tried.update(wanted)
        return False

    async def _bring(self, most_bytes: int) -> bool:
        """Fetch what rows refer to by now that referred to some which leave; whether there was any."""
        again = await self._ahead.lacking((one.carried, one.rows) for one in self._giving.again)
        more = {
            one
            for one in parents_of(again) - self._brought
            if not self._is_rejected(one.parent, one.columns, one.key)
        }
        self._brought |= more
        await self._fetch(more, most_bytes)
        return bool(more)

    async def _lacking(self) -> list[tuple[_Gap, set[Wanted]]]:
        answer = await self._ahead.ask([gap.question for gap in self._gaps])
        return [
            (gap, gap.wanted(result))
            for gap, result in zip(self._gaps, answer.results, strict=True)
        ]

    async def _fetch(self, wanted: set[Wanted], most_bytes: int) -> None:
        """Put what the source has of `wanted` where it belongs; what D1 refuses stays missing."""
        inside = {parent for parent in wanted if parent.parent in self._names}
        await self._ahead.stage(inside)
        waiting = [outside] if (outside := sorted(wanted - inside, key=lambda w: w.key)) else []
        while waiting:
            some = waiting.pop()
            try:
                await self._ahead.send(set(some), most_bytes)
            except RefusedParentsError:
                if len(some) > 1:
                    middle = len(some) // 2
                    waiting += [some[middle:], some[:middle]]

    async def _renew(self, lacking: list[tuple[_Gap, set[Wanted]]], missing: set[Wanted]) -> None:
        """Read the rows again that refer to some of the `missing`."""
        for gap, wanted in lacking:
            some = sorted(wanted & missing, key=lambda parent: parent.key)
            if some and can_refresh(gap.table):
                await self._renewing.renew(gap.table, await self._keys(gap, some), staged=True)

    async def _keys(self, gap: _Gap, missing: Sequence[Wanted]) -> list[Key]:
        answer = await self._ahead.ask([gap.referring(missing)])
        return keys_of(answer.results[0])

    async def _give_up(
        self, lacking: list[tuple[_Gap, set[Wanted]]], hopeless: set[Wanted]
    ) -> None:
        """Set the rows aside that refer to one of the `hopeless`, or stop."""
        if self._out.stops:
            raise await self._explained(lacking, hopeless)
        for gap, some in lacking:
            missing = some & hopeless
            is_fixed = not can_refresh(gap.table) and self._can_be_read_again(gap.table)
            if is_fixed and (gone := await self._gone(missing)):
                raise await self._explained([(gap, gone)], gone)
            for one in sorted(missing, key=lambda wanted: wanted.key):
                if keys := await self._keys(gap, [one]):
                    await self._out.reject(gap.table, dict.fromkeys(keys, self._why(one)))

    async def _gone(self, missing: set[Wanted]) -> set[Wanted]:
        """Those that the source hasn't got: what referred to them has changed as well."""
        known = {w for w in missing if self._is_rejected(w.parent, w.columns, w.key)}
        return missing - known - await self._ahead.there(missing - known)

    def _why(self, missing: Wanted) -> str:
        return why_missing(
            self._ahead.tables[missing.parent],
            missing,
            rejected=self._is_rejected(missing.parent, missing.columns, missing.key),
        )

    async def _explained(
        self, lacking: list[tuple[_Gap, set[Wanted]]], hopeless: set[Wanted]
    ) -> BadRowsError | FixedPlacesError:
        """What to say of one of the `hopeless`, and of a row that refers to it."""
        gap, missing = next((g, some & hopeless) for g, some in lacking if some & hopeless)
        table, parent = gap.table, self._ahead.tables[gap.key.parent]
        first = min(missing, key=lambda one: one.key)
        keys = await self._keys(gap, [first])
        row = self._out.named(table, keys[0]) if keys else str(table.name)
        problem = BadRowsError(f"{row}: {self._why(first)}", hint=hint_of(parent))
        fixed = [
            member
            for member in self._cycle
            if not can_refresh(member) and member.target in {table.target, parent.target}
        ]
        return FixedPlacesError(fixed, problem) if fixed else problem


def _gaps(
    table: TablePlan, cycle: Sequence[TablePlan], parents: dict[str, TablePlan]
) -> list[_Gap]:
    stages = {member.target: member.stage for member in cycle}
    columns = {column.target: column for column in table.columns}
    found: list[_Gap] = []
    for key in table.foreign_keys:
        parent = parents.get(key.parent)
        ours = [columns[name] for name in key.columns if name in columns]
        real = any(column.storage is Storage.REAL for column in ours)
        if parent is None or real or len(ours) < len(key.columns):
            continue
        if found_by(parent, key.parent_columns) is None:
            continue
        outputs = tuple(text_of("o", column) for column in ours)
        found.append(_Gap(table, key, outputs, _broken(table, key, stages.get(key.parent, ""))))
    return found


def _broken(table: TablePlan, key: ForeignKeyPlan, stage: str) -> str:
    ours = [f"o.{quote_identifier(name)}" for name in key.columns]
    theirs = [quote_identifier(name) for name in key.parent_columns]
    same = " AND ".join(f"p.{t} = {o}" for o, t in zip(ours, theirs, strict=True))
    parent = f"SELECT 1 FROM {quote_identifier(key.parent)} AS p WHERE {same}"
    conditions = [*(f"{name} IS NOT NULL" for name in ours), f"NOT EXISTS ({parent})"]
    if stage:
        # IN, not EXISTS: a stage has no index but its key's, and IN makes one of its own.
        known = " AND ".join(f"{name} IS NOT NULL" for name in theirs)
        rows = f"SELECT {', '.join(theirs)} FROM {quote_identifier(stage)} WHERE {known}"
        conditions.append(f"({', '.join(ours)}) NOT IN ({rows})")
    return f"FROM {quote_identifier(table.stage)} AS o WHERE {' AND '.join(conditions)}"
