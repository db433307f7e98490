"""Rows that others refer to, fetched from the source and sent ahead of them.

A parent may have parents of its own that D1 hasn't got. All of them travel in one request, in which
foreign keys are looked at last: so their order doesn't matter, nor whether they refer in circles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from streamer import limits
from streamer.d1 import RefusedRowsError, TooLargeError
from streamer.errors import BadRowsError
from streamer.model import (
    Answer,
    Chunk,
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
from streamer.sinks.ownership import Database, Ownership
from streamer.sinks.references import (
    Carried,
    Cells,
    Question,
    Row,
    Wanted,
    key_text,
    keyed_by,
    questions,
)

GENERATIONS = 200  # of parents' parents
LOOKUP_KEYS = 500

Lacking = list[tuple[Question, dict[Cells, Wanted]]]
"""Questions with their answers: which cells have no parent in D1, and which parent that is."""


class Source(Protocol):
    """Finds rows by key."""

    async def lookup(self, plan: TablePlan, keys: Sequence[Key]) -> list[Page]:
        """The rows that have these keys, in `plan`'s columns; keys that nothing has are left out."""
        ...


Untie = Callable[[Carried, Sequence[Row], str, int], Awaitable[object]]
"""Has rows of the target let go of UNIQUE values that these have; something where that helped."""

Expect = Callable[[Mapping[str, int], frozenset[int]], Awaitable[None]]
"""Writes down, before they are sent, how many more rows may come to tables (target names), and the
snapshots that they were read in."""


class TooManyError(Exception):
    """More rows than one request takes."""


class RefusedParentsError(Exception):
    """D1 takes none of the rows that were to be sent ahead, since it refuses one; the text says why."""


@dataclass(slots=True)
class _Found:
    """Rows to send, by table (target name); `most_bytes` is what a request should take.

    `noted` is how many of them are written down. `there` are those of the wanted rows that the source
    has.
    """

    most_bytes: int
    there: set[Wanted] = field(default_factory=set[Wanted])
    chunks: dict[str, list[Chunk]] = field(default_factory=dict[str, list[Chunk]])
    noted: Counter[str] = field(default_factory=Counter[str])

    @property
    def all(self) -> list[Chunk]:
        return [chunk for some in self.chunks.values() for chunk in some]

    @property
    def statements(self) -> list[Statement]:
        return [statement for chunk in self.all for statement in chunk.statements]

    def note(self) -> Counter[str]:
        """The number of rows that are written down from now on and weren't before."""
        rows = Counter({t: sum(chunk.rows for chunk in some) for t, some in self.chunks.items()})
        more = rows - self.noted
        self.noted = rows
        return more

    def add(self, table: str, chunks: Sequence[Chunk]) -> None:
        """Take more rows.

        Raises:
            TooManyError: they don't fit in one request.

        """
        self.chunks.setdefault(table, []).extend(chunks)
        statements = len(self.statements)
        size = sum(chunk.bytes for chunk in self.all)
        others = 1 + len(self.chunks)  # the deferral, and a guard for each table
        if statements + others > limits.BATCH_STATEMENTS:
            raise TooManyError
        if size > self.most_bytes and statements > 1:
            raise TooManyError


class Ahead:
    """Fetches rows of `tables`, which are all of the run, and sends them ahead of their time."""

    def __init__(
        self,
        database: Database,
        ownership: Ownership,
        *,
        tables: Sequence[TablePlan],
        source: Source,
        expect: Expect,
        engine: Engine,
        untie: Untie | None = None,
    ) -> None:
        self._database = database
        self._ownership = ownership
        self.tables = {table.target: table for table in tables}
        self._source = source
        self._expect = expect
        self._engine = engine
        self._untie = untie

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
            plan = keyed_by(self.tables[table], columns)
            assert plan is not None, "no question is asked of such a table"
            layout = self._layout(self.tables[table], into_stage=True)
            guard = self._ownership.guard(LedgerStep(table, StepKind.ROWS))
            for start in range(0, len(keys), LOOKUP_KEYS):
                for page in await self._source.lookup(plan, keys[start : start + LOOKUP_KEYS]):
                    await self._expect({table: len(page.records)}, frozenset({page.snapshot}))
                    for chunk in pack_page(layout, page, step=StepId(0), number=0, after=None):
                        await self._database.execute([*chunk.statements, guard])

    def fetches(self, wanted: Wanted) -> bool:
        """Whether such a row can be looked up and sent: not where its place is all that it is by."""
        return keyed_by(self.tables[wanted.parent], wanted.columns) is not None

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
                found = _Found(limits.MEMORY_BYTES)
                rows.append(
                    (self._carried(table), await self._look_up(table, columns, keys, found))
                )
            lacking = parents_of(await self.lacking(rows)) - seen
            further = {parent for parent in lacking if self.fetches(parent)}
            if not further:
                return generations
            seen |= further
            generations.append(further)
        raise TooManyError

    async def _send_at_once(self, wanted: set[Wanted], most_bytes: int) -> set[Wanted] | None:
        """Send them with all that they refer to, in one request."""
        found = _Found(most_bytes)
        groups = await self._look_up_all(wanted, found)
        there = found.there & wanted
        if not found.statements or await self._sent(found):
            return there
        seen = set(wanted)
        for _ in range(GENERATIONS):
            lacking = parents_of(await self.lacking(groups)) - seen
            wanted = {parent for parent in lacking if self.fetches(parent)}
            if not wanted:
                return there if await self._sent(found) else None
            seen |= wanted
            groups = await self._look_up_all(wanted, found)
        raise TooManyError

    async def _sent(self, found: _Found) -> bool:
        """Send rows in one request; False where D1 lacks what they refer to.

        It is written down before that they may come.
        """
        await self._expect(found.note(), frozenset(chunk.snapshot for chunk in found.all))
        guards = [self._ownership.guard(LedgerStep(table, StepKind.ROWS)) for table in found.chunks]
        statements = [Statement("PRAGMA defer_foreign_keys=on"), *found.statements, *guards]
        refused = await self._tried(statements)
        if "UNIQUE constraint failed" in refused and await self._untied(found, refused):
            refused = await self._tried(statements)
        if refused and "FOREIGN KEY constraint failed" not in refused:
            raise RefusedParentsError(refused)
        return not refused

    async def _tried(self, statements: Sequence[Statement]) -> str:
        """Send one request; '', or why D1 refused it."""
        try:
            await self._database.execute(statements)
        except TooLargeError:
            raise TooManyError from None
        except RefusedRowsError as error:
            return error.failure.message or error.failure.kind.value
        return ""

    async def _untied(self, found: _Found, message: str) -> bool:
        """Whether rows that were in the way of those found aren't any more."""
        helped = False
        for table, chunks in found.chunks.items():
            carried = self._carried(table)
            rows = [row for chunk in chunks for row in chunk_rows(carried.layout, chunk)]
            if self._untie is not None:
                untied = await self._untie(carried, rows, message, found.most_bytes)
                helped = helped or untied is not None
        return helped

    async def _look_up_all(
        self, wanted: set[Wanted], found: _Found
    ) -> list[tuple[Carried, list[Row]]]:
        """Put the rows of `wanted` to those `found`; all that are new, by table."""
        return [
            (self._carried(table), await self._look_up(table, columns, keys, found))
            for (table, columns), keys in _by_table(wanted).items()
        ]

    async def _look_up(
        self, table: str, columns: tuple[str, ...], keys: Sequence[Key], found: _Found
    ) -> list[Row]:
        layout = self._carried(table).layout
        rows: list[Row] = []
        for page in await self._looked_up(table, columns, keys):
            found.there |= self._wanted_in(page, table, columns)
            try:
                chunks = pack_page(layout, page, step=StepId(0), number=0, after=None)
            except BadRowsError as error:
                raise RefusedParentsError(error.what) from None
            found.add(table, chunks)
            rows += [row for chunk in chunks for row in chunk_rows(layout, chunk)]
        return rows

    async def _looked_up(
        self, table: str, columns: tuple[str, ...], keys: Sequence[Key]
    ) -> list[Page]:
        plan = keyed_by(self.tables[table], columns)
        assert plan is not None, "such rows aren't fetched"
        pages: list[Page] = []
        for start in range(0, len(keys), LOOKUP_KEYS):
            pages += await self._source.lookup(plan, keys[start : start + LOOKUP_KEYS])
        return pages

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
        more = len(question.statement.params)
        full = requests and len(requests[-1]) == limits.BATCH_STATEMENTS
        if not requests or full or size + more > limits.BATCH_BYTES_START:
            requests.append([])
            size = 0
        requests[-1].append(question)
        size += more
    return requests
