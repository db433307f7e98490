"""Sends one call until it succeeds or never will: paced, classified, sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import field
from typing import TypeVar

from streamer.d1 import failures
from streamer.d1.api import EMPTY, Body, Break, Reply
from streamer.d1.failures import Failure, FailureKind
from streamer.d1.observer import TargetObserver
from streamer.d1.pacer import DOWN, Objection, Pacer
from streamer.d1.policy import Again, AtOnce, History, PauseAll, decide, error_of
from streamer.d1.transport import Transport
from streamer.errors import InterruptedRunError
from streamer.frozen import frozen, slotted

_UNSENT = frozenset({FailureKind.UNREACHABLE, FailureKind.UNKNOWN_HOST})
PING_AFTER = 4
"""Failures of one call, while nothing else succeeds, after which a small one is sent: is it the
API that isn't well, or does it only not take this call?"""

T = TypeVar("T")


@frozen
class Call:
    """One HTTP request: `path` below the base URL, `body` empty for a GET."""

    method: str
    path: str
    body: Body = EMPTY


@frozen
class Spent:
    """What a call took: every try counts, `seconds` are those of the last one."""

    attempts: int
    rate_limited: int
    sent_bytes: int
    seconds: float


@slotted
class _Record:
    """One call's tries so far.

    `stuck` counts failures that came while the API took other calls, `unproven` those of which
    that isn't known; `alive` is the pacer's count of successes at the last failure.
    """

    alive: int
    attempts: int = 0
    stuck: int = 0
    unproven: int = 0
    kinds: Counter[FailureKind] = field(default_factory=Counter[FailureKind])


class Caller:
    """The one that talks to the API, for all of a process.

    `where` names the target in messages, `ping` is a cheap call that a healthy target answers;
    `random` gives numbers in [0, 1).
    """

    def __init__(
        self,
        transport: Transport,
        pacer: Pacer,
        *,
        random: Callable[[], float],
        observer: TargetObserver,
        where: str,
    ) -> None:
        self.where = where
        self.ping: Call | None = None
        self._transport = transport
        self._pacer = pacer
        self._random = random
        self._observer = observer

    @property
    def concurrency(self) -> int:
        """How many calls may be under way at once now."""
        return self._pacer.concurrency

    @property
    def waited_s(self) -> float:
        """How long, in all, there was a call that might not be sent yet."""
        return self._pacer.waited_s

    async def call(
        self,
        call: Call,
        read: Callable[[Reply], T | Failure],
        *,
        objection: Objection | None = None,
    ) -> tuple[T, Spent]:
        """Send `call` until `read` finds a value in the answer; may be sent any number of times.

        Each time its turn has come, `objection` may end it.

        Raises:
            StreamerError: the objection.
            TargetError: it will never succeed.
            TargetUnavailableError: it doesn't for now.
            FencedError: another run has taken over.
            RefusedRowsError: D1 refuses the statements for good.
            TooLargeError: it must be made smaller.
            InterruptedRunError: nothing may be sent any more.
        """
        record = _Record(self._pacer.successes)
        while True:
            value, seconds = await self._try(call, read, objection)
            record.attempts += 1
            if not isinstance(value, Failure):
                limited = record.kinds[FailureKind.RATE_LIMITED]
                sent = record.attempts * len(call.body)
                return value, Spent(record.attempts, limited, sent, seconds)
            await self._face(value, record, call)

    def stop_sending(self, why: InterruptedRunError) -> None:
        """Send nothing more: calls that would have to end with `why`."""
        self._pacer.shut(why)

    async def quiet(self) -> None:
        """Return once no request is under way."""
        await self._pacer.quiet()

    async def aclose(self) -> None:
        """Close the connections, then write down what was sent."""
        await self._transport.aclose()
        await self._pacer.aclose()

    async def _try(
        self,
        call: Call,
        read: Callable[[Reply], T | Failure],
        objection: Objection | None = None,
    ) -> tuple[T | Failure, float]:
        """Send once."""
        ticket = await self._pacer.admit(objection)
        try:
            self._observer.sent(len(call.body))
            outcome = await self._transport.send(call.method, call.path, call.body)
            value = failures.of_break(outcome) if isinstance(outcome, Break) else read(outcome)
        except BaseException:
            self._pacer.dropped(ticket)
            raise
        if isinstance(value, Failure):
            self._pacer.failed(ticket, value)
            return value, 0.0
        return value, self._pacer.succeeded(ticket, len(call.body))

    async def _face(self, failure: Failure, record: _Record, call: Call) -> None:
        """Wait as the failure asks for; raise where waiting is of no use."""
        record.kinds[failure.kind] += 1
        if failure.kind in DOWN and failure.kind not in _UNSENT:
            await self._prove(record)
        history = History(
            failures=record.attempts,
            of_kind=record.kinds[failure.kind],
            stuck=record.stuck,
            body_bytes=len(call.body),
        )
        match decide(failure, history, self._random()):
            case AtOnce():
                return
            case Again(wait_s):
                asked_s = min(failure.retry_after_s or 0.0, wait_s)
                wait_s = self._pacer.retry_wait(wait_s, asked_s)
                self._observer.retried(failure.kind, wait_s)
                await self._pacer.rest(wait_s)
            case PauseAll(seconds):
                self._observer.retried(failure.kind, seconds)
                self._pacer.pause(seconds, str(failure))
            case end:
                raise error_of(failure, end, where=self.where)

    async def _prove(self, record: _Record) -> None:
        """Find out whether the API takes other calls."""
        if self._pacer.successes > record.alive:
            record.stuck += 1
        else:
            record.unproven += 1
            if record.unproven >= PING_AFTER and self.ping is not None:
                answer, _ = await self._try(self.ping, _whether_taken)
                if answer is True:
                    record.stuck += record.unproven
                elif isinstance(answer, Failure):
                    self._heed(answer)
                record.unproven = 0
        record.alive = self._pacer.successes

    def _heed(self, failure: Failure) -> None:
        """Have nobody send for as long as the ping's failure says."""
        decision = decide(failure, History(failures=1, of_kind=1, stuck=0, body_bytes=0), 0.0)
        if isinstance(decision, PauseAll):
            self._pacer.pause(decision.seconds, str(failure))


def _whether_taken(reply: Reply) -> bool | Failure:
    return True if reply.status == 200 else failures.of_reply(reply, 0.0)
