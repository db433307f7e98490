"""Makes a lost checkpoint anew from the ledger that the run left in its target.

The ledger claims key intervals; joined end to end they say how far each table came. Where it can't say
that (no key, keys that must not be told, rows that waited in a staging table), where fewer rows are
there than it claims, or where rows were rejected of which no file tells, the table is moved again from
its start: rows that are there already change nothing, and bad ones are found once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from checkpoints import RunRecord
from streamer.config import Config
from streamer.errors import UsageError
from streamer.frozen import frozen
from streamer.model import KeyKind, Loading, StepKind, TablePlan
from streamer.model.words import counted
from streamer.pack import Reach, entries_of, reach, read_ledger
from streamer.pipeline import Position
from streamer.progress import Events
from streamer.run import steps
from streamer.run.admission import Found, listed
from streamer.run.chosen import hash_key_facts
from streamer.run.identity import table_facts, target_facts
from streamer.run.job import Ends
from streamer.run.journal import Journal
from streamer.run.lost import START_OVER, Lost
from streamer.run.recorded import members
from streamer.run.rejected import Rejected
from streamer.run.rejects import beside, lines_of
from streamer.run.states import RunState, Start, StepName, Work
from streamer.run.survey import Database, Survey, count_rows

if TYPE_CHECKING:
    from checkpoints import JSON

AT_ONCE = 24  # steps whose ledgers are read in one request


@frozen
class Progress:
    """How far a table came: `reached` says it by step; None: it is moved again from its start.

    `rows` are in the target now (None: too many to count). `lines` are its rejected rows that are
    found in their file.
    """

    table: TablePlan
    reached: Mapping[StepKind, Reach] | None = None
    rows: int | None = 0
    lines: Sequence[Rejected] = ()
    reason: str = ""

    @property
    def rejected(self) -> int:
        """Rows that D1 will never take, as the ledger tells."""
        return sum(one.rejected for one in (self.reached or {}).values())


async def rebuild(config: Config, journal: Journal, ends: Ends, lost: Lost, events: Events) -> None:
    """Write the run down as its ledger tells of it, in one commit.

    Raises:
        UsageError: the plan isn't the run's; nothing was touched.

    """
    known = [table for table in ends.plan.tables if str(table.name) in lost.tables]
    refuse_others(known, lost)
    tables = [_with_lacking_indexes_late(table, ends.survey, lost) for table in known]
    events.phase("making the checkpoint anew from the ledger in D1")
    lines = await lines_of(beside(config.run.checkpoint), lost.run_id)
    progress = await _progress(ends.database, ends.survey, tables, lost, lines)
    anew = renewed(progress, lost)
    progress = [_afresh(one, anew) for one in progress]
    for one in progress:
        if one.reason:
            events.warning(f"{one.table.name}: {one.reason}; it is moved again from the start")
    views = [view for view in ends.plan.views if str(view.source) in _views(lost)]
    await journal.begin(
        run_record(config, ends, lost),
        steps.named(tables, views),
        start_of(progress, ends.survey, lost, anew),
        [line for one in progress if one.reached for line in one.lines],
    )
    events.warning(
        "the checkpoint was made anew from the ledger in D1; figures of requests and times, and of "
        "rows that were left out, begin here"
    )


def _with_lacking_indexes_late(table: TablePlan, seen: Survey, lost: Lost) -> TablePlan:
    """A table whose indexes come with it, but for those that it lacks though it is there."""
    if seen.find(table.target) is None:
        return table
    indexes = (replace(i, early=i.early and i.name in lost.indexes) for i in table.indexes)
    return replace(table, indexes=tuple(indexes))


def refuse_others(tables: Sequence[TablePlan], lost: Lost) -> None:
    """Refuse a plan that isn't the one of the run.

    Raises:
        UsageError: tables aren't selected, or not what the run moved.

    """
    missing = sorted(lost.tables.keys() - {str(table.name) for table in tables})
    if missing:
        raise UsageError(
            f"the run in D1 was begun with {listed(missing)}: not selected, or not there, now",
            hint=f"Select the same tables, or {START_OVER}.",
        )
    changed = [
        str(table.name)
        for table in tables
        if any(
            table_facts(table)[fact] != lost.tables[str(table.name)].get(fact)
            for fact in ("fingerprint", "loading")
        )
    ]
    if changed:
        raise UsageError(
            f"{listed(changed)}: not what the run in D1 moved: columns, key, foreign keys, or the "
            "settings that shape their rows, differ",
            hint=f"Use the settings that the run was begun with, or {START_OVER}.",
        )


def renewed(progress: Sequence[Progress], lost: Lost) -> frozenset[str]:
    """Target tables to empty before they are moved again (pure).

    Rows without a key would stand twice, and published ones be in the way of their own UNIQUE values.
    Those that refer to any of them go, and come again, with them.

    Raises:
        UsageError: some hold rows of others, which would go too.

    """
    there = {one.table.target: one for one in progress if one.rows != 0}
    children = {
        name: {t for t, one in there.items() if t != name and _refers(one.table, name)}
        for name in there
    }
    found: set[str] = set()
    for name, one in there.items():
        keyless, staged = (
            one.table.key.kind is KeyKind.PHYSICAL,
            one.table.loading is Loading.STAGED,
        )
        if not (staged or (keyless and children[name])):
            continue
        group, waiting = set[str](), {name}
        while waiting:
            group |= waiting
            waiting = {child for parent in waiting for child in children[parent]} - group
        if not any(_is_held(lost.tables[str(there[t].table.name)]) for t in group):
            found |= group
        elif keyless:
            raise UsageError(
                f"{one.table.name} has no key, and others refer to its rows, which only the lost "
                "checkpoint knew",
                hint=f"Find that checkpoint, or {START_OVER}.",
            )
    return frozenset(found)


def _refers(table: TablePlan, target: str) -> bool:
    return any(key.parent == target for key in table.foreign_keys)


def _is_held(known: Mapping[str, JSON]) -> bool:
    """Whether a table held rows of others that the run left in it."""
    return known.get("found") == Found.ROWS and not known.get("emptied")


def _afresh(one: Progress, anew: frozenset[str]) -> Progress:
    if one.table.target not in anew:
        return one
    reason = one.reason or "it refers to rows that are moved again"
    return Progress(one.table, rows=0, reason=reason)


def _starts_over(table: TablePlan, lost: Lost, seen: Survey) -> bool:
    """Whether rows may be there of which the ledger claims nothing any more, and can't tell."""
    again = bool(lost.tables[str(table.name)].get("again"))
    return again and bool(untold(table)) and seen.find(table.target) is not None


async def _progress(
    database: Database,
    seen: Survey,
    tables: Sequence[TablePlan],
    lost: Lost,
    lines: Sequence[Rejected],
) -> list[Progress]:
    begun = [t for t in tables if t.target in lost.begun or _starts_over(t, lost, seen)]
    told = [table for table in begun if not untold(table)]
    reached = await _reached(database, lost.run_id, told)
    counted = dict(
        zip(begun, await count_rows(database, [table.target for table in begun]), strict=True)
    )
    return [
        judged(
            table,
            reached.get(table.target),
            counted.get(table, 0),
            [line for line in lines if line.table == str(table.name)],
            begun=table in counted,
        )
        for table in tables
    ]


def untold(table: TablePlan) -> str:
    """Why the ledger can't tell how far a table came; '' where it can."""
    if table.key.kind is KeyKind.PHYSICAL:
        return "it has no key, and only the lost checkpoint knew where it stood"
    if table.hides_key:
        return "its keys are hidden from the ledger"
    if table.loading is Loading.STAGED:
        return "it is one of a cycle, whose rows are published together"
    return ""


def judged(
    table: TablePlan,
    reached: Mapping[StepKind, Reach] | None,
    rows: int | None,
    lines: Sequence[Rejected],
    *,
    begun: bool,
) -> Progress:
    """How a table goes on, of which the target holds `rows` (pure)."""
    if not begun:
        return Progress(table)
    if reached is None:
        return Progress(table, rows=rows, reason=untold(table))
    claimed = reached[StepKind.ROWS].rows
    if rows is not None and rows < claimed:
        return Progress(
            table,
            rows=rows,
            reason=f"D1 holds {rows:,} of the {counted(claimed, 'row')} that its ledger claims",
        )
    found = Progress(table, reached, rows, lines)
    if (missing := found.rejected - len(lines)) > 0:
        return Progress(
            table,
            rows=rows,
            reason=f"of its rejected rows, {counted(missing, 'row')} can't be found beside this checkpoint",
        )
    return found


async def _reached(
    database: Database, run: str, tables: Sequence[TablePlan]
) -> dict[str, dict[StepKind, Reach]]:
    asked = [(table, kind) for table in tables for _, kind in steps.of_rows(table)]
    found: dict[str, dict[StepKind, Reach]] = {}
    for at in range(0, len(asked), AT_ONCE):
        some = asked[at : at + AT_ONCE]
        answer = await database.execute([read_ledger(run, t.target, kind) for t, kind in some])
        for (table, kind), result in zip(some, answer.results, strict=True):
            found.setdefault(table.target, {})[kind] = reach(entries_of(result))
    return found


def run_record(config: Config, ends: Ends, lost: Lost) -> RunRecord:
    """The run as a whole, as its last start left it."""
    facts: dict[str, JSON] = {
        **{name: fact for name, fact in lost.facts.items() if name != "views"},
        "target": target_facts(ends.database.identity),
        **hash_key_facts(config.shaping.hash_key, lost.run_id),
        "claimed": sorted(lost.targets.values()),
        "claimed_since": lost.since,
        "snapshots": [],
    }
    return RunRecord(lost.run_id, RunState.RUNNING, lost.starts, facts)


def start_of(
    progress: Sequence[Progress], seen: Survey, lost: Lost, anew: frozenset[str] = frozenset()
) -> Start:
    """What is known of the run's steps; all others are still to be done, or once more.

    Tables in `anew` (target names) are to be emptied.
    """
    facts: dict[StepName, Mapping[str, JSON]] = {}
    positions: dict[StepName, Position] = {}
    done: set[StepName] = set()
    for one in progress:
        table = one.table
        known = lost.tables[str(table.name)]
        facts[steps.rows_step(table)] = {**table_facts(table), **known, **_beside(one)}
        if table.target in anew:
            facts[steps.rows_step(table)] = {**facts[steps.rows_step(table)], "remade": False}
        for name, kind in steps.of_rows(table):
            if one.reached and one.reached[kind].last is not None:
                positions[name] = position_of(one.reached[kind])
        prepared = _prepared(table, known, seen, lost)
        done |= prepared - {steps.empty_step(table)} if table.target in anew else prepared
        done |= {steps.index_step(table, i) for i in table.indexes if i.name in lost.indexes}
    facts |= {StepName(name, Work.VIEW): members(view) for name, view in _views(lost).items()}
    return Start(facts, frozenset(done), positions)


def position_of(reached: Reach) -> Position:
    """The position that the ledger proves; whether the last key's row was written it doesn't say."""
    return Position(
        last=reached.last,
        next_number=reached.next_number,
        rows=reached.rows,
        rejected=reached.rejected,
        last_gone=True,
    )


def _beside(one: Progress) -> dict[str, JSON]:
    """What is known of a table beside the facts: rows that may be there without being counted."""
    table = one.table
    if one.reached is None:
        more = 0 if table.key.kind is KeyKind.PHYSICAL else one.rows or 0
        return {"again": True, "parents": {"rows": more, "snapshots": []}} if one.reason else {}
    more = max(0, (one.rows or 0) - one.reached[StepKind.ROWS].rows)
    return {"parents": {"rows": more, "snapshots": []}}


def _prepared(
    table: TablePlan, known: Mapping[str, JSON], seen: Survey, lost: Lost
) -> set[StepName]:
    """Which steps of making a table ready for its rows are behind it."""
    done: set[StepName] = set()
    if table.target in lost.emptied or not (known.get("emptied") or known.get("remade")):
        done.add(steps.empty_step(table))
    made = known.get("found") == Found.ABSENT or table.target in lost.begun
    if (
        steps.empty_step(table) in done
        and made
        and seen.find(table.target) is not None
        and table.loading is not Loading.STAGED
    ):
        done.add(steps.schema_step(table))
    return done


def _views(lost: Lost) -> Mapping[str, JSON]:
    return members(lost.facts.get("views"))
