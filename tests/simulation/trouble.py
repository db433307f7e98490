"""What goes wrong, when: drawn from the seed as it is asked for, and less so as time goes on."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass, field
from enum import StrEnum

import asyncpg


@dataclass(frozen=True, slots=True)
class Came:
    """What becomes of a statement to PostgreSQL: it takes `seconds`, hangs, or fails."""

    seconds: float = 0.0
    error: BaseException | None = None
    hangs: bool = False


class Fate(StrEnum):
    """What becomes of a request to D1."""

    FINE = "fine"
    SLOW = "slow"
    REFUSED = "connection refused"
    NAMELESS = "the host's name isn't known"
    RESET_BEFORE = "reset before it was executed"
    RESET_AFTER = "executed, then reset"
    LOST_ANSWER = "executed, then no answer in time"
    ZOMBIE = "no answer in time, executed later"
    SERVER_ERROR = "503 before it was executed"
    SERVER_ERROR_AFTER = "500 after it was executed"
    OVERLOADED = "overloaded"
    LIMITED = "rate limited by what others sent"
    OBJECT_RESET = "the object was reset"
    OBJECT_RESET_AFTER = "the object was reset after the commit"
    NONSENSE = "an answer that is no answer"
    FEW_RESULTS = "an answer with too few results"
    TOO_SLOW = "too much work"
    IMPORT = "an import is running"


FAILURES = tuple(fate for fate in Fate if fate is not Fate.FINE)


@dataclass(frozen=True, slots=True)
class Rates:
    """How often things go wrong: probabilities of a request, a statement, a connection.

    From `quiet_at` on (virtual seconds) nothing does. In an outage, begun with probability `outage`
    a request, nothing of D1 answers for up to `outage_s`.
    """

    request: float = 0.0
    statement: float = 0.0
    connect: float = 0.0
    restart: float = 0.0
    outage: float = 0.0
    outage_s: float = 900.0
    quota: float = 0.0
    quiet_at: float = 20_000.0
    fates: tuple[Fate, ...] = field(default=FAILURES, repr=False)


class SourceTrouble:
    """PostgreSQL's."""

    def __init__(self, dice: random.Random, rates: Rates, latency_s: float) -> None:
        self._dice = dice
        self._rates = rates
        self._latency_s = latency_s
        self.restart: float | None = None

    def of_statement(self, now: float, *, scans: bool = False) -> Came:
        """What becomes of a statement; one that `scans` a whole table is never cancelled.

        That would be for a setting that is too short for it, which waiting doesn't mend.
        """
        seconds = self._latency_s * self._dice.random()
        if now >= self._rates.quiet_at:
            return Came(seconds)
        if self._dice.random() < self._rates.restart:
            self.restart = now + self._dice.choice([0.5, 5.0, 60.0])
        if self._dice.random() >= self._rates.statement:
            return Came(seconds)
        if self._dice.random() < 0.1:
            return Came(hangs=True)
        error = self._dice.choice(_SOURCE_ERRORS)()
        if scans and isinstance(error, asyncpg.exceptions.QueryCanceledError):
            return Came(seconds)
        return Came(seconds, error)

    def of_connecting(self, now: float) -> Came:
        seconds = self._latency_s * self._dice.random()
        if now >= self._rates.quiet_at or self._dice.random() >= self._rates.connect:
            return Came(seconds)
        return Came(seconds, self._dice.choice(_CONNECT_ERRORS)())


_SOURCE_ERRORS = (
    lambda: ConnectionResetError(104, "reset"),
    lambda: asyncpg.exceptions.ConnectionDoesNotExistError("closed in the middle of operation"),
    lambda: asyncpg.exceptions.AdminShutdownError("terminating connection"),
    lambda: asyncpg.exceptions.QueryCanceledError("canceling statement due to timeout"),
    lambda: asyncpg.exceptions.DeadlockDetectedError("deadlock"),
    lambda: asyncpg.exceptions.SerializationError("conflict with recovery"),
)
_CONNECT_ERRORS = (
    lambda: ConnectionRefusedError(111, "Connect call failed"),
    lambda: socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    lambda: asyncpg.exceptions.TooManyConnectionsError("sorry, too many clients"),
    lambda: asyncpg.exceptions.CannotConnectNowError("starting up"),
    TimeoutError,
)


class TargetTrouble:
    """D1's, and that of the network on the way."""

    def __init__(self, dice: random.Random, rates: Rates) -> None:
        self.dice = dice
        self._rates = rates
        self.down_until = -1.0
        self.used_up_until = -1.0
        self._down_as = Fate.SERVER_ERROR

    def of_request(self, now: float) -> Fate:
        if now < self.down_until:
            return self._down_as
        if now >= self._rates.quiet_at:
            return Fate.FINE
        if self.dice.random() < self._rates.outage:
            self.down_until = now + self.dice.random() * self._rates.outage_s
            self._down_as = self.dice.choice(
                [
                    Fate.SERVER_ERROR,
                    Fate.REFUSED,
                    Fate.NAMELESS,
                    Fate.LOST_ANSWER,
                    Fate.RESET_BEFORE,
                    Fate.RESET_AFTER,
                ]
            )
            return self._down_as
        if self.dice.random() < self._rates.quota:
            self.used_up_until = now + self.dice.random() * 7_200.0
        if self.dice.random() >= self._rates.request:
            return Fate.FINE
        return self.dice.choice(self._rates.fates)
