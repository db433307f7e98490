"""What to do about a failure: wait, pause everybody, cut the batch, or stop, and with which words."""

from __future__ import annotations

from collections.abc import Callable

from streamer.d1.failures import (
    AnswerTooLongError,
    Failure,
    FailureKind,
    RefusedRowsError,
    TooLargeError,
)
from streamer.errors import FencedError, StreamerError, TargetError, TargetUnavailableError
from streamer.frozen import frozen
from streamer.limits import API_WINDOW_S
from streamer.pace import full_jitter

FEW = 5
"""Tries for what nobody has seen before, and for answers that make no sense."""

STUCK_SPLIT = 4
STUCK_STOP = 16
SMALL_BYTES = 64_000
SHORTEST_PAUSE_S = 1.0
LONGEST_ASKED_S = API_WINDOW_S
"""So long a single request waits as the server asked; then whether it is well again is looked at."""
IDLE_RETRIES = 3


@frozen
class History:
    """A request's failures so far, the one in question included.

    `of_kind` counts those of its kind; `stuck` those that came while the API took other requests.
    """

    failures: int
    of_kind: int
    stuck: int
    body_bytes: int


@frozen
class Again:
    """Send it again after `wait_s`."""

    wait_s: float


@frozen
class AtOnce:
    """Send it again without waiting; it is no failure that counts."""


@frozen
class PauseAll:
    """Nobody sends for `seconds`, then again."""

    seconds: float


@frozen
class Split:
    """Never again as it is: the caller must make it smaller."""


@frozen
class Stop:
    """It makes no sense to send it again."""


Decision = Again | AtOnce | PauseAll | Split | Stop


def decide(failure: Failure, history: History, random: float) -> Decision:
    """What to do; `random` is uniform in [0, 1)."""
    rule = _RULES.get(failure.kind)
    return rule(failure, history, random) if rule else Stop()


def error_of(failure: Failure, decision: Split | Stop, *, where: str) -> StreamerError:
    """The error that ends the request; `where` names the database."""
    if isinstance(decision, Split):
        return TooLargeError(f"{where}: too much for one request: {failure}", failure)
    if failure.kind in {FailureKind.CONSTRAINT, FailureKind.SCHEMA}:
        return RefusedRowsError(f"{where}: {failure.message}", failure)
    ending, what, hint = _ENDINGS.get(failure.kind, _STUCK)
    return ending(f"{where}: {what}: {failure}", hint=hint)


def _later(failure: Failure, history: History, random: float) -> Decision:
    wait_s = full_jitter(history.failures, random)
    asked_s = min(failure.retry_after_s or 0.0, LONGEST_ASKED_S)
    return Again(max(wait_s, asked_s))


def _pause(failure: Failure, _history: History, _random: float) -> Decision:
    asked = API_WINDOW_S if failure.retry_after_s is None else failure.retry_after_s
    return PauseAll(max(SHORTEST_PAUSE_S, asked))


def _at_once(failure: Failure, history: History, random: float) -> Decision:
    if history.of_kind <= IDLE_RETRIES:
        return AtOnce()
    return _unless_stuck(failure, history, random)


def _unless_stuck(failure: Failure, history: History, random: float) -> Decision:
    """Wait, unless the API is well and it is this request that it can't take."""
    if history.stuck >= STUCK_SPLIT and history.body_bytes > SMALL_BYTES:
        return Split()
    if history.stuck >= STUCK_STOP:
        return Stop()
    return _later(failure, history, random)


def _few_times(failure: Failure, history: History, random: float) -> Decision:
    return _later(failure, history, random) if history.of_kind < FEW else Stop()


def _smaller(failure: Failure, history: History, random: float) -> Decision:
    if history.body_bytes > SMALL_BYTES or history.of_kind >= FEW:
        return Split()
    return _later(failure, history, random)


def _split(_failure: Failure, _history: History, _random: float) -> Decision:
    return Split()


# What isn't here can't be mended by sending it again.
_RULES: dict[FailureKind, Callable[[Failure, History, float], Decision]] = {
    FailureKind.RATE_LIMITED: _pause,
    FailureKind.IDLE_CLOSED: _at_once,
    FailureKind.OVERLOADED: _later,
    FailureKind.UNREACHABLE: _later,
    FailureKind.UNKNOWN_HOST: _later,
    FailureKind.RESOLVE: _later,
    FailureKind.BUSY_IMPORT: _later,
    FailureKind.DISCONNECTED: _unless_stuck,
    FailureKind.TIMEOUT: _unless_stuck,
    FailureKind.SERVER_ERROR: _unless_stuck,
    FailureKind.UNKNOWN_OUTCOME: _unless_stuck,
    FailureKind.UNRECOGNISED: _few_times,
    FailureKind.MALFORMED_ANSWER: _few_times,
    FailureKind.TOO_SLOW: _smaller,
    FailureKind.TOO_LARGE: _split,
}
_STUCK: tuple[type[StreamerError], str, str] = (
    TargetUnavailableError,
    "one request fails again and again while others succeed",
    "Run again with --resume; if it stays, lower --batch-bytes",
)
_ENDINGS: dict[FailureKind, tuple[type[StreamerError], str, str]] = {
    FailureKind.QUOTA: (
        TargetUnavailableError,
        "the daily quota of the free plan is used up",
        "It continues after 00:00 UTC: run again with --resume then, or move to the paid plan",
    ),
    FailureKind.FULL: (
        TargetError,
        "the database, or the account's storage, is full",
        "Delete data, or move fewer tables; a D1 database can't grow beyond its limit",
    ),
    FailureKind.FENCED: (
        FencedError,
        "another run has taken over this target",
        "Look for another streamer that writes to it; nothing of this batch was written",
    ),
    FailureKind.AUTH: (
        TargetError,
        "the API refuses the token",
        'Check CLOUDFLARE_API_TOKEN (it needs the permission "D1 Edit") and CLOUDFLARE_ACCOUNT_ID',
    ),
    FailureKind.NO_DATABASE: (
        TargetError,
        "there is no such database",
        "Check D1_DATABASE_ID, CLOUDFLARE_ACCOUNT_ID, and CLOUDFLARE_API_BASE_URL if it is set",
    ),
    FailureKind.REDIRECTED: (
        TargetError,
        "the API's address redirects to another place, where nothing was sent",
        "Check CLOUDFLARE_API_BASE_URL",
    ),
    FailureKind.CERTIFICATE: (
        TargetError,
        "the server isn't who it should be, so nothing was sent",
        "Check CLOUDFLARE_API_BASE_URL, the system's certificates and its clock",
    ),
    FailureKind.UNRECOGNISED: (
        TargetError,
        "D1 refuses a request for a reason that isn't known",
        "See the message; --resume continues when the cause is gone",
    ),
    FailureKind.ANSWER_TOO_LONG: (
        AnswerTooLongError,
        "more came than any answer of the D1 API should hold",
        "Check CLOUDFLARE_API_BASE_URL and whatever stands between",
    ),
    FailureKind.MALFORMED_ANSWER: (
        TargetUnavailableError,
        "the answers aren't those of the D1 API",
        "Check CLOUDFLARE_API_BASE_URL and whatever stands between; then --resume",
    ),
}
