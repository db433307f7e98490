"""Rows that others refer to, fetched from the source and sent ahead of them.

A parent may have parents of its own that D1 hasn't got, and UNIQUE values that other rows of it still
hold. All of them travel in one request, in which foreign keys are looked at last.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from streamer import limits
from streamer.d1 import RefusedRowsError, TooLargeError
from streamer.errors import BadRowsError
from streamer.frozen import frozen
from streamer.model import (
    Answer,
    Key,
    Loading,
    Pack,
    Page,
    Statement,
    StepId,
    StepKind,
    TablePlan,
)
from streamer.pack import Engine, Layout, LedgerStep, chunk_rows, pack_page
from streamer.sinks.bad_rows import FoundBadRowsError
from streamer.sinks.late_places import PlaceOf, known_by, with_places
from streamer.sinks.ownership import Database, Ownership
from streamer.sinks.references import (
    Carried,
    Cells,
    Question,
    Row,
    Wanted,
    found_by,
    key_text,
    questions,
)
from streamer.sinks.refresh import LOOKUP_KEYS, Fresh, Settle, Source, TooManyError
from streamer.sinks.together import Together
from streamer.sinks.uniqueness import Unique, uniques_of
from streamer.sinks.untying import Untying

GENERATIONS = 200  # of parents' parents

Lacking = list[tuple[Question, dict[Cells, Wanted]]]
"""Questions with their answers: which cells have no parent in D1, and which parent that is."""

Groups = list[tuple[Carried, list[Row]]]
"""Rows, and how they are packed."""

Expect = Callable[[Mapping[str, int], frozenset[int]], Awaitable[None]]
"""Writes down, before they are sent, how many more rows may come to tables (target names), and the
snapshots that they were read in."""

Deleted = Callable[[Mapping[str, int]], Awaitable[None]]
"""Writes down, before it happens, how many rows of tables (target names) may go from the target."""


class RefusedParentsError(Exception):
    """D1 takes none of the rows that were to be sent ahead, since it refuses one; the text says why."""


@frozen
class Telling:
    """Who is told of rows that are sent, before they are."""

    expect: Expect
    deleted: Deleted


class Ahead:
    """Fetches rows of `tables`, which are all of the run, and sends them ahead of their time."""

    def __init__(
        self,
        database: Database,
        ownership: Ownership,
        *,
        tables: Sequence[TablePlan],
        source: Source,
        telling: Telling,
        engine: Engine,
        untying: Untying,
        rejected: PlaceOf = lambda _table, _columns, _key: None,
    ) -> None:
        self._database = database
        self._ownership = ownership
        self.tables = {table.target: table for table in tables}
        self._source = source
        self._telling = telling
        self._engine = engine
        self.untying = untying
        self._rejected = rejected

    async def lacking(self, groups: Iterable[tuple[Carried, Sequence[Row]]]) -> Lacking:
        """What rows refer to and D1 hasn't got.

        Raises:
            TooManyError: it can't be asked about so many rows at once.

        """
        asked = [q for carried, rows in groups for q in questions(carried, rows, self.tables)]
        found: Lacking = []
        for some in _requests(asked):
            try:
                answer = await self._database.execute([question.statement for question in some])
            except TooLargeError:
                raise TooManyError from None
            answers = zip(some, answer.results, strict=True)
            found += [(q, lacking) for q, result in answers if (lacking := q.lacking(result))]
        return found

    async def ask(self, statements: Sequence[Statement]) -> Answer:
        """What D1 answers to questions."""
        return await self._database.execute(statements)

    async def stage(self, wanted: set[Wanted]) -> None:
        """Put the rows of `wanted` that the source has into their staging tables."""
        for (table, columns), keys in _by_table(wanted).items():
            plan = self._found_by(table, columns)
            layout = self._layout(self.tables[table], into_stage=True)
            guard = self._ownership.guard(LedgerStep(table, StepKind.ROWS))
            for start in range(0, len(keys), LOOKUP_KEYS):
                for found in await self._source.lookup(plan, keys[start : start + LOOKUP_KEYS]):
                    page = self._placed(table, columns, found)
                    await self._telling.expect(
                        {table: len(page.records)}, frozenset({page.snapshot})
                    )
                    for chunk in pack_page(layout, page, step=StepId(0), number=0, after=None):
                        await self._database.execute([*chunk.statements, guard])

    async def there(self, wanted: set[Wanted]) -> set[Wanted]:
        """Those of `wanted` that the source has."""
        found: set[Wanted] = set()
        for (table, columns), keys in _by_table(wanted).items():
            for page in await self._looked_up(table, columns, keys):
                found |= self._wanted_in(page, table, columns)
        return found

    async def send(self, wanted: set[Wanted], most_bytes: int) -> set[Wanted] | None:
        """Send those of `wanted` that the source has, after all that they refer to; which these are.

        None where the source changed while it was asked: then it may be tried again.

        Raises:
            TooManyError: one of them doesn't fit in a request, with what must come with it.
            RefusedParentsError: D1 refuses them.

        """
        try:
            return await self._send_at_once(wanted, most_bytes)
        except TooManyError:
            generations = await self._ancestors(wanted)
        for generation in reversed(generations[1:]):
            await self._send_in_parts(generation, most_bytes)
        return await self._send_in_parts(wanted, most_bytes)

    async def _send_in_parts(self, wanted: set[Wanted], most_bytes: int) -> set[Wanted] | None:
        try:
            return await self._send_at_once(wanted, most_bytes)
        except TooManyError:
            if len(wanted) == 1:
                return await self._send_at_once(wanted, limits.BATCH_BYTES_START)
        some = set(sorted(wanted, key=lambda parent: parent.key)[: len(wanted) // 2])
        first = await self._send_in_parts(some, most_bytes)
        second = await self._send_in_parts(wanted - some, most_bytes)
        return None if first is None or second is None else first | second

    async def _ancestors(self, wanted: set[Wanted]) -> list[set[Wanted]]:
        """`wanted`, then what these refer to and D1 lacks, and so on."""
        generations, seen = [wanted], set(wanted)
        while len(generations) < GENERATIONS:
            rows: list[tuple[Carried, list[Row]]] = []
            for (table, columns), keys in _by_table(generations[-1]).items():
                found = Together(limits.MEMORY_BYTES)
                rows.append(
                    (self._carried(table), await self._look_up(table, columns, keys, found))
                )
            further = parents_of(await self.lacking(rows)) - seen
            if not further:
                return generations
            seen |= further
            generations.append(further)
        raise TooManyError

    async def _send_at_once(self, wanted: set[Wanted], most_bytes: int) -> set[Wanted] | None:
        """Send them with all that they refer to, in one request."""
        found = Together(most_bytes)
        groups = await self._look_up_all(wanted, found)
        there = found.there & wanted
        if not found.statements or await self._complete(found, groups, {*wanted}):
            return there
        return None

    async def exchange(
        self,
        carried: Carried,
        rows: Sequence[Row],
        uniques: Sequence[Unique],
        most_bytes: int,
        settle: Settle | None = None,
    ) -> Fresh | None:
        """Write those of `rows` that others were in the way of, and these, as they are now.

        What they refer to by now and D1 lacks, goes with them, where `settle` didn't send it before.
        None where nothing is in their way, or stays there.

        Raises:
            TooManyError: more rows are in each other's way than can be exchanged.

        """
        found = Together(most_bytes)
        knot = await self.untying.extended(found.knot(carried), rows, uniques)
        if knot is None:
            return None
        found.tie(knot)
        try:
            if settle is not None and carried.plan.foreign_keys and knot.fresh.rows:
                await settle(knot.fresh)
            done = await self._complete(found, found.rows(), set[Wanted]())
        except (RefusedRowsError, FoundBadRowsError, RefusedParentsError):
            return None
        return found.knot(carried).fresh if done else None

    async def _complete(self, found: Together, groups: Groups, seen: set[Wanted]) -> bool:
        """Send rows, of which `groups` are new, with all that must come with them.

        False where some refer to what the source hasn't got (any more). `seen` isn't fetched again.

        Raises:
            TooManyError: no request holds all of that.
            RefusedParentsError: D1 refuses them.

        """
        again = False
        for _ in range(GENERATIONS):
            refused = await self._sent(found)
            if not refused:
                return True
            if "UNIQUE constraint failed" in refused:
                if not await self._untied(found, refused):
                    raise RefusedParentsError(refused)
                groups = found.rows()
            elif "FOREIGN KEY constraint failed" not in refused:
                raise RefusedParentsError(refused)
            elif not await self._add_ancestors(found, groups, seen):
                if again:
                    return False
                again = True
        raise TooManyError

    async def _add_ancestors(self, found: Together, groups: Groups, seen: set[Wanted]) -> bool:
        """Find what rows refer to and D1 lacks, and what that refers to, and so on; whether any."""
        known = len(seen)
        for _ in range(GENERATIONS):
            wanted = parents_of(await self.lacking(groups)) - seen
            if not wanted:
                return len(seen) > known
            seen |= wanted
            groups = await self._look_up_all(wanted, found)
        raise TooManyError

    async def _sent(self, found: Together) -> str:
        """Send rows in one request; '', or why D1 refused it.

        It is written down before that they may come, or go.
        """
        await self._telling.expect(found.note_coming(), found.snapshots)
        if leaving := found.note_leaving():
            await self._telling.deleted(leaving)
        tables = sorted(found.tables)
        guards = [self._ownership.guard(LedgerStep(table, StepKind.ROWS)) for table in tables]
        request = [Statement("PRAGMA defer_foreign_keys=on"), *found.statements, *guards]
        try:
            await self._database.execute(request)
        except TooLargeError:
            raise TooManyError from None
        except RefusedRowsError as error:
            return error.failure.message or error.failure.kind.value
        return ""

    async def _untied(self, found: Together, message: str) -> bool:
        """Whether rows that were in the way of those found aren't any more."""
        helped = False
        for carried, rows in found.rows():
            uniques = uniques_of(carried.plan, carried.layout, message)
            try:
                knot = await self.untying.extended(found.knot(carried), rows, uniques)
            except TooManyError:
                continue
            if knot is not None:
                found.tie(knot)
                helped = True
        return helped

    async def _look_up_all(self, wanted: set[Wanted], found: Together) -> Groups:
        """Put the rows of `wanted` to those `found`; all that are new, by table."""
        return [
            (self._carried(table), await self._look_up(table, columns, keys, found))
            for (table, columns), keys in _by_table(wanted).items()
        ]

    async def _look_up(
        self, table: str, columns: tuple[str, ...], keys: Sequence[Key], found: Together
    ) -> list[Row]:
        carried = self._carried(table)
        layout = carried.layout
        rows: list[Row] = []
        for page in await self._looked_up(table, columns, keys):
            found.there |= self._wanted_in(page, table, columns)
            try:
                placed = self._placed(table, columns, page)
                chunks = pack_page(layout, placed, step=StepId(0), number=0, after=None)
            except BadRowsError as error:
                raise RefusedParentsError(error.what) from None
            found.add(carried, chunks)
            rows += [row for chunk in chunks for row in chunk_rows(layout, chunk)]
        return rows

    async def _looked_up(
        self, table: str, columns: tuple[str, ...], keys: Sequence[Key]
    ) -> list[Page]:
        plan = self._found_by(table, columns)
        pages: list[Page] = []
        for start in range(0, len(keys), LOOKUP_KEYS):
            pages += await self._source.lookup(plan, keys[start : start + LOOKUP_KEYS])
        return pages

    def _found_by(self, table: str, columns: tuple[str, ...]) -> TablePlan:
        plan = found_by(self.tables[table], columns)
        assert plan is not None, "nothing is asked about columns that the target hasn't got"
        return plan

    def _placed(self, table: str, columns: tuple[str, ...], page: Page) -> Page:
        plan = self.tables[table]
        return with_places(plan, page, known_by(plan, self.tables), columns, self._rejected)

    def _wanted_in(self, page: Page, table: str, columns: tuple[str, ...]) -> set[Wanted]:
        """The rows of a page, by the cells that others refer to."""
        by_target = {c.target: (n, c) for n, c in enumerate(self.tables[table].columns)}
        places = [by_target[name] for name in columns]
        keys = (tuple(key_text(c, str(row[n])) for n, c in places) for row in page.records)
        return {Wanted(table, columns, key) for key in keys}

    def _carried(self, table: str) -> Carried:
        """The table as its rows are sent ahead: whole, into the table itself."""
        plan = replace(self.tables[table], loading=Loading.DIRECT, deferred=())
        return Carried(plan, self._layout(plan, into_stage=False))

    def _layout(self, plan: TablePlan, *, into_stage: bool) -> Layout:
        return Layout.of(
            plan,
            StepKind.ROWS,
            Pack.JSON,
            into_stage=into_stage,
            engine=self._engine,
        )


def lacks_parents(error: RefusedRowsError) -> bool:
    """Whether D1 refused rows for want of others that they refer to."""
    return "FOREIGN KEY constraint failed" in error.failure.message


def parents_of(lacking: Lacking) -> set[Wanted]:
    """All parents that D1 hasn't got."""
    return {parent for _, some in lacking for parent in some.values()}


def _by_table(wanted: Iterable[Wanted]) -> dict[tuple[str, tuple[str, ...]], list[Key]]:
    groups: dict[tuple[str, tuple[str, ...]], list[Key]] = {}
    for parent in wanted:
        groups.setdefault((parent.parent, parent.columns), []).append(parent.key)
    return groups


def _requests(asked: Sequence[Question]) -> list[list[Question]]:
    """Questions, as many in one request as it may hold."""
    requests: list[list[Question]] = []
    size = 0
    for question in asked:
        more = question.statement.bytes
        full = requests and len(requests[-1]) == limits.BATCH_STATEMENTS
        if not requests or full or size + more > limits.BATCH_BYTES_START:
            requests.append([])
            size = 0
        requests[-1].append(question)
        size += more
    return requests
