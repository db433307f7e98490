"""Who may write to the target's tables: this run at this epoch, and nobody else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from streamer import limits
from streamer.d1 import TooLargeError
from streamer.errors import BadRowsError, FencedError
from streamer.model import Answer, Batch, Chunk, Result, Statement, StepId
from streamer.pack import (
    Entry,
    LedgerStep,
    Owner,
    before_rows,
    create_ledger,
    drop_unused,
    entries_of,
    forget,
    forget_numbers,
    owners_of,
    read_ledger,
    read_owners,
    record_batch,
    record_emptied,
    record_facts,
    refuse_if_there,
    release,
    take_over,
)

CLAIMS = 3  # until nobody came between looking and claiming


class Database(Protocol):
    """Runs statements in one request, which is one transaction; retries by itself."""

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        """Return the results; every request given here may be sent more than once."""
        ...


class Preparing:
    """A database whose every request also holds `guard`; executed too late, it changes nothing."""

    def __init__(self, database: Database, guard: Statement) -> None:
        self._database = database
        self._guard = guard

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        """Run at most `limits.BATCH_STATEMENTS - 1` statements in one request; their results.

        Raises:
            FencedError: the tables are another's, or their rows have begun to come.

        """
        answer = await self._database.execute([*statements, self._guard])
        return replace(answer, results=answer.results[:-1])


class Ownership:
    """A run's claim on its tables (target names), at one epoch; `holder` names this very start."""

    def __init__(self, database: Database, *, run: str, epoch: int, holder: str) -> None:
        self._database = database
        self._run = run
        self._epoch = epoch
        self._holder = holder

    async def take(
        self,
        tables: Sequence[str],
        *,
        resumed: Sequence[str] = (),
        since: int = 0,
        reached: Mapping[LedgerStep, int] | None = None,
        afresh: Sequence[LedgerStep] = (),
        from_others: bool = True,
        facts: Mapping[str, str] | None = None,
        whoever_came: bool = False,
        abandoned: Collection[str] = (),
    ) -> bool:
        """Become the only one whose batches D1 takes for `tables`, and leave `facts` about them.

        Of those, `resumed` were this run's already, claimed at the epoch `since` or a later one. Of
        the steps in `reached`, whose keys are hidden, the ledger forgets what lies beyond that number;
        of those that begin `afresh`, all that earlier starts claim to have written.
        Without `from_others`, tables that another run owns are left to it. Where nobody owns them,
        another run may have come and ended between the look and the claim, whose tables it dropped:
        `whoever_came` says that this doesn't matter, for the rows are read again and written as they
        are by then. Requests of the runs `abandoned`, which are over, may be executed late as those
        of older starts may.

        Whether such a run let go of tables meanwhile: then another may have come and ended, too, and
        what the tables hold is to be looked at once more.

        Raises:
            FencedError: a resumed table belongs to another run now, one that must be left to
                another, or another process of this run was faster.

        """
        was_left = False
        for left in reversed(range(CLAIMS)):
            seen = await self.owners()
            for table in resumed:
                self._check(table, seen, since)
            if not from_others:
                self._leave_to_others(tables, seen)
            claim = [take_over(tables, seen, run=self._run, epoch=self._epoch, holder=self._holder)]
            if reached:
                claim.append(forget_numbers(reached, run=self._run, epoch=self._epoch))
            if afresh:
                claim.append(forget(afresh, run=self._run, epoch=self._epoch))
            claim += record_facts(facts or {}, self._run)
            try:
                await self._database.execute(claim)
            except FencedError:
                # A request of an older start of this run may have been executed late, just now.
                now = await self.owners()
                before, after = self._of(tables, seen), self._of(tables, now)
                if not left or not self._are_over(before, after, abandoned, nobody=whoever_came):
                    await self._tidy()
                    raise
                was_left = was_left or any(owner.run in abandoned for owner in before)
            else:
                break
        return was_left

    async def take_new(
        self, tables: Sequence[str], *, facts: Mapping[str, str], making: Sequence[Statement]
    ) -> bool:
        """Claim `tables`, leave `facts` about them and make them by `making`, all in one request.

        That is for a run's first start, which saw neither one of the tables nor marks of any run. Where
        one of them is there by now, or it can't be in one request, nothing is done: False; `take` finds out why.
        """
        claim = [
            *create_ledger(),
            refuse_if_there(tables, run=self._run, epoch=self._epoch, holder=self._holder),
            take_over(tables, (), run=self._run, epoch=self._epoch, holder=self._holder),
            *record_facts(facts, self._run),
            *making,
            before_rows(tables, run=self._run, epoch=self._epoch),
        ]
        return len(claim) <= limits.BATCH_STATEMENTS and await self._is_done(claim)

    async def owners(self) -> Sequence[Owner]:
        """Who owns tables now; it makes the marks' own tables where they are gone."""
        answer = await self._database.execute([*create_ledger(), read_owners()])
        return owners_of(answer.results[-1])

    @staticmethod
    def _of(tables: Sequence[str], owners: Sequence[Owner]) -> list[Owner]:
        names = {name.lower() for name in tables}
        return [owner for owner in owners if owner.table.lower() in names]

    def _are_over(
        self,
        before: Sequence[Owner],
        after: Sequence[Owner],
        abandoned: Collection[str],
        *,
        nobody: bool,
    ) -> bool:
        """Whether only older starts of this run, or runs `abandoned`, own tables since, or let go of them.

        `nobody`: what to say where neither then nor now anybody owned them.
        """
        known = after or before
        over = all(
            o.run in abandoned or (o.run == self._run and o.epoch < self._epoch) for o in known
        )
        return over if known else nobody

    def _check(self, table: str, seen: Sequence[Owner], since: int) -> None:
        owner = next((o for o in seen if o.table.lower() == table.lower()), None)
        older = owner is not None and owner.run == self._run and owner.epoch < since
        if owner is None or older:
            raise FencedError(
                f"{table}: the mark of this run is {'an older one now' if older else 'gone from D1'}"
                "; the database was restored or emptied since.",
                hint="Look at what it holds; then start over with --restart.",
            )
        if owner.run != self._run or owner.epoch >= self._epoch:
            raise FencedError(
                f"{table}: another run writes to it now (run {owner.run}, start {owner.epoch}).",
                hint="Let that one finish, or take over with --restart.",
            )

    def _leave_to_others(self, tables: Sequence[str], seen: Sequence[Owner]) -> None:
        names = {name.lower() for name in tables}
        for owner in seen:
            if owner.table.lower() in names and owner.run != self._run:
                raise FencedError(
                    f"{owner.table}: another run writes to it (run {owner.run}), from another "
                    "checkpoint, or it was begun and never ended.",
                    hint="Let that one finish, or resume it (with --rebuild-checkpoint, if its "
                    "checkpoint is lost); or take over with --restart.",
                )

    def record(self, batch: Batch, steps: Mapping[StepId, LedgerStep]) -> Statement:
        """The statement that ties a batch to this claim; without the claim its request fails."""
        return record_batch(batch, steps, run=self._run, epoch=self._epoch)

    def guard(self, step: LedgerStep) -> Statement:
        """A statement that fails its request unless the table is still ours; it claims no keys."""
        nothing = Chunk(StepId(0), 0, 0, after=None, last=(), statements=(), bytes=0, claims=False)
        return self.record(Batch((nothing,)), {StepId(0): replace(step, keys_hidden=True)})

    def preparing(self, tables: Sequence[str]) -> Preparing:
        """The database for what must be done to our `tables` before their first rows of this start."""
        guard = before_rows(tables, run=self._run, epoch=self._epoch)
        return Preparing(self._database, guard)

    def emptied(self, tables: Sequence[str]) -> Statement:
        """What writes down that our `tables` hold no rows of others any more; to be guarded."""
        return record_emptied(tables, self._run)

    def read(self, step: LedgerStep) -> Statement:
        """What asks for the ledger of one step of this run; `entries_of` reads the answer."""
        return read_ledger(self._run, step.table, step.kind)

    async def forget(self, steps: Sequence[LedgerStep]) -> None:
        """Take back what earlier starts of this run claim to have written of `steps`."""
        await self._database.execute([forget(steps, run=self._run, epoch=self._epoch)])

    @staticmethod
    def entries_of(result: Result) -> list[Entry]:
        """The answer to `read`."""
        return list(entries_of(result))

    async def leave_at_once(
        self, tables: Sequence[str], along: Sequence[Statement]
    ) -> Sequence[Result] | None:
        """Take the run's marks away in the request that executes `along`; the results of that.

        None: it can't be, as where another run owns tables of its own, and `leave` is to try again.
        """
        marks = release(tables, run=self._run, epoch=self._epoch)
        try:
            answer = await self._database.execute([*along, *marks, *drop_unused()])
        except (FencedError, BadRowsError, TooLargeError):
            return None
        return answer.results[: len(along)]

    async def leave(self, tables: Sequence[str], *, along: Sequence[Statement] = ()) -> None:
        """Take the run's marks away; both tables go when no other run needs them.

        `along` is sent in the same request: it is worth a try, and nothing fails because of it.
        """
        marks = release(tables, run=self._run, epoch=self._epoch)
        for _ in range(CLAIMS):
            if await self._is_done([*along, *marks, *drop_unused()]):
                return
            # Another run owns tables of its own, or what comes along is too much for D1.
            if not (along and await self._is_done([*along, *marks])):
                await self._database.execute(marks)
            along = ()
            # A claim of this run may have been executed late, just now.
            owners = await self.owners()
            if owners and not any(o.run == self._run and o.epoch <= self._epoch for o in owners):
                return

    async def _is_done(self, statements: Sequence[Statement]) -> bool:
        try:
            await self._database.execute(statements)
        except (FencedError, BadRowsError, TooLargeError):
            return False
        return True

    async def _tidy(self) -> None:
        """Drop both tables, unless a run still owns tables of its own."""
        await self._is_done(drop_unused())
