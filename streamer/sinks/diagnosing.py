"""Finds the rows of a refused batch that D1 will never take.

D1 names a constraint, but not the row that broke it. One request for each two megabytes stores
whatever breaks nothing and asks what isn't there; only what fails in another way (a foreign key,
a CHECK that raises an error) is cut in two again and again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import orjson

from streamer import limits
from streamer.d1 import FailureKind, RefusedRowsError, TooLargeError
from streamer.errors import BadRowsError
from streamer.frozen import frozen
from streamer.model import Answer, Batch, Chunk, Statement, StepId
from streamer.pack import LedgerStep, blame, is_fat, not_stored, nulls, numbers_of, store_what_fits
from streamer.pack.unpack import statement_rows
from streamer.sinks.ahead import lacks_parents
from streamer.sinks.around import AroundSink, Sink
from streamer.sinks.bad_rows import OTHER, BadRow, FoundBadRowsError, reason_of, whole_rows
from streamer.sinks.moved import TOO_MANY, TooManyMovedError
from streamer.sinks.ownership import Database, Ownership
from streamer.sinks.references import Carried, Row
from streamer.sinks.refresh import TooManyError

ROUNDS = 8  # constraints of one table that bad rows of a batch are told apart by
PASSES = 8  # over rows that wait for what others of their batch hold
COPIES = 3  # of its rows that a diagnosing request holds


@frozen
class _Suspect:
    """Rows of one chunk that travel together: those of a JSON parameter, or a fat one alone."""

    carried: Carried
    chunk: Chunk
    rows: tuple[Row, ...]
    fat: Statement | None = None

    @property
    def statements(self) -> list[Statement]:
        """What stores those that fit, then asks for the others."""
        if self.fat is not None:
            return [self.fat]
        layout = self.carried.layout
        return [*store_what_fits(layout, self.rows), not_stored(layout, self.rows)]

    @property
    def upsert(self) -> Statement:
        """What stores all or none of them."""
        text = orjson.dumps(self.rows).decode()
        return self.fat or Statement.of(self.carried.layout.json_sql, text)

    @property
    def bytes(self) -> int:
        return self.chunk.bytes * (1 if self.fat is not None else COPIES)

    def some(self, rows: Sequence[Row]) -> _Suspect:
        return replace(self, rows=tuple(rows))

    def bad(self, row: Row, reason: str) -> BadRow:
        if self.fat is not None:
            layout = self.carried.layout
            (row,) = whole_rows(layout, replace(self.chunk, statements=(self.fat,)))
        return BadRow(self.carried, self.chunk.step, self.chunk.number, row, reason)


class Diagnosing(AroundSink[Sink]):
    """A sink around another that says which rows of a batch are bad, when there are any.

    `steps` are those whose rows come. `settle` sends what a batch refers to, or finds what refers to
    nothing: both must be before its own rows can be tried.
    """

    def __init__(
        self,
        sink: Sink,
        database: Database,
        ownership: Ownership,
        steps: Mapping[StepId, tuple[Carried, LedgerStep]],
        *,
        settle: Callable[[Batch], Awaitable[Batch]],
    ) -> None:
        super().__init__(sink)
        self._database = database
        self._ownership = ownership
        self._steps = steps
        self._settle = settle

    async def write(self, batch: Batch) -> Answer:
        """Write `batch`.

        Raises:
            FoundBadRowsError: D1 will never take some of its rows; others may be written.
            BadRowsError: it refuses the batch for another reason than its rows.

        """
        try:
            return await self._sink.write(batch)
        except FoundBadRowsError:
            raise
        except BadRowsError as error:
            if isinstance(error, RefusedRowsError) and error.failure.kind is FailureKind.SCHEMA:
                raise
            refused = error
        if not _lacks(refused) and any(self._refers(chunk) for chunk in batch.chunks):
            with contextlib.suppress(TooManyError):
                batch = await self._settle(batch)
        found = await self._bad_rows(batch)
        if found and isinstance(refused, TooManyMovedError):
            bad = [_too_many(row) for row in _surest(found)]
            raise FoundBadRowsError(batch, bad, hint=refused.hint)
        if found:
            raise FoundBadRowsError(batch, _surest(found))
        # Nothing is bad now: what was in the way has gone meanwhile.
        try:
            return await self._sink.write(batch)
        except FoundBadRowsError:
            raise
        except BadRowsError:
            raise refused from None

    def _refers(self, chunk: Chunk) -> bool:
        return bool(self._steps[chunk.step][0].plan.foreign_keys)

    async def _bad_rows(self, batch: Batch) -> list[BadRow]:
        found: list[BadRow] = []
        for together in _requests(list(self._suspects(batch))):
            found += await self._among(together)
        return found

    def _suspects(self, batch: Batch) -> Iterator[_Suspect]:
        for chunk in batch.chunks:
            carried, _ = self._steps[chunk.step]
            layout = carried.layout
            rows: list[Row] = []
            for statement in chunk.statements:
                some = statement_rows(layout, statement)
                if is_fat(layout, statement):
                    yield _Suspect(carried, chunk, tuple(some), fat=statement)
                else:
                    rows += some
            if rows:
                yield _Suspect(carried, chunk, tuple(rows))

    async def _among(self, suspects: Sequence[_Suspect]) -> list[BadRow]:
        """The bad rows of suspects that share a request."""
        statements = [s for suspect in suspects for s in suspect.statements]
        try:
            answer = await self._execute(suspects, statements)
        except (RefusedRowsError, TooLargeError) as error:
            if error.failure.kind is FailureKind.SCHEMA:
                raise
            if len(suspects) > 1:
                middle = len(suspects) // 2
                first = await self._among(suspects[:middle])
                return first + await self._among(suspects[middle:])
            return await self._bisected(suspects[0])
        found: list[BadRow] = []
        at = 0
        for suspect in suspects:
            at += len(suspect.statements)
            if suspect.fat is None:
                bad = numbers_of(answer.results[at - 1], len(suspect.rows))
                left = await self._unfit(suspect.some([suspect.rows[n] for n in bad]))
                found += await self._explained(left) if left.rows else []
        return found

    async def _unfit(self, suspect: _Suspect) -> _Suspect:
        """Those of the rows that don't fit even now that others have let go of what was theirs.

        Where each lets go of what one other waits for, that isn't followed to its end.
        """
        for _ in range(PASSES):
            if len(suspect.rows) < 2:
                break
            try:
                answer = await self._execute([suspect], suspect.statements)
            except (RefusedRowsError, TooLargeError):
                return suspect
            bad = numbers_of(answer.results[len(suspect.statements) - 1], len(suspect.rows))
            if len(bad) == len(suspect.rows):
                return suspect
            suspect = suspect.some([suspect.rows[n] for n in bad])
        return suspect

    async def _execute(
        self, suspects: Sequence[_Suspect], statements: Sequence[Statement]
    ) -> Answer:
        steps = {self._steps[suspect.chunk.step][1] for suspect in suspects}
        guards = [self._ownership.guard(step) for step in steps]
        return await self._database.execute([*statements, *guards])

    async def _bisected(self, suspect: _Suspect) -> list[BadRow]:
        """The bad rows among those that can only be tried for real."""
        try:
            await self._execute([suspect], [suspect.upsert])
        except (RefusedRowsError, TooLargeError) as error:
            if len(suspect.rows) == 1:
                return [suspect.bad(suspect.rows[0], reason_of(error))]
        else:
            return []
        middle = len(suspect.rows) // 2
        first = await self._bisected(suspect.some(suspect.rows[:middle]))
        return first + await self._bisected(suspect.some(suspect.rows[middle:]))

    async def _explained(self, suspect: _Suspect) -> list[BadRow]:
        """Bad rows with D1's reasons, in the order of the rows; those that it takes after all left out.

        It names one constraint at a time, that of the first row.
        """
        reasons: dict[int, str] = {}
        for _ in range(ROUNDS):
            left = [n for n in range(len(suspect.rows)) if n not in reasons]
            if not left:
                break
            some = suspect.some([suspect.rows[n] for n in left])
            try:
                await self._execute([some], [some.upsert])
            except (RefusedRowsError, TooLargeError) as error:
                reason = reason_of(error)
                alike = await self._broken_by(some, reason)
                reasons |= {left[n]: reason for n in {0, *alike}}
            else:
                return [
                    suspect.bad(suspect.rows[n], reason) for n, reason in sorted(reasons.items())
                ]
        return [suspect.bad(row, reasons.get(n, OTHER)) for n, row in enumerate(suspect.rows)]

    async def _broken_by(self, suspect: _Suspect, message: str) -> list[int]:
        """Which rows break the constraint that `message` names, as far as that can be told."""
        layout = suspect.carried.layout
        found = nulls(layout, suspect.rows, message)
        question = blame(suspect.carried.plan, layout, suspect.rows, message)
        if question is not None:
            try:
                answer = await self._database.execute([question])
                found += numbers_of(answer.results[0], len(suspect.rows))
            except (RefusedRowsError, TooLargeError):
                return found
        return found


def _surest(found: Sequence[BadRow]) -> Sequence[BadRow]:
    """Those that are bad for sure: a UNIQUE that failed may be mended once the others are out."""
    known = [row for row in found if row.reason != OTHER]
    sure = [row for row in known if "UNIQUE constraint failed" not in row.reason]
    return sure or known or found


def _too_many(row: BadRow) -> BadRow:
    unique = "UNIQUE constraint failed" in row.reason
    return replace(row, reason=f"{row.reason}: {TOO_MANY}") if unique else row


def _lacks(error: BadRowsError) -> bool:
    return isinstance(error, RefusedRowsError) and lacks_parents(error)


def _requests(suspects: Sequence[_Suspect]) -> list[list[_Suspect]]:
    """Suspects, as many in one request as it should hold."""
    requests: list[list[_Suspect]] = []
    size = statements = 0
    for suspect in suspects:
        more = len(suspect.statements) + 1  # and a guard
        full = size + suspect.bytes > limits.BATCH_BYTES_MAX
        if not requests or full or statements + more > limits.BATCH_STATEMENTS:
            requests.append([])
            size = statements = 0
        requests[-1].append(suspect)
        size += suspect.bytes
        statements += more
    return requests
