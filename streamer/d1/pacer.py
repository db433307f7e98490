"""Who may send, and when: the one door that every request to D1 goes through.

In this order: nobody while the API asked for a pause; one at a time while it seems to be down; no
more at once than it takes well; no more in any window than is allowed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

from streamer.d1.clock import Clock
from streamer.d1.failures import Failure, FailureKind
from streamer.d1.leases import Held, Leases
from streamer.d1.observer import TargetObserver
from streamer.errors import InterruptedRunError, StreamerError, TargetUnavailableError
from streamer.frozen import slotted
from streamer.model import Rate
from streamer.pace import Concurrency, Gate, RetryBudget, Sample, SlidingWindow

CLOSE_AFTER = 3
"""Failures in a row, of all requests together, after which the API counts as down."""

SHORTEST_WAIT_S = 0.001

UNKNOWN_HOST_S = 60.0
"""How long a host is looked for of which nothing was ever heard: its name may be a mistyped one."""

_OVERLOAD = frozenset({FailureKind.OVERLOADED, FailureKind.UNKNOWN_OUTCOME, FailureKind.TOO_SLOW})
DOWN = frozenset(
    {
        FailureKind.UNREACHABLE,
        FailureKind.UNKNOWN_HOST,
        FailureKind.DISCONNECTED,
        FailureKind.TIMEOUT,
        FailureKind.SERVER_ERROR,
        FailureKind.UNKNOWN_OUTCOME,
        FailureKind.RESOLVE,
        FailureKind.BUSY_IMPORT,
        FailureKind.MALFORMED_ANSWER,
    }
)
"""Failures that say nothing of the request, only that the API isn't well."""

_NEUTRAL = frozenset({FailureKind.IDLE_CLOSED, FailureKind.RATE_LIMITED})


@slotted
class Ticket:
    """The right to send one request now; given back by exactly one of the pacer's three ends.

    `probe` is its number at the gate, 0 where that was open.
    """

    sent_at: float
    in_flight: int
    probe: int
    held: Held | None
    alone: bool


Objection = Callable[[], StreamerError | None]
"""Why a request isn't to be sent any more; None: it is."""


class Pacer:
    """Lets requests through and learns from how they end.

    `successes` counts those that the API answered, with whatever: it is alive. `waited_s` is how long there
    was somebody who might not send yet. Where it is a `stranger`, of which nothing was heard in an earlier
    start either, a host name that can't be resolved from the beginning on is soon given up.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        rate: Rate | None,
        concurrency: Concurrency,
        leases: Leases | None,
        observer: TargetObserver,
        give_up_after_s: float,
        stranger: bool = False,
    ) -> None:
        self._clock = clock
        self._window = SlidingWindow(rate.requests, rate.seconds) if rate else None
        self._concurrency = concurrency
        self._leases = leases
        self._observer = observer
        self._give_up_after_s = give_up_after_s
        self._stranger = stranger
        self._gate = Gate()
        self._budget = RetryBudget()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._shut = asyncio.Event()
        self._why_shut = ("", "")
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._tickets: dict[int, Ticket] = {}
        self._paused_until = -inf
        self._failing_since: float | None = None
        self._last_failure = ""
        self._strikes = 0
        self._told = 0
        self.successes = 0
        self.waited_s = 0.0

    @property
    def concurrency(self) -> int:
        """How many requests may be under way at once now."""
        return self._concurrency.level

    async def aclose(self) -> None:
        """Write down what was sent; the pacer is of no use afterwards."""
        if self._leases is not None:
            await self._leases.aclose()

    async def admit(self, objection: Objection | None = None) -> Ticket:
        """Wait for one's turn, and for leave to send at once.

        `objection` is asked when the turn has come, for what was learnt meanwhile.

        Raises:
            StreamerError: the objection.
            TargetUnavailableError: nothing has succeeded for too long.
            InterruptedRunError: nobody may send any more.
        """
        async with self._turn:
            while True:
                self._changed.clear()
                if self._shut.is_set():
                    what, hint = self._why_shut
                    raise InterruptedRunError(what, hint=hint)
                now = self._clock.monotonic()
                self._give_up(now)
                wait_s = self._next(now) - now
                if wait_s <= 0 and objection is not None and (error := objection()) is not None:
                    raise error
                if wait_s <= 0 and (self._leases is None or self._leases.ready()):
                    return self._start(now)
                if wait_s <= 0 and self._leases is not None:
                    wait_s = await self._leases.refill()
                if wait_s > 0:
                    await self._wait(wait_s)

    def shut(self, why: InterruptedRunError) -> None:
        """Let nobody send any more: `why` is what they are told. Requests under way go on."""
        self._why_shut = (why.what, why.hint)
        self._shut.set()
        self._changed.set()

    async def quiet(self) -> None:
        """Return once no request is under way."""
        await self._quiet.wait()

    async def rest(self, seconds: float) -> None:
        """Wait for `seconds`, or until nobody may send any more, or patience is at its end."""
        if self._failing_since is not None:
            end = self._failing_since + self._give_up_after_s
            seconds = min(seconds, max(0.0, end - self._clock.monotonic()) + SHORTEST_WAIT_S)
        if not self._shut.is_set():
            await self._first_of(self._shut, seconds)

    def succeeded(self, ticket: Ticket, body_bytes: int) -> float:
        """A request was answered well; returns the seconds it took."""
        now = self._end(ticket)
        seconds = now - ticket.sent_at
        self._budget.deposit()
        self._alive()
        self._concurrency.succeeded(
            Sample(ticket.sent_at, seconds, body_bytes, ticket.in_flight, ticket.alone)
        )
        return seconds

    def failed(self, ticket: Ticket, failure: Failure) -> None:
        """A request failed; what that means for all the others."""
        now = self._end(ticket)
        self._stranger &= failure.kind is FailureKind.UNKNOWN_HOST
        if failure.kind in _OVERLOAD:
            self._concurrency.overloaded(ticket.sent_at, now)
        if failure.kind in _NEUTRAL:
            self._gate.withdraw(now, ticket.probe)
        elif failure.kind in DOWN or failure.kind is FailureKind.OVERLOADED:
            self._struck(ticket, failure, now)
        else:
            self._alive()
            return
        if self._failing_since is None:
            self._failing_since = now
        self._last_failure = str(failure)

    def dropped(self, ticket: Ticket) -> None:
        """A request was abandoned; it may have been sent."""
        now = self._end(ticket)
        self._gate.withdraw(now, ticket.probe)

    def pause(self, seconds: float, why: str) -> None:
        """Nobody sends for `seconds` from now."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)
        self._observer.paused(seconds, why)
        self._changed.set()

    def retry_wait(self, wait_s: float, asked_s: float) -> float:
        """Take a retry from the budget: the seconds to wait before it.

        An empty budget closes the gate; behind a closed gate there is no other wait than the one
        that the server asked for (`asked_s`).
        """
        if not self._budget.withdraw():
            self._gate.close(self._clock.monotonic())
        return wait_s if self._gate.is_open else asked_s

    def _next(self, now: float) -> float:
        """The earliest time at which one may start; infinity: when something ends."""
        if self._concurrency.level != self._told:
            self._told = self._concurrency.level
            self._observer.concurrency(self._told)
        if len(self._tickets) >= self._concurrency.limit(now):
            return inf
        at = max(now, self._paused_until, self._gate.next_pass(now))
        if self._window is not None:
            at = max(at, self._window.next_allowed(now))
        return at

    def _start(self, now: float) -> Ticket:
        for other in self._tickets.values():
            other.alone = False
        ticket = Ticket(
            sent_at=now,
            in_flight=len(self._tickets) + 1,
            probe=self._gate.enter(now),
            held=self._leases.take() if self._leases else None,
            alone=not self._tickets,
        )
        self._tickets[id(ticket)] = ticket
        self._quiet.clear()
        if self._window is not None:
            self._window.begin()
        return ticket

    def _end(self, ticket: Ticket) -> float:
        now = self._clock.monotonic()
        del self._tickets[id(ticket)]
        if not self._tickets:
            self._quiet.set()
        if self._window is not None:
            self._window.settle(now)
        if self._leases is not None and ticket.held is not None:
            self._leases.settle(ticket.held, now)
        self._changed.set()
        return now

    def _alive(self) -> None:
        self.successes += 1
        self._stranger = False
        self._strikes = 0
        self._failing_since = None
        if not self._gate.is_open:
            self._budget.refill()
        self._gate.succeed()

    def _struck(self, ticket: Ticket, failure: Failure, now: float) -> None:
        self._strikes += 1
        if not self._gate.fail(now, ticket.probe):
            if not self._gate.is_open or self._strikes < CLOSE_AFTER or failure.kind not in DOWN:
                return
            self._gate.close(now)
        self._observer.paused(self._gate.delay_s, str(failure))

    def _give_up(self, now: float) -> None:
        since = now if self._failing_since is None else self._failing_since
        failing_s = max(now, self._paused_until) - since
        if self._stranger and failing_s > UNKNOWN_HOST_S:
            raise TargetUnavailableError(
                f"D1 couldn't be found for {failing_s:,.0f} s: {self._last_failure}",
                hint="Check CLOUDFLARE_API_BASE_URL and STREAMER_PROXY, if they are set, and this"
                " machine's name resolution; then run again",
            )
        if failing_s > self._give_up_after_s:
            raise TargetUnavailableError(
                f"D1 has taken nothing for {now - since:,.0f} s: {self._last_failure}",
                hint="Run again with --resume when it is back; --give-up-after sets the patience",
            )

    async def _wait(self, seconds: float) -> None:
        """Until something changes, but no longer than `seconds`."""
        began = self._clock.monotonic()
        if seconds == inf:
            await self._changed.wait()
        else:
            await self._first_of(self._changed, max(seconds, SHORTEST_WAIT_S))
        self.waited_s += self._clock.monotonic() - began

    async def _first_of(self, event: asyncio.Event, seconds: float) -> None:
        happened = asyncio.ensure_future(event.wait())
        slept = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((happened, slept), return_when=asyncio.FIRST_COMPLETED)
        finally:
            happened.cancel()
            slept.cancel()
            await asyncio.gather(happened, slept, return_exceptions=True)
