"""What D1's refusals mean: each is a kind, and the kind says what may be done about it.

The messages are those of Cloudflare's documentation, of the source of workerd, and of third
parties that saw them on live databases, as known in November 2026. Code 7500 covers nearly
everything, so the message decides; one that nobody has seen before counts as "may have been
applied".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import StrEnum

from streamer.d1.api import Break, Broken, Complaint, Reply, complaints, unreadable
from streamer.errors import BadRowsError, StreamerError, TargetError
from streamer.frozen import frozen

MESSAGE_CHARS = 300


class FailureKind(StrEnum):
    """What went wrong with a request, by what it asks for."""

    RATE_LIMITED = "rate limited"
    OVERLOADED = "overloaded"
    UNREACHABLE = "unreachable"
    UNKNOWN_HOST = "host not known"
    IDLE_CLOSED = "idle connection closed"
    DISCONNECTED = "disconnected"
    TIMEOUT = "timeout"
    SERVER_ERROR = "server error"
    UNKNOWN_OUTCOME = "unknown outcome"
    UNRECOGNISED = "unrecognised"
    MALFORMED_ANSWER = "malformed answer"
    RESOLVE = "database not resolved"
    BUSY_IMPORT = "import or export running"
    TOO_SLOW = "too much work"
    TOO_LARGE = "too large"
    ANSWER_TOO_LONG = "answer too long"
    QUOTA = "daily quota"
    FULL = "database full"
    FENCED = "fenced"
    CONSTRAINT = "constraint"
    SCHEMA = "schema"
    AUTH = "not authorised"
    NO_DATABASE = "no such database"
    REDIRECTED = "redirected"
    CERTIFICATE = "certificate"


@frozen
class Failure:
    """Why a request failed; nothing in it is a row's value or a secret.

    `code` is Cloudflare's error code, 0 where none came; `status` the HTTP status, 0 without an
    answer. `retry_after_s` is what the server asked for, None where it didn't (or nonsense).
    """

    kind: FailureKind
    code: int = 0
    message: str = ""
    retry_after_s: float | None = None
    status: int = 0

    def __str__(self) -> str:
        facts = [f"HTTP {self.status}" if self.status else "", str(self.code or "")]
        prefix = ", ".join(fact for fact in facts if fact)
        said = self.message or self.kind.value
        return f"{said} ({prefix})" if prefix else said


class TooLargeError(StreamerError):
    """A request is too much for D1 as it is: cut it in two, and a single row is a bad one.

    Not `sent`: it is nearly what was too much before, and so wasn't tried.
    """

    def __init__(self, what: str, failure: Failure, *, sent: bool = True) -> None:
        super().__init__(what, hint="Lower --batch-bytes, or shorten or exclude the row")
        self.failure = failure
        self.sent = sent


class AnswerTooLongError(TargetError):
    """More comes than is read of one answer: who asked for rows may ask for fewer."""


class RefusedRowsError(BadRowsError):
    """D1 refuses a statement for good; `failure` tells a constraint from a missing object."""

    def __init__(self, what: str, failure: Failure, *, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.failure = failure


# In this order: the first that fits decides. The fence comes first: a batch that another run
# fenced off fails with a constraint, and no row of it is bad. Messages that hold a user's names
# come before those that are told by a few plain words.
_SAYINGS: tuple[tuple[FailureKind, tuple[str, ...]], ...] = (
    (FailureKind.FENCED, (r"(?<![\w$])_streamer_",)),
    (
        FailureKind.CONSTRAINT,
        (
            r"constraint failed",
            r"SQLITE_CONSTRAINT",
            r"SQLITE_MISMATCH",
            r"datatype mismatch",
            r"cannot store \w+ value",
            r"malformed JSON",
            r"integer overflow",
        ),
    ),
    (
        FailureKind.SCHEMA,
        (
            r"no such (table|column|index|function|view|trigger|collation)",
            r"SQLITE_AUTH",
            r"not authorized",
            r"foreign key mismatch",
            r"has no column named",
            r"already exists",
            r"already another table",
            r"syntax error",
            r"incomplete input",
            r"unrecognized token",
            r"duplicate column",
            r"values for \d+ columns",
            r"ambiguous column",
            r"may not be (dropped|altered|modified)",
            r"ON CONFLICT clause does not match",
            r"too many columns",
            r"no SQL statements",
        ),
    ),
    (FailureKind.QUOTA, (r"free.tier.*\bdaily\b", r"\bdaily\b.*\blimit", r"daily row")),
    (
        FailureKind.FULL,
        (
            r"maximum (DB|database) size",
            r"maximum account storage",
            r"SQLITE_FULL",
            r"disk is full",
        ),
    ),
    (
        FailureKind.OVERLOADED,
        (
            r"D1 DB is overloaded",
            r"too many requests queued",
            r"database is locked",
            r"SQLITE_BUSY",
        ),
    ),
    (
        FailureKind.TOO_SLOW,
        (
            r"storage operation exceeded timeout",
            r"exceeded its CPU time limit",
            r"isolate exceeded its memory limit",
        ),
    ),
    (FailureKind.RESOLVE, (r"cannot resolve D1 DB",)),
    (FailureKind.BUSY_IMPORT, (r"currently processing a long-running (import|export)",)),
    (
        FailureKind.UNKNOWN_OUTCOME,
        (
            r"network connection lost",
            r"code was updated",
            r"object to be reset",
            r"client disconnected",
            r"internal error",
            r"D1_RESET_DO",
            r"timed? ?out",
        ),
    ),
    (
        FailureKind.TOO_LARGE,
        (
            r"too many SQL variables",
            r"SQLITE_TOOBIG",
            r"too big",
            r"SQLITE_NOMEM",
            r"out of memory",
            r"compound SELECT",
            r"statement too long",
            r"expression tree is too large",
            r"(payload|body) too large",
        ),
    ),
)
_MESSAGES = tuple((kind, "(?i)" + "|".join(said)) for kind, said in _SAYINGS)
_ABOVE_STATUS = frozenset({FailureKind.FENCED, FailureKind.QUOTA, FailureKind.FULL})

# Codes: 971 rate limit; 10000, 9106, 9109, 6003 credentials; 7403 permission; 7404, 7003 no such
# database or account; 7009 an upstream failure.
_RATE_CODES = frozenset({971})
_AUTH_CODES = frozenset({10000, 9106, 9109, 6003, 7403})
_ABSENT_CODES = frozenset({7404, 7003})
_UPSTREAM_CODES = frozenset({7009})


def of_reply(reply: Reply, now: float) -> Failure:
    """What an answer that is no success means; `now` is Unix time, for dates in Retry-After."""
    found = complaints(reply)
    text = "; ".join(c.message for c in found)
    codes = {c.code for c in found}
    kind = _kind(reply.status, codes, text)
    if kind is None:
        kind = FailureKind.UNRECOGNISED if found else _by_shape(reply)
    message = clean(text) if found else unreadable(reply)
    return Failure(
        kind=kind,
        code=found[0].code if found else 0,
        message=message,
        retry_after_s=retry_after(reply.headers, now),
        status=reply.status,
    )


def of_complaint(found: Complaint, status: int) -> Failure:
    """What one statement's own complaint inside a well-formed answer means."""
    kind = _by_message(found.message) or FailureKind.UNRECOGNISED
    return Failure(kind, found.code, clean(found.message), None, status)


def of_break(broken: Break) -> Failure:
    """What it means that no whole answer came."""
    kinds = {
        Broken.NOT_CONNECTED: FailureKind.UNREACHABLE,
        Broken.UNKNOWN_HOST: FailureKind.UNKNOWN_HOST,
        Broken.CERTIFICATE: FailureKind.CERTIFICATE,
        Broken.IDLE_CLOSED: FailureKind.IDLE_CLOSED,
        Broken.DISCONNECTED: FailureKind.DISCONNECTED,
        Broken.TIMEOUT: FailureKind.TIMEOUT,
        Broken.GARBLED: FailureKind.MALFORMED_ANSWER,
        Broken.TOO_LONG: FailureKind.ANSWER_TOO_LONG,
    }
    return Failure(kinds[broken.how], message=broken.what)


def malformed(reply: Reply, what: str) -> Failure:
    """An answer that claims success but doesn't hold what was asked for."""
    return Failure(FailureKind.MALFORMED_ANSWER, message=what, status=reply.status)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that Retry-After asks to wait; None when absent, negative or nonsense.

    A date is compared with the answer's own Date, since the two clocks may differ.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        return float(text)
    until = _timestamp(text)
    if until is None:
        return None
    wait = until - (_timestamp(headers.get("date", "")) or now)
    return wait if wait > 0 else None


def clean(message: str) -> str:
    """A message without anything that could be a row's value.

    Of a constraint's message the part up to the constraint's name is kept, elsewhere what stands
    in quotes is cut, and all of it is cut to 300 characters.
    """
    constraint = re.search(
        r"(NOT NULL|UNIQUE|CHECK|FOREIGN KEY|PRIMARY KEY) constraint failed(: (?!SQLITE_)[^:\n]*)?",
        message,
    )
    if constraint is not None:
        kept = constraint.group()
    else:
        kept = re.sub(r"(?<!\w)'[^']*('|$)|\"[^\"]*(\"|$)", "…", message)
    return " ".join(kept.split())[:MESSAGE_CHARS]


def _kind(status: int, codes: set[int], text: str) -> FailureKind | None:
    """The kind by status, codes and message; None where none of them is known."""
    said = _by_message(text)
    if said in _ABOVE_STATUS:
        return said
    if codes & _RATE_CODES:
        return FailureKind.RATE_LIMITED
    if status == 429:
        return said if said is FailureKind.OVERLOADED else FailureKind.RATE_LIMITED
    kinds = (
        (status in {401, 403} or bool(codes & _AUTH_CODES), FailureKind.AUTH),
        (status == 404 or bool(codes & _ABSENT_CODES), FailureKind.NO_DATABASE),
        (status == 413, FailureKind.TOO_LARGE),
        (300 <= status < 400, FailureKind.REDIRECTED),
        (said is not None, said),
        (status >= 500 or bool(codes & _UPSTREAM_CODES), FailureKind.SERVER_ERROR),
    )
    return next((kind for holds, kind in kinds if holds), None)


def _by_message(text: str) -> FailureKind | None:
    return next((kind for kind, pattern in _MESSAGES if re.search(pattern, text)), None)


def _by_shape(reply: Reply) -> FailureKind:
    """The kind of an answer that carries no complaint at all."""
    ours = 400 <= reply.status < 500
    return FailureKind.UNRECOGNISED if ours else FailureKind.MALFORMED_ANSWER


def _timestamp(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
