"""All rows of all tables beside D1's: a pass over everything, then what seemed odd, table by table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from streamer import limits
from streamer.d1 import D1Database
from streamer.model import Key, KeyKind, StepId, StepKind, TableKind, TablePlan
from streamer.pack import Layout
from streamer.pack.comparing import Comparison, compared
from streamer.pack.spelling import holds_doubles, in_one_spelling
from streamer.pipeline import Limits, Load, Mover, Position, Recorder
from streamer.pipeline.mover import Observer
from streamer.validate.checks import Broken, TableChecks, Together
from streamer.validate.differences import Differences, Kind
from streamer.validate.extras import extra_rows
from streamer.validate.look import Looker
from streamer.validate.multiset import compare_multisets
from streamer.validate.sides import Sides, keyed_as_d1
from streamer.validate.sink import ComparingSink
from streamer.validate.structure import Structure, UniqueIndex, kept_unique
from streamer.validate.suspects import Suspects
from streamer.validate.target_rows import key_columns
from streamer.validate.verdict import MOST_DIFFERENCES, Check, Depth, Status, Verdict

FIXED_UPLOADERS = 16
SMALL_TABLE_BYTES = 256 * 1024
"""On PostgreSQL's disk; these share requests, and a sample takes two of its own."""
RECOUNTS = 3  # while rows come and go
LOOKED_AT = 1_000  # rows at once
_NO_KEY = "no key: compared as a multiset, named by row number"


def is_whole(plan: TablePlan, depth: Depth) -> bool:
    """Whether all values of a table are compared with its rows: always, or where a sample costs more."""
    if depth is Depth.FULL or plan.key.kind is KeyKind.PHYSICAL:
        return True
    kinds = {TableKind.TABLE, TableKind.PARTITIONED}
    return (
        depth is Depth.SAMPLE and plan.table.kind in kinds and plan.table.bytes <= SMALL_TABLE_BYTES
    )


@dataclass(slots=True)
class Progress:
    """How far one table's pass has come: everything up to `position` was compared."""

    step: StepId
    position: Position = field(default_factory=Position)
    suspects: Suspects = field(default_factory=Suspects)


class Comparer:
    """Compares tables; `heed_stop` raises where the command is to end early."""

    def __init__(
        self,
        sides: Sides,
        database: D1Database,
        structure: Structure,
        differences: Differences,
        *,
        depth: Depth,
        sample_rows: int,
        uploaders: int | None,
        heed_stop: Callable[[], None],
    ) -> None:
        self._sides = sides
        self._database = database
        self._structure = structure
        self._differences = differences
        self._depth = depth
        self._sample_rows = sample_rows
        self._uploaders = uploaders or FIXED_UPLOADERS
        self._heed_stop = heed_stop

    async def pass_over(
        self,
        tables: Sequence[TablePlan],
        progress: Mapping[str, Progress],
        *,
        recorder: Recorder,
        observer: Observer,
        stop: asyncio.Event,
    ) -> bool:
        """Compare all rows that are compared whole; False where `stop` came first."""
        loads = [
            self._load(plan, progress[str(plan.name)]) for plan in tables if self._is_read(plan)
        ]
        if all(load.done.is_set() for load in loads):
            return True
        layouts: dict[StepId, Layout] = {load.step: load.layout for load in loads}
        suspects = {load.step: progress[load.name].suspects for load in loads}
        mover = Mover(
            source=self._sides.source,
            sink=ComparingSink(self._database, layouts, suspects),
            recorder=recorder,
            observer=observer,
            sizes=Limits(batch_statements=limits.BATCH_STATEMENTS - 1, uploaders=self._uploaders),
            stop=stop,
        )
        done = await mover.move(loads)
        for load in loads:
            progress[load.name].position = load.position
        return done

    def _is_read(self, plan: TablePlan) -> bool:
        """Positions say nothing about which rows there are, so without values they aren't compared."""
        return plan.key.kind is not KeyKind.PHYSICAL or self._depth is not Depth.KEYS

    def _keys_only(self, plan: TablePlan) -> bool:
        return not is_whole(plan, self._depth)

    def _load(self, plan: TablePlan, progress: Progress) -> Load:
        keys_only = self._keys_only(plan)
        narrowed = compared(plan, keys_only=keys_only)
        layout = Comparison.of_table(narrowed, engine=self._sides.engine, keys_only=keys_only)
        return Load(
            step=progress.step,
            kind=StepKind.ROWS,
            plan=narrowed,
            layout=layout,
            position=progress.position,
        )

    async def judge(
        self, tables: Sequence[TablePlan], progress: Mapping[str, Progress]
    ) -> list[Verdict]:
        """Look again at what seemed odd in the pass, and make the other checks."""
        together = Together(self._database)
        rows = [max(progress[str(plan.name)].position.rows, plan.table.rows, 1) for plan in tables]
        checks = [
            TableChecks(together, plan, expected, self._heed_stop)
            for plan, expected in zip(tables, rows, strict=True)
        ]
        await together.ask([check.at_once() for check in checks], rows)
        verdicts: list[Verdict] = []
        for plan, check in zip(tables, checks, strict=True):
            self._heed_stop()
            verdicts.append(await self._judge(plan, progress[str(plan.name)], check))
        return verdicts

    async def _judge(self, plan: TablePlan, progress: Progress, checks: TableChecks) -> Verdict:
        name = str(plan.name)
        self._differences.forget(name)
        if plan.key.kind is KeyKind.PHYSICAL:
            rows = await self._multiset(plan, progress, checks)
        else:
            rows = await self._keyed(plan, progress, checks)
        made = [*rows, *await self._others(plan, checks)]
        found = tuple(self._differences.of(name, most=MOST_DIFFERENCES))
        return Verdict(name, plan.target, made, found, self._sides.between)

    async def _keyed(self, plan: TablePlan, progress: Progress, checks: TableChecks) -> list[Check]:
        looker = Looker(self._sides, plan, keys_only=self._keys_only(plan))
        async for found in looker.over(progress.suspects.in_order(), self._heed_stop):
            self._differences.add(found)
        values: list[Check] = []
        if is_whole(plan, self._depth):
            values = [self._values(plan, progress.position.rows)]
        elif self._depth is Depth.SAMPLE:
            values = [await self._sampled(plan)]
        source, target = progress.position.rows, await checks.count()
        if target != source - self._count(plan, Kind.MISSING):
            async for found in extra_rows(self._sides, plan, self._heed_stop):
                self._differences.add(found)
            source, target = await self._recounted(plan, checks, source, target)
        return [self._counted(source, target), await self._key_check(plan, checks), *values]

    def _count(self, plan: TablePlan, kind: Kind) -> int:
        return self._differences.count(str(plan.name), kind)

    async def _recounted(
        self, plan: TablePlan, checks: TableChecks, source: int, target: int
    ) -> tuple[int, int]:
        """Counts that fit what was found, where rows came or went meanwhile; else the last ones."""
        if plan.transform:
            return source, target  # only reading tells how many it leaves
        for _ in range(RECOUNTS):
            missing, extra = self._count(plan, Kind.MISSING), self._count(plan, Kind.EXTRA)
            if target == source - missing + extra:
                break
            self._heed_stop()
            source = await self._sides.questions.count(plan.table, plan.where)
            target = await checks.count()
        return source, target

    @staticmethod
    def _counted(source: int, target: int) -> Check:
        status = Status.OK if source == target else Status.DIFFERS
        figures = {"rows_in_source": source, "rows_in_target": target}
        return Check("record counts", status, figures=figures)

    async def _key_check(self, plan: TablePlan, checks: TableChecks) -> Check:
        missing, extra = self._count(plan, Kind.MISSING), self._count(plan, Kind.EXTRA)
        doubled = Broken("", 0, ())
        if not self._structure.is_unique(plan.target, plan.key.targets):
            doubled = await checks.duplicates(plan.key.targets, plan.key.name)
        wrong = missing or extra or doubled.rows
        return Check(
            "primary key",
            Status.DIFFERS if wrong else Status.OK,
            plan.key.name,
            figures={"missing": missing, "extra": extra, "duplicate": doubled.rows},
            keys=doubled.keys,
        )

    def _values(self, plan: TablePlan, rows: int) -> Check:
        different = self._count(plan, Kind.DIFFERENT)
        status = Status.DIFFERS if different else Status.OK
        figures = {"compared": rows, "different": different}
        return Check("values", status, note=self._computed(plan), figures=figures)

    def _computed(self, plan: TablePlan) -> str:
        """What to say where rows differ in what D1 computes."""
        differing = self._differences.columns(str(plan.name))
        names = [column.source for column in plan.computed if column.source in differing]
        return f"D1 computes {', '.join(names)}: no repair changes that" if names else ""

    async def _sampled(self, plan: TablePlan) -> Check:
        keys = await self._sides.questions.sample(plan, self._sample_rows)
        looker = Looker(self._sides, plan, keys_only=False)
        for found in await looker.still([row.read_by for row in await looker.still(keys)]):
            self._differences.add(found)
        return self._values(plan, len(keys))

    async def _multiset(
        self, plan: TablePlan, progress: Progress, checks: TableChecks
    ) -> list[Check]:
        """A table without a key: row by row where all lie as they lay, else all of them anew."""
        name = str(plan.name)
        if self._depth is Depth.KEYS:
            source = await self._sides.questions.count(plan.table, plan.where)
            return [self._counted(source, await checks.count())]
        source, target = progress.position.rows, await checks.count()
        if progress.suspects.in_order() or source != target:
            source = await compare_multisets(self._sides, plan, self._differences, self._heed_stop)
        found = {kind: self._differences.count(name, kind) for kind in Kind}
        rows = Check(
            "rows",
            Status.DIFFERS if any(found.values()) else Status.OK,
            note="; ".join(filter(None, (_NO_KEY, self._computed(plan)))),
            figures={
                "compared": source,
                "missing": found[Kind.MISSING],
                "extra": found[Kind.EXTRA],
                "different": found[Kind.DIFFERENT],
            },
        )
        return [self._counted(source, target), rows]

    async def _others(self, plan: TablePlan, checks: TableChecks) -> list[Check]:
        """References, JSON, uniqueness."""
        made = [_check("foreign key", broken, "orphans") for broken in await checks.references()]
        made += [await self._json(plan, broken) for broken in await checks.json()]
        return [*made, *[await self._unique(plan, index, checks) for index in kept_unique(plan)]]

    async def _unique(self, plan: TablePlan, index: UniqueIndex, checks: TableChecks) -> Check:
        if self._structure.enforces(plan.target, index):
            return Check("unique", Status.OK, index.name, figures={"duplicate": 0})
        note = "the index isn't in D1"
        if not index.columns:
            return Check("unique", Status.NOT_CHECKED, index.name, note)
        doubled = await checks.duplicates(index.columns, index.name)
        return replace(_check("unique", doubled, "duplicate"), note=note)

    async def _json(self, plan: TablePlan, broken: Broken) -> Check:
        """JSON that D1 can't parse is no fault where it is the source's own, nested too deep."""
        keyed = keyed_as_d1(plan)
        if not broken.rows or keyed is None:
            return _check("json", broken, "invalid")
        looker = Looker(self._sides, keyed, keys_only=False)
        columns = key_columns(keyed)
        own: set[Key] = set()
        for at in range(0, len(broken.keys), LOOKED_AT):
            some = [k for k in broken.keys[at : at + LOOKED_AT] if holds_doubles(columns, k)]
            same = await looker.same(some, broken.rule) if some else set[Key]()
            own |= {in_one_spelling(columns, key) for key in same}
        wrong = [key for key in broken.keys if in_one_spelling(columns, key) not in own]
        invalid = broken.rows - len(broken.keys) + len(wrong)
        note = "" if invalid else "what D1 can't parse is the source's own text"
        return Check(
            "json",
            Status.DIFFERS if invalid else Status.OK,
            broken.rule,
            note,
            {"invalid": invalid, "unparsed": broken.rows},
            wrong,
        )


def _check(name: str, broken: Broken, figure: str) -> Check:
    status = Status.DIFFERS if broken.rows else Status.OK
    return Check(name, status, broken.rule, figures={figure: broken.rows}, keys=broken.keys)
