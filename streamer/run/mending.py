"""A repair's place in the target: nobody else writes meanwhile, and no mark stays behind."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from streamer.errors import FencedError, StreamerError
from streamer.model import Loading, Pack, StepId, StepKind, TablePlan
from streamer.pack import OWNER_TABLE, Layout, owners_of, read_owners
from streamer.pipeline.transform import Transforming
from streamer.progress import Events
from streamer.run.compared import Compared
from streamer.sinks import Ahead, Carried, D1Sink, Ownership, ParentsFirst
from streamer.validate import Differences, Sides
from streamer.validate.repair import Mending, Repair, wanted
from streamer.validate.report import Repaired


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
    await _refuse_others(ends, names, {run, *earlier})
    ownership = Ownership(ends.database, run=run, epoch=epoch, holder=uuid.uuid4().hex)
    await ownership.take(names)
    mending = [_mending(table, StepId(n), sides) for n, table in enumerate(tables, 1)]
    ahead = Ahead(
        ends.database,
        ownership,
        tables=[one.plan for one in mending],
        source=source,
        expect=_expect_nothing,
        exact_floats=sides.exact_floats,
    )
    layouts = {one.step: one.layout for one in mending}
    sink = D1Sink(ends.database, ownership, layouts=layouts, steps=wanted(mending))
    parents = ParentsFirst(
        sink, ahead, source, {one.step: Carried(one.plan, one.layout) for one in mending}
    )
    repair = Repair(
        sides,
        ownership,
        parents,
        differences,
        tables=mending,
        kept=_kept(ends, tables, events),
        heed_stop=heed_stop,
    )
    try:
        await repair.carry_out()
    finally:
        try:
            await ownership.leave(names)
        except StreamerError as error:
            events.warning(f"marks of the repair stay in D1 until the next one: {error.what}")
    return Repaired(repair.sent, repair.deleted, 1)


def _mending(table: TablePlan, step: StepId, sides: Sides) -> Mending:
    whole = replace(table, loading=Loading.DIRECT, deferred=())
    layout = Layout.of(
        whole, StepKind.ROWS, Pack.JSON, into_stage=False, exact_floats=sides.exact_floats
    )
    return Mending(whole, step, layout)


async def _refuse_others(ends: Compared, names: Sequence[str], ours: Collection[str]) -> None:
    if ends.survey.find(OWNER_TABLE) is None:
        return
    answer = await ends.database.execute([read_owners()])
    lower = {name.lower() for name in names}
    for owner in owners_of(answer.results[0]):
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
