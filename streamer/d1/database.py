"""The only way to D1: one call is one transaction, however often it has to be sent."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.d1 import api, failures
from streamer.d1.api import Complaint, DatabaseInfo, Reply
from streamer.d1.caller import Call, Caller
from streamer.d1.clock import Clock
from streamer.d1.failures import Failure, FailureKind, TooLargeError
from streamer.d1.observer import TargetObserver
from streamer.errors import InterruptedRunError
from streamer.model import Answer, Result, Statement
from streamer.model.target import TargetIdentity, TargetKind
from streamer.pack import BatchBytes

_ABSENT = frozenset({404, 405, 501})
_COSTLY = frozenset({FailureKind.TOO_SLOW, FailureKind.TIMEOUT})
_PING = api.Body((Statement("SELECT 1"),))


class D1Database:
    """One D1 database behind its REST API. It retries, paces and classifies by itself.

    `identity` says which one it is, `info` what the API told of it when it was opened. Whatever is
    given to it may be executed more than once, so it must be idempotent. Any number of tasks may
    use it at once.
    """

    def __init__(
        self,
        caller: Caller,
        account_id: str,
        info: DatabaseInfo,
        *,
        batch_bytes: BatchBytes,
        clock: Clock,
        observer: TargetObserver,
        identity: TargetIdentity | None = None,
    ) -> None:
        self.info = info
        self.identity = identity or TargetIdentity(TargetKind.D1, info.id, account_id, info.name)
        self._path = api.database_path(account_id, info.id)
        self._caller = caller
        self._batch_bytes = batch_bytes
        self._clock = clock
        self._observer = observer
        caller.where = str(self.identity)
        caller.ping = Call("POST", f"{self._path}/raw", _PING)

    @property
    def database_id(self) -> str:
        """The database's id, also where it was asked for by name."""
        return self.info.id

    @property
    def batch_bytes(self) -> int:
        """How many bytes a request body should have at most, now."""
        return self._batch_bytes.current

    @property
    def worth_a_try(self) -> int | None:
        """Request bodies above it are nearly what was too much for D1; None where nothing was yet."""
        return self._batch_bytes.worth_a_try

    def start_batches_at(self, body_bytes: int) -> None:
        """Begin with a size of request bodies that worked in an earlier process."""
        self._batch_bytes.start_at(body_bytes)

    @property
    def concurrency(self) -> int:
        """How many requests are useful at once, now."""
        return self._caller.concurrency

    @property
    def waited_s(self) -> float:
        """How long, in all, there was a request that might not be sent yet."""
        return self._caller.waited_s

    async def execute(self, statements: Sequence[Statement], *, can_be_cut: bool = False) -> Answer:
        """Run `statements` (at least one) in one transaction; returns when D1 said it is done.

        What `can_be_cut` isn't sent where D1 has refused nearly as much, be it while it waited.

        Raises:
            TargetError: D1 says no for good (token, database, full).
            TargetUnavailableError: D1 can't be reached or used for now.
            FencedError: another run has taken over the target.
            RefusedRowsError: a BadRowsError: a constraint, or a missing table.
            TooLargeError: the request must be cut; nothing is known of its outcome.
            AnswerTooLongError: a TargetError: it asks for more than is read of an answer.
        """
        if not statements:
            raise ValueError("nothing to execute")
        call = Call("POST", f"{self._path}/raw", api.Body(tuple(statements)))
        try:
            results, spent = await self._caller.call(
                call,
                lambda reply: self._results(reply, len(statements)),
                objection=(lambda: self._too_much(len(call.body))) if can_be_cut else None,
            )
        except TooLargeError as error:
            if not error.sent:
                raise
            if error.failure.status == 413 or error.failure.kind in _COSTLY:
                self._batch_bytes.was_too_much(len(call.body))
            raise
        self._batch_bytes.succeeded(len(call.body), spent.seconds)
        answer = Answer(
            results=results,
            attempts=spent.attempts,
            seconds=spent.seconds,
            rate_limited=spent.rate_limited,
            sent_bytes=spent.sent_bytes,
        )
        self._observer.answered(answer.seconds, answer.rows_written)
        return answer

    async def bookmark(self) -> str | None:
        """The Time Travel bookmark of this moment; None where the server knows no Time Travel."""

        def read(reply: Reply) -> str | Failure | None:
            if reply.status in _ABSENT:
                return None
            found = api.envelope(reply)
            return (
                failures.of_reply(reply, self._clock.wall())
                if found is None
                else (api.bookmark(found))
            )

        found, _ = await self._caller.call(Call("GET", f"{self._path}/time_travel/bookmark"), read)
        return found

    async def restore(self, bookmark: str) -> None:
        """Take the whole database back to `bookmark`, everything else in it included."""

        def read(reply: Reply) -> bool | Failure:
            done = api.envelope(reply) is not None
            return done or failures.of_reply(reply, self._clock.wall())

        await self._caller.call(Call("POST", api.restore_path(self._path, bookmark)), read)

    def stop_sending(self, why: InterruptedRunError) -> None:
        """Start no request any more; who would send one gets `why`. Those under way go on."""
        self._caller.stop_sending(why)

    async def quiet(self) -> None:
        """Return once no request is under way."""
        await self._caller.quiet()

    async def aclose(self) -> None:
        """Close the connections and write down what was sent."""
        await self._caller.aclose()

    def _too_much(self, body_bytes: int) -> TooLargeError | None:
        most = self._batch_bytes.worth_a_try
        if most is None or body_bytes <= most:
            return None
        what = f"{self.identity}: nearly as much as what was too much for one request"
        return TooLargeError(what, Failure(FailureKind.TOO_LARGE), sent=False)

    def _results(self, reply: Reply, count: int) -> tuple[Result, ...] | Failure:
        found = api.envelope(reply)
        if found is None:
            return failures.of_reply(reply, self._clock.wall())
        results = api.results(found, count)
        if isinstance(results, Complaint):
            return failures.of_complaint(results, reply.status)
        if results is None:
            return failures.malformed(reply, f"not one whole result for each of {count} statements")
        return results
