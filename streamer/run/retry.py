"""Sends rejected rows once more, after the user has mended what was wrong with them.

The rows are read anew by their keys, those of tables without a key from their file, where they may be
mended; what D1 refuses even then is read anew by what others refer to it by, if by anything. What goes through
is in the target first, then out of the checkpoint, then out of the file: so a retry that is killed is
begun anew without harm, even where it had nothing left to do but to take its marks from the target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import TypeGuard

from streamer.config import Config
from streamer.errors import ExitCode, StreamerError, UsageError
from streamer.frozen import slotted
from streamer.model import (
    Batch,
    Key,
    KeyKind,
    Loading,
    Pack,
    Page,
    Reject,
    StepId,
    StepKind,
    TablePlan,
)
from streamer.model.words import counted
from streamer.pack import Layout, LedgerStep, not_stored, numbers_of, pack_page, sift, stored_places
from streamer.pack.cells import page_cells
from streamer.pipeline import Sink
from streamer.pipeline.transform import Transforming
from streamer.progress import Events
from streamer.run.finish import OPTIMIZE
from streamer.run.job import Ends
from streamer.run.journal import Journal
from streamer.run.reading import RunSource
from streamer.run.rejected import Rejected
from streamer.run.rejects import Filed
from streamer.run.reporting import save_report, settle_rows
from streamer.run.writing import Writing
from streamer.sinks import BadRow, Carried
from streamer.sinks.bad_rows import stored_key
from streamer.sinks.late_places import known_by, known_keys, with_places
from streamer.sinks.left_out import is_orphaned
from streamer.sinks.references import found_by, keyed_by

AT_ONCE = 200  # rows that are looked up, sent and written down together
ROUNDS = 3  # of reading rows without a key anew that D1 refused, while the source goes on changing
_STEP = StepId(1)


@slotted
class _Trial:
    """One table's rejected rows by their lines, and which of them D1 still refuses.

    Those that are `known` without a key can be looked for in the source, and are if `anew`.
    """

    carried: Carried
    lines: Mapping[Key, str]
    found: set[str] = field(default_factory=set[str])
    bad: set[str] = field(default_factory=set[str])
    anew: bool = False
    known: set[str] = field(default_factory=set[str])
    orphaned: set[str] = field(default_factory=set[str])

    @property
    def lost(self) -> set[str]:
        """Those that the source hasn't got any more."""
        if self.carried.plan.key.kind is KeyKind.PHYSICAL:
            return self.known - self.found if self.anew else set()
        return {*self.lines.values()} - self.found

    async def record(self, rows: Sequence[BadRow]) -> list[Reject]:
        """Take note that D1 still refuses rows; they are in the file already."""
        lines = [self.lines[row.key] for row in rows]
        self.bad.update(lines)
        self.orphaned |= {
            line for line, row in zip(lines, rows, strict=True) if is_orphaned(row.reason)
        }
        return [Reject(line, row.key, row.reason) for line, row in zip(lines, rows, strict=True)]

    def take_note(self, page: Page) -> None:
        """Take note of rows that there are."""
        layout = self.carried.layout
        for record in page.records:
            self.found.add(self.lines[stored_key(layout, record[: page.width])])


class Retry:
    """Tries the rejected rows of the run in `journal`, which has ended, once more."""

    def __init__(self, config: Config, events: Events, journal: Journal, ends: Ends) -> None:
        self._events = events
        self._journal = journal
        self._ends = ends
        self._source = Transforming(
            RunSource(ends.source, config.run.consistency, journal.see_snapshot),
            ends.plan.tables,
            ends.transforms,
        )
        self._engine = ends.survey.engine
        self._writing = Writing(config, journal, ends.database, self._source, engine=self._engine)
        self._told: set[str] = set()  # lines of rows whose places others have

    async def carry_out(self) -> ExitCode:
        """Send the rows; DONE where none is rejected any more and nothing else was amiss."""
        journal, tables = self._journal, self._ends.plan.tables
        await journal.note(retrying=True)
        self._events.phase("claiming the target")
        targets = [table.target for table in tables]
        await self._writing.ownership.take(targets, from_others=False, whoever_came=True)
        await self._writing.rejects.forget_unknown(journal.rejected)
        self._events.phase("sending rejected rows again")
        for table in tables:
            await self._retry(table)
        await self._writing.ownership.leave(targets, along=[OPTIMIZE])
        left = len(journal.rejected)
        if left:
            self._events.warning(f"still rejected: {counted(left, 'row')}")
        amiss = left or journal.running.document.get("lacking")
        return ExitCode.INCOMPLETE if amiss else ExitCode.DONE

    async def _retry(self, table: TablePlan) -> None:
        mine = [row for row in self._journal.rejected if row.table == str(table.name)]
        gone = 0
        for kind in (StepKind.ROWS, StepKind.EDGES):  # which refer to those
            alike = [row for row in mine if row.kind is kind]
            for start in range(0, len(alike), AT_ONCE):
                gone += await self._retry_some(table, kind, alike[start : start + AT_ONCE])
        if gone:
            self._events.warning(
                f"{table.name}: {gone:,} rejected rows are gone from PostgreSQL, or left out by "
                "the settings; they are dropped from the list"
            )

    async def _retry_some(self, table: TablePlan, kind: StepKind, some: Sequence[Rejected]) -> int:
        """Send rows again, and write down what went through; how many are gone from the source."""
        gone, orphaned = 0, set[str]()
        for turn in range(1 + ROUNDS):
            trial = await self._tried(table, kind, some, anew=turn > 0)
            # What has no key and D1 refuses for itself may be taken as it is filed, once D1 is mended.
            lost = trial.lost & orphaned if trial.anew else trial.lost
            orphaned |= trial.orphaned
            gone += len(lost)
            written = trial.found - trial.bad
            await self._journal.settle_rejects(str(table.name), written, lost)
            await self._writing.rejects.forget_unknown(self._journal.rejected)
            some = [row for row in some if row.reject.line in trial.known & trial.bad]
            if not some:
                break
        return gone

    async def _tried(
        self, table: TablePlan, kind: StepKind, some: Sequence[Rejected], *, anew: bool
    ) -> _Trial:
        """Try rows that steps of this `kind` found: whole, save where only references are at hand."""
        if table.key.kind is not KeyKind.PHYSICAL:
            kind = StepKind.ROWS
        if kind is StepKind.ROWS:
            table = replace(table, loading=Loading.DIRECT, deferred=())
        layout = Layout.of(table, kind, Pack.JSON, into_stage=False, engine=self._engine)
        carried = Carried(table, layout)
        trial = _Trial(carried, {row.reject.key: row.reject.line for row in some}, anew=anew)
        ledger = LedgerStep(table.target, kind, keys_hidden=table.hides_key)
        sink = self._writing.sink(
            {_STEP: (carried, ledger)}, trial.record, lambda _table, _columns, _key: False
        )
        for page in await self._pages(trial, some):
            trial.take_note(page)
            by_place = table.key.kind is KeyKind.PHYSICAL and kind is StepKind.ROWS
            free = await self._whose_places_are_free(trial, page) if by_place else page
            if free.records:
                await self._send(trial, free, sink)
        return trial

    async def _whose_places_are_free(self, trial: _Trial, page: Page) -> Page:
        """The rows of a page but for those whose places others have in D1 by now.

        A row without a key has the number that its position in PostgreSQL gave it, which nobody kept free
        once the run had ended. What stands there as it would be sent came with a retry that was killed.
        """
        layout, database = trial.carried.layout, self._ends.database
        rows = page_cells(layout, page, 0, len(page.records))
        answer = await database.execute([stored_places(layout, rows)])
        taken: set[int] = set()
        for number in numbers_of(answer.results[0], len(rows)):
            answer = await database.execute([not_stored(layout, [rows[number]])])
            if answer.results[0].rows:
                taken.add(number)
        if not taken:
            return page
        lines = {trial.lines[stored_key(layout, rows[number])] for number in taken}
        trial.bad |= lines
        if fresh := lines - self._told:
            self._told |= fresh
            self._events.warning(
                f"{trial.carried.plan.name}: {counted(len(fresh), 'row')} without a key can't be sent again: "
                "D1 has other rows under their numbers by now. Insert them by hand, from the file of "
                "rejected rows, or move the table anew"
            )
        kept = [record for number, record in enumerate(page.records) if number not in taken]
        return replace(page, records=kept, left_out=())

    async def _pages(self, trial: _Trial, some: Sequence[Rejected]) -> list[Page]:
        plan = trial.carried.plan
        if plan.key.kind is KeyKind.PHYSICAL:
            return await self._without_key(trial, some)
        keyed = keyed_by(plan, plan.key.targets)
        assert keyed is not None, "a table with a key has its columns"
        return await self._source.lookup(keyed, list({row.reject.key: None for row in some}))

    async def _without_key(self, trial: _Trial, some: Sequence[Rejected]) -> list[Page]:
        """The rows as they are filed, or, if `anew`, as the source has them now."""
        plan = trial.carried.plan
        there = await self._writing.rejects.rows(plan.name)
        filed = self._filed(trial.carried, some, there)
        if trial.carried.layout.kind is not StepKind.ROWS:
            return filed
        columns = known_by(plan, {t.target: t for t in self._ends.plan.tables})
        wanted: dict[tuple[str, ...], list[Key]] = {}
        for line in (trial.lines[(str(r[0]),)] for page in filed for r in page.records):
            # As it was written down: somebody may have mended what it is known by.
            cells = [_cell(there[line].known.get(column.target)) for column in plan.columns]
            for searched, key in known_keys(plan, cells, columns)[:1]:
                wanted.setdefault(searched, []).append(key)
                trial.known.add(line)
        if not trial.anew:
            return filed
        pages: list[Page] = []
        place = self._writing.rejects.place
        for searched, keys in wanted.items():
            found = found_by(plan, searched)
            assert found is not None, "a row is known by columns that it has"
            pages += [
                with_places(plan, page, columns, searched, place)
                for page in await self._source.lookup(found, keys)
            ]
        return pages

    def _filed(
        self, carried: Carried, some: Sequence[Rejected], there: Mapping[str, Filed]
    ) -> list[Page]:
        """The rows as the file of the table has them; a line that can't be one is said."""
        columns = carried.layout.columns
        records: list[tuple[str | None, ...]] = []
        for row in some:
            line = there.get(row.reject.line)
            cells: Mapping[str, object] = line.cells if line else {}
            record = tuple(cell for c in columns if _is_cell(cell := cells.get(c.target, ...)))
            if len(record) < len(columns) or record[0] != row.reject.key[0]:
                self._events.warning(
                    f"{carried.plan.name}: the line {row.reject.line} isn't in the file of rejected "
                    "rows, or can't be read; its row stays rejected"
                )
                continue
            records.append(record)
        return [Page(records, len(columns), (0,))] if records else []

    async def _send(self, trial: _Trial, page: Page, sink: Sink) -> None:
        layout = trial.carried.layout
        fitting, oversized = sift(layout, page)
        for row in oversized:
            cells = page.records[row.index][: page.width]
            trial.bad.add(trial.lines[stored_key(layout, cells)])
        chunks = pack_page(layout, fitting, step=_STEP, number=0, after=None)
        for chunk in chunks:
            if chunk.rows:
                await sink.write(Batch((replace(chunk, claims=False),)))


def _cell(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _is_cell(value: object) -> TypeGuard[str | None]:
    return value is None or isinstance(value, str)


def check_retry(config: Config, journal: Journal) -> None:
    """Refuse to send rejected rows again where there is no run that has ended.

    Raises:
        UsageError: there is none, or it isn't finished.

    """
    if journal.run is None:
        raise UsageError(
            f"{config.run.checkpoint} holds no run whose rows could be sent again",
            hint="Name its checkpoint with --checkpoint.",
        )
    if journal.unfinished:
        raise UsageError(
            f"the run in {config.run.checkpoint} isn't finished",
            hint="Go on with --resume first, then send the rejected rows again.",
        )


async def retry_rejects(config: Config, events: Events, journal: Journal, ends: Ends) -> ExitCode:
    """Send the rejected rows again, and leave a report whatever comes of it."""
    tables = [str(table.name) for table in ends.plan.tables]
    try:
        code = await Retry(config, events, journal, ends).carry_out()
    except StreamerError as error:
        settle_rows(journal, tables, events)
        save_report(config, events, journal, ends.plan, code=error.exit_code, errors=[error.what])
        raise
    settle_rows(journal, tables, events)
    left = len(journal.rejected)
    errors = [f"rejected: {counted(left, 'row')}"] if left else []
    save_report(config, events, journal, ends.plan, code=code, errors=errors)
    await journal.note(
        exit_code=int(code), errors=[*errors], tally=dict(journal.tally("")), retrying=False
    )
    return code
