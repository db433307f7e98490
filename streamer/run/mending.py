"""A repair's place in the target: nobody else writes meanwhile, and no mark stays behind."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from streamer.d1 import D1Database
from streamer.errors import BadRowsError, FencedError, StreamerError
from streamer.model import Loading, Pack, StepId, StepKind, TablePlan
from streamer.pack import OWNER_TABLE, Engine, Layout, Owner
from streamer.pipeline.transform import Transforming
from streamer.progress import Events
from streamer.run.compared import Compared
from streamer.sinks import (
    Ahead,
    Carried,
    D1Sink,
    Diagnosing,
    FoundBadRowsError,
    Leaving,
    MovedValues,
    Ownership,
    ParentsFirst,
    Untying,
)
from streamer.sinks.ahead import Telling
from streamer.validate import Differences, Sides
from streamer.validate.repair import Mending, Repair, Sink, wanted
from streamer.validate.report import Repaired
from streamer.validate.room import LeavingLater, LettingGo, MakingRoom

_MEND = "Mend the row in PostgreSQL, or what D1 asks of it; then repair again."


async def _expect_nothing(_rows: Mapping[str, int], _snapshots: frozenset[int]) -> None:
    """A repair counts nothing on; whatever it sends is compared again."""


async def mend(
    ends: Compared,
    sides: Sides,
    source: Transforming,
    differences: Differences,
    tables: Sequence[TablePlan],
    *,
    run: str,
    epoch: int,
    earlier: Collection[str],
    events: Events,
    heed_stop: Callable[[], None],
) -> Repaired:
    """Mend what `differences` names in `tables`; `earlier` are repairs that may have been killed.

    Raises:
        FencedError: a run writes to the tables, or one that was stopped may go on.
        BadRowsError: D1 refuses a row.

    """
    names = [table.target for table in tables]
    ownership = Ownership(ends.database, run=run, epoch=epoch, holder=uuid.uuid4().hex)
    _refuse_others(await ownership.owners(), names, {run, *earlier})
    await ownership.take(names, whoever_came=True)
    mending = [_mending(table, StepId(n), sides) for n, table in enumerate(tables, 1)]
    kept = _kept(ends, tables, events)
    writing = _Writing(ends.database, ownership, source, mending, engine=sides.engine)
    repair = Repair(
        sides,
        ownership,
        writing.sink(LettingGo(ends.database, ownership, differences, kept)),
        differences,
        tables=mending,
        kept=kept,
        heed_stop=heed_stop,
    )
    try:
        await repair.carry_out()
    except FoundBadRowsError as error:
        raise BadRowsError(error.what, hint=_MEND) from None
    finally:
        try:
            await ownership.leave(names)
        except StreamerError as error:
            events.warning(f"marks of the repair stay in D1 until the next one: {error.what}")
    return Repaired(repair.sent, repair.deleted + writing.deleted, 1)


async def take_marks_away(ends: Compared, repairs: Collection[str]) -> None:
    """Take away what `repairs` left that were killed behind their last row, where nothing is to be mended."""
    if ends.survey.find(OWNER_TABLE) is None:
        return
    anyone = Ownership(ends.database, run="", epoch=0, holder=uuid.uuid4().hex)
    left = [owner for owner in await anyone.owners() if owner.run in repairs]
    for run in {owner.run for owner in left}:
        theirs = [owner for owner in left if owner.run == run]
        epoch = max(owner.epoch for owner in theirs)
        repair = Ownership(ends.database, run=run, epoch=epoch, holder=uuid.uuid4().hex)
        await repair.leave([owner.table for owner in theirs])


class _Writing:
    """What a repair writes `tables` with; `deleted` rows had values that others have now."""

    def __init__(
        self,
        database: D1Database,
        ownership: Ownership,
        source: Transforming,
        tables: Sequence[Mending],
        *,
        engine: Engine,
    ) -> None:
        self._database = database
        self._ownership = ownership
        self._source = source
        self._tables = tables
        self._engine = engine
        self.deleted = 0

    def sink(self, letting_go: LettingGo) -> Sink:
        """Where the rows go."""
        plans = [one.plan for one in self._tables]
        carried = {one.step: Carried(one.plan, one.layout) for one in self._tables}
        ledger = wanted(self._tables)
        leaving = Leaving(
            self._database,
            self._source,
            {plan.target: plan for plan in plans},
            engine=self._engine,
        )
        untying = Untying(
            self._database,
            self._source,
            leaving=LeavingLater(leaving, letting_go.kept),
        )
        ahead = Ahead(
            self._database,
            self._ownership,
            tables=plans,
            source=self._source,
            telling=Telling(_expect_nothing, self._count),
            engine=self._engine,
            untying=untying,
        )
        layouts = {one.step: one.layout for one in self._tables}
        stored = D1Sink(self._database, self._ownership, layouts=layouts, steps=ledger)
        parents = ParentsFirst(stored, ahead, self._source, carried)
        moved = MovedValues(parents, ahead, carried, parents.settle)
        room = MakingRoom(parents, moved, letting_go, {one.step: one.plan for one in self._tables})
        steps = {step: (one, ledger[step]) for step, one in carried.items()}
        return Diagnosing(room, self._database, self._ownership, steps, settle=parents.settle)

    async def _count(self, rows: Mapping[str, int]) -> None:
        self.deleted += sum(rows.values())


def _mending(table: TablePlan, step: StepId, sides: Sides) -> Mending:
    """The table as it is mended: whole, and with all of its unique indexes there already."""
    indexes = tuple(replace(i, early=True) if i.unique else i for i in table.indexes)
    whole = replace(table, loading=Loading.DIRECT, deferred=(), indexes=indexes)
    layout = Layout.of(whole, StepKind.ROWS, Pack.JSON, into_stage=False, engine=sides.engine)
    return Mending(whole, step, layout)


def _refuse_others(owners: Sequence[Owner], names: Sequence[str], ours: Collection[str]) -> None:
    lower = {name.lower() for name in names}
    for owner in owners:
        if owner.table.lower() in lower and owner.run not in ours:
            raise FencedError(
                f"{owner.table}: another run writes to it (run {owner.run}), or was stopped.",
                hint="Let that run finish, then repair.",
            )


def _kept(ends: Compared, tables: Sequence[TablePlan], events: Events) -> frozenset[str]:
    """Tables that nothing is deleted from, since others that aren't compared refer to them."""
    compared = {table.target.lower() for table in tables}
    kept: set[str] = set()
    for table in tables:
        outside = [c for c in ends.survey.children_of(table.target) if c.lower() not in compared]
        if outside:
            kept.add(str(table.name))
            events.warning(
                f"{table.name}: extra rows stay, for {', '.join(sorted(outside))} refers to it and"
                " isn't compared"
            )
    return frozenset(kept)
