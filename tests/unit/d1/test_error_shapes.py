"""Answers that no server gives on demand, through the whole client: what comes of each, and when.

The shapes are those that Cloudflare documents and that third parties saw, as known in November
2026. Dice always show one half, so that every wait is known to the millisecond.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import aiohttp
import orjson
import pytest
from aioresponses import CallbackResult, aioresponses
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from streamer.config import PacingSettings, TargetSettings
from streamer.d1 import FailureKind, RefusedRowsError, TooLargeError, open_database
from streamer.errors import (
    FencedError,
    StreamerError,
    TargetError,
    TargetUnavailableError,
)
from streamer.model import Answer, Secret, Statement
from tests.simulation.clock import VirtualLoop
from tests.unit.d1.model_api import DATABASE, LoopClock, Notes

TOKEN = "canary-token"
VALUE = "canary-value"
TARGET = TargetSettings("acc", DATABASE, Secret(TOKEN), "http://localhost/client/v4")
DATABASE_URL = f"{TARGET.api_base_url}/accounts/acc/d1/database/{DATABASE}"
SMALL = Statement("INSERT INTO t VALUES (?)", orjson.dumps([VALUE]))
BIG = Statement("INSERT INTO t VALUES (?)", orjson.dumps([VALUE * 10_000]))
WALL = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
Kind = FailureKind


class Response(aiohttp.ClientResponse):
    """A response as aioresponses 0.7.9 makes it, which doesn't know aiohttp 3.14's new argument."""

    def __init__(self, method: str, url: URL, **known: Any) -> None:
        sent = SimpleNamespace(output_size=0)
        super().__init__(method, url, **{"stream_writer": sent, **known})


@dataclass(frozen=True)
class Shape:
    """An answer as it comes over the wire, or the error that aiohttp makes of its absence."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    error: Exception | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return type(self.error).__name__
        return f"{self.status} {self.body.decode(errors='replace')[:160]}"


@dataclass
class Outcome:
    """What came of one call: an answer or an error, in how much time, by how many requests."""

    notes: Notes
    answer: Answer | None = None
    error: StreamerError | None = None
    sends: int = 0
    waited_s: float = 0.0
    batch_bytes: int = 0


def said(status: int, code: int, message: str, **headers: str) -> Shape:
    """A refusal in the API's envelope."""
    errors = [{"code": code, "message": message}]
    body = {"result": [], "success": False, "errors": errors, "messages": []}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Shape(status, orjson.dumps(body), names)


def d1(message: str, status: int = 400) -> Shape:
    """A refusal as D1 says it: nearly always with code 7500."""
    return said(status, 7500, message)


def page(status: int) -> Shape:
    """What stands between answers in the API's place."""
    return Shape(status, b"<html><body>cloudflare</body></html>", content_type="text/html")


def broken(error: Exception) -> Shape:
    return Shape(error=error)


def taken() -> bytes:
    meta = {"rows_written": 1, "rows_read": 0, "size_after": 4096, "duration": 0.1}
    one = {"results": {"columns": [], "rows": []}, "success": True, "meta": meta}
    return orjson.dumps({"result": [one], "success": True, "errors": [], "messages": []})


def outcome_of(shapes: Sequence[Shape], statement: Statement = SMALL, times: int = 1) -> Outcome:
    """One call whose requests get these answers in turn, `times` over, and a good one then."""
    script = [*shapes] * times

    async def main() -> Outcome:
        outcome = Outcome(Notes())
        clock = LoopClock(WALL.timestamp())
        database = await open_database(
            TARGET,
            PacingSettings(rate=None),
            outcome.notes,
            clock=clock,
            random=lambda: 0.5,
            shared=False,
        )
        begin, sent = clock.monotonic(), len(outcome.notes.sends)
        try:
            outcome.answer = await database.execute([statement])
        except StreamerError as error:
            outcome.error = error
        outcome.waited_s = clock.monotonic() - begin
        outcome.sends = len(outcome.notes.sends) - sent
        outcome.batch_bytes = database.batch_bytes
        await database.aclose()
        return outcome

    def good(_url: URL, **request: object) -> CallbackResult:
        headers = request["headers"]
        assert isinstance(headers, Mapping)
        assert headers["Authorization"] == f"Bearer {TOKEN}"
        return CallbackResult(body=taken(), response_class=Response)

    found = orjson.dumps({"result": {"uuid": DATABASE, "name": "shop"}, "success": True})
    with aioresponses() as api, asyncio.Runner(loop_factory=VirtualLoop) as runner:
        api.get(DATABASE_URL, body=found, response_class=Response)
        for shape in script:
            api.post(
                f"{DATABASE_URL}/raw",
                status=shape.status,
                body=shape.body,
                headers=dict(shape.headers),
                content_type=shape.content_type,
                exception=shape.error,
                response_class=Response,
            )
        api.post(f"{DATABASE_URL}/raw", callback=good, repeat=True)
        return runner.run(main())


def with_headers(kind: type[aiohttp.ClientResponseError]) -> aiohttp.ClientResponseError:
    """An error of aiohttp's that carries the request's headers, and so the token."""
    headers = CIMultiDictProxy(CIMultiDict({"Authorization": f"Bearer {TOKEN}"}))
    url = URL(DATABASE_URL)
    return kind(aiohttp.RequestInfo(url, "POST", headers, url), (), message="bad", status=400)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        *[(page(status), Kind.SERVER_ERROR) for status in (500, 502, 503, 504, 520, 522, 524)],
        (said(500, 7009, "upstream"), Kind.SERVER_ERROR),
        (said(400, 7009, "upstream"), Kind.SERVER_ERROR),
        (d1("D1 DB is overloaded. Requests queued for too long.", 429), Kind.OVERLOADED),
        (d1("D1 DB is overloaded. Too many requests queued.", 503), Kind.OVERLOADED),
        (d1("Network connection lost.", 500), Kind.UNKNOWN_OUTCOME),
        (d1("D1 DB reset because its code was updated."), Kind.UNKNOWN_OUTCOME),
        (d1("Internal error in D1 DB storage caused object to be reset."), Kind.UNKNOWN_OUTCOME),
        (d1("The client disconnected"), Kind.UNKNOWN_OUTCOME),
        (d1("internal error; reference = 1a2b3c"), Kind.UNKNOWN_OUTCOME),
        (
            d1("D1 DB storage operation exceeded timeout which caused object to be reset."),
            Kind.TOO_SLOW,
        ),
        (d1("D1 DB exceeded its CPU time limit and was reset."), Kind.TOO_SLOW),
        (d1("D1 DB's isolate exceeded its memory limit and was reset."), Kind.TOO_SLOW),
        (d1("Cannot resolve D1 DB due to transient issue on remote node."), Kind.RESOLVE),
        (d1("Currently processing a long-running import."), Kind.BUSY_IMPORT),
        (d1("Currently processing a long-running export."), Kind.BUSY_IMPORT),
        (d1("a message that nobody has seen before"), Kind.UNRECOGNISED),
        (page(200), Kind.MALFORMED_ANSWER),
        (Shape(200, b""), Kind.MALFORMED_ANSWER),
        (Shape(200, taken()[:-20]), Kind.MALFORMED_ANSWER),
        (Shape(200, b'{"result":[]}'), Kind.MALFORMED_ANSWER),
        (Shape(200, b'{"result":[],"success":true,"errors":[]}'), Kind.MALFORMED_ANSWER),
        (Shape(200, b'{"result":null,"success":false,"errors":[]}'), Kind.MALFORMED_ANSWER),
        (Shape(200, b"[]"), Kind.MALFORMED_ANSWER),
        (Shape(200, b"\x1f\x8b\xff\x00"), Kind.MALFORMED_ANSWER),
        (Shape(204, b""), Kind.MALFORMED_ANSWER),
        (broken(aiohttp.ServerDisconnectedError()), Kind.DISCONNECTED),
        (broken(aiohttp.ClientPayloadError("cut")), Kind.DISCONNECTED),
        (broken(aiohttp.ClientOSError(104, "reset")), Kind.DISCONNECTED),
        (broken(ConnectionResetError(104, "reset")), Kind.DISCONNECTED),
        (broken(TimeoutError()), Kind.TIMEOUT),
        (broken(aiohttp.SocketTimeoutError()), Kind.TIMEOUT),
        (broken(aiohttp.ConnectionTimeoutError()), Kind.UNREACHABLE),
        (broken(with_headers(aiohttp.ClientResponseError)), Kind.MALFORMED_ANSWER),
        (broken(with_headers(aiohttp.ContentTypeError)), Kind.MALFORMED_ANSWER),
    ],
    ids=str,
)
def test_what_may_pass_is_waited_for_and_sent_again(shape: Shape, kind: FailureKind) -> None:
    outcome = outcome_of([shape])

    assert outcome.error is None
    assert outcome.answer is not None
    assert outcome.answer.attempts == 2
    assert outcome.notes.retries == [(kind, 0.25)]
    assert outcome.waited_s == pytest.approx(0.25)


def test_waits_double_and_the_third_failure_in_a_row_closes_the_gate() -> None:
    outcome = outcome_of([page(503)], times=6)

    assert [wait for _, wait in outcome.notes.retries[:2]] == [0.25, 0.5]
    gaps = [b - a for a, b in zip(outcome.notes.sends[1:], outcome.notes.sends[2:], strict=False)]
    assert outcome.answer is not None
    assert outcome.sends == 7
    assert gaps == pytest.approx([0.25, 0.5, 1, 2, 4, 8])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "1"}, 1),
        ({"retry_after": "300"}, 300),
        ({}, 300),
        ({"retry_after": "-5"}, 300),
        ({"retry_after": "0"}, 1),
        ({"retry_after": "soon"}, 300),
        ({"retry_after": format_datetime(WALL.replace(minute=2), usegmt=True)}, 120),
        ({"retry_after": format_datetime(WALL.replace(hour=11), usegmt=True)}, 300),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("code", "message"),
    [(971, "Please wait and consider throttling your request speed"), (10429, "Too many")],
)
def test_the_api_s_limit_is_waited_out_as_it_says(
    headers: dict[str, str], seconds: float, code: int, message: str
) -> None:
    outcome = outcome_of([said(429, code, message, **headers)])

    assert outcome.answer is not None
    assert outcome.answer.rate_limited == 1
    assert outcome.waited_s == pytest.approx(seconds, abs=0.01)
    assert [wait for wait, _ in outcome.notes.pauses] == [seconds]


def test_an_overload_waits_for_its_own_retry_after_and_pauses_nobody() -> None:
    overloaded = said(429, 7500, "D1 DB is overloaded. Too many requests queued.", retry_after="7")

    outcome = outcome_of([overloaded])

    assert outcome.waited_s == pytest.approx(7)
    assert outcome.notes.pauses == []


REFUSED = [
    ("UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT", RefusedRowsError, "UNIQUE"),
    ("NOT NULL constraint failed: t.a: SQLITE_CONSTRAINT", RefusedRowsError, "NOT NULL"),
    (f"UNIQUE constraint failed: t.a: {VALUE}", RefusedRowsError, "failed: t.a"),
    ("FOREIGN KEY constraint failed: SQLITE_CONSTRAINT", RefusedRowsError, "FOREIGN KEY"),
    ("no such table: t: SQLITE_ERROR", RefusedRowsError, "no such table: t"),
    ("table t has no column named b: SQLITE_ERROR", RefusedRowsError, "no column named b"),
    ("not authorized: SQLITE_AUTH", RefusedRowsError, "not authorized"),
    ('foreign key mismatch - "t" referencing "u"', RefusedRowsError, "foreign key mismatch"),
    (f"malformed JSON: '{VALUE}'", RefusedRowsError, "malformed JSON"),
    ("too many SQL variables at offset 9: SQLITE_ERROR", TooLargeError, "too many SQL variables"),
    ("string or blob too big: SQLITE_TOOBIG", TooLargeError, "too big"),
    ("out of memory: SQLITE_NOMEM", TooLargeError, "out of memory"),
    ("too many terms in compound SELECT: SQLITE_ERROR", TooLargeError, "compound SELECT"),
    ("statement too long: SQLITE_TOOBIG", TooLargeError, "statement too long"),
    ("NOT NULL constraint failed: _streamer_ledger.epoch", FencedError, "another run"),
    ("no such table: _streamer_owner: SQLITE_ERROR", FencedError, "another run"),
    ("Exceeded maximum DB size", TargetError, "full"),
    ("Exceeded maximum account storage limit", TargetError, "full"),
    ("D1 free tier daily row write limit exceeded", TargetUnavailableError, "00:00 UTC"),
]


@pytest.mark.parametrize(("message", "kind", "words"), REFUSED, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("in_result", [False, True])
def test_what_never_passes_ends_at_once_and_says_why(
    *, message: str, kind: type[StreamerError], words: str, in_result: bool
) -> None:
    failed = {"result": [{"success": False, "error": message}], "success": True, "errors": []}
    shape = Shape(200, orjson.dumps(failed)) if in_result else d1(message)

    outcome = outcome_of([shape])

    assert type(outcome.error) is kind
    assert words in str(outcome.error)
    assert (outcome.sends, outcome.waited_s) == (1, 0.0)
    assert VALUE not in str(outcome.error)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (said(401, 10000, "Authentication error"), "CLOUDFLARE_API_TOKEN"),
        (said(403, 10000, "Authentication error"), "D1 Edit"),
        (said(400, 9106, "Authentication failed"), "CLOUDFLARE_API_TOKEN"),
        (said(403, 7403, "The given account is not valid or is not authorized"), "D1 Edit"),
        (page(403), "CLOUDFLARE_API_TOKEN"),
        (said(404, 7404, "The database was not found"), "D1_DATABASE_ID"),
        (page(404), "D1_DATABASE_ID"),
        (Shape(302, b"", {"Location": "https://elsewhere.example/"}), "CLOUDFLARE_API_BASE_URL"),
    ],
    ids=str,
)
def test_a_token_or_a_database_that_is_gone_in_the_middle_ends_at_once(
    shape: Shape, words: str
) -> None:
    outcome = outcome_of([shape])

    assert type(outcome.error) is TargetError
    assert words in outcome.error.hint
    assert outcome.error.exit_code == 1
    assert (outcome.sends, outcome.waited_s) == (1, 0.0)


@pytest.mark.parametrize(
    "shape",
    [
        Shape(413, b"payload too large", content_type="text/plain"),
        said(413, 7500, "Request entity too large"),
        d1("D1 DB's isolate exceeded its memory limit and was reset."),
        d1("D1 DB exceeded its CPU time limit and was reset."),
        d1("D1 DB storage operation exceeded timeout which caused object to be reset."),
    ],
    ids=str,
)
def test_a_large_body_that_is_too_much_is_to_be_cut_and_the_next_are_smaller(shape: Shape) -> None:
    outcome = outcome_of([shape], BIG)

    assert type(outcome.error) is TooLargeError
    assert outcome.sends == 1
    assert outcome.batch_bytes < len(BIG.params)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (page(200), TargetUnavailableError),
        (Shape(200, b""), TargetUnavailableError),
        (d1("a message that nobody has seen before"), TargetError),
        (Shape(418, b"teapot", content_type="text/plain"), TargetError),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_tried_five_times(shape: Shape, kind: type[StreamerError]) -> None:
    outcome = outcome_of([shape], times=9)

    assert type(outcome.error) is kind
    assert len(outcome.notes.retries) == 4


EVERY_ERROR = [
    said(403, 10000, "Authentication error"),
    d1("no such table: t"),
    broken(with_headers(aiohttp.ClientResponseError)),
    broken(with_headers(aiohttp.WSServerHandshakeError)),
    Shape(413, b""),
    d1(f"UNIQUE constraint failed: t.a: {VALUE}"),
    d1(f"unknown thing '{VALUE}'"),
]


@pytest.mark.parametrize("shape", EVERY_ERROR, ids=str)
def test_no_error_shows_the_token_or_a_value_however_it_is_printed(shape: Shape) -> None:
    outcome = outcome_of([shape], times=99)

    error = outcome.error
    assert error is not None
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    assert TOKEN not in shown
    assert VALUE not in shown
    assert error.__cause__ is None
