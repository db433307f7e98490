"""Each refusal D1 is known to give is recognised, and what is no success never counts as one."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.d1.api import Break, Broken, Reply
from streamer.d1.failures import MESSAGE_CHARS, FailureKind, clean, of_break, of_reply, retry_after

K = FailureKind


def refusal(status: int, code: int, message: str) -> Reply:
    body = {"result": None, "success": False, "errors": [{"code": code, "message": message}]}
    return Reply(status, orjson.dumps(body))


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (429, 7500, "D1 DB is overloaded. Requests queued for too long.", K.OVERLOADED),
        (429, 7500, "D1 DB is overloaded. Too many requests queued.", K.OVERLOADED),
        (400, 7500, "Too many requests queued", K.OVERLOADED),
        (429, 971, "Please wait and consider throttling your request speed", K.RATE_LIMITED),
        (429, 10429, "whatever", K.RATE_LIMITED),
        (500, 7500, "Network connection lost.", K.UNKNOWN_OUTCOME),
        (400, 7500, "D1 DB reset because its code was updated.", K.UNKNOWN_OUTCOME),
        (
            500,
            7500,
            "Internal error while starting up D1 DB storage caused object to be reset.",
            K.UNKNOWN_OUTCOME,
        ),
        (400, 7500, "The client disconnected: client disconnected", K.UNKNOWN_OUTCOME),
        (500, 7500, "internal error; reference = abc123", K.UNKNOWN_OUTCOME),
        (503, 7009, "Upstream service unavailable", K.SERVER_ERROR),
        (500, 0, "", K.SERVER_ERROR),
        (
            400,
            7500,
            "D1 DB storage operation exceeded timeout which caused object to be reset.",
            K.TOO_SLOW,
        ),
        (400, 7500, "D1 DB exceeded its CPU time limit and was reset.", K.TOO_SLOW),
        (400, 7500, "D1 DB's isolate exceeded its memory limit and was reset.", K.TOO_SLOW),
        (400, 7500, "Cannot resolve D1 DB due to transient issue", K.RESOLVE),
        (400, 7500, "Currently processing a long-running import.", K.BUSY_IMPORT),
        (400, 7500, "Currently processing a long-running export.", K.BUSY_IMPORT),
        (400, 7500, "Exceeded free tier daily row write limit", K.QUOTA),
        (429, 7500, "your account has exceeded its free tier daily row read limit", K.QUOTA),
        (400, 7500, "Exceeded maximum DB size", K.FULL),
        (400, 7500, "Your account has exceeded D1's maximum account storage limit", K.FULL),
        (400, 7500, "too many SQL variables at offset 9: SQLITE_ERROR", K.TOO_LARGE),
        (400, 7500, "string or blob too big: SQLITE_TOOBIG", K.TOO_LARGE),
        (400, 7500, "out of memory: SQLITE_NOMEM", K.TOO_LARGE),
        (400, 7500, "too many terms in compound SELECT: SQLITE_ERROR", K.TOO_LARGE),
        (413, 0, "", K.TOO_LARGE),
        (
            400,
            7500,
            "NOT NULL constraint failed: _streamer_ledger.epoch: SQLITE_CONSTRAINT",
            K.FENCED,
        ),
        (400, 7500, "no such table: main._streamer_owner: SQLITE_ERROR", K.FENCED),
        (400, 7500, "UNIQUE constraint failed: my_streamer_log.a: SQLITE_CONSTRAINT", K.CONSTRAINT),
        (400, 7500, "UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT", K.CONSTRAINT),
        (400, 7500, "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT", K.CONSTRAINT),
        (400, 7500, "CHECK constraint failed: not too big: SQLITE_CONSTRAINT", K.CONSTRAINT),
        (400, 7500, "no such table: t: SQLITE_ERROR", K.SCHEMA),
        (400, 7500, "no such table: timeouts: SQLITE_ERROR", K.SCHEMA),
        (400, 7500, "table t has no column named c: SQLITE_ERROR", K.SCHEMA),
        (400, 7500, "not authorized: SQLITE_AUTH", K.SCHEMA),
        (400, 7500, 'foreign key mismatch - "c" referencing "p": SQLITE_ERROR', K.SCHEMA),
        (401, 10000, "Authentication error", K.AUTH),
        (403, 10000, "Authentication error", K.AUTH),
        (400, 9106, "Missing X-Auth-Key", K.AUTH),
        (400, 7403, "The given account is not valid or is not authorized", K.AUTH),
        (404, 7404, "The database x could not be found", K.NO_DATABASE),
        (400, 7404, "The database x could not be found", K.NO_DATABASE),
        (400, 7500, "the moon is in the wrong place", K.UNRECOGNISED),
        (418, 0, "", K.UNRECOGNISED),
        (302, 0, "", K.REDIRECTED),
    ],
)
def test_fault_11_every_known_refusal_has_its_kind(status, code, message, kind) -> None:
    failure = of_reply(refusal(status, code, message), now=0.0)

    assert failure.kind is kind
    assert failure.status == status
    assert failure.code == code


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", K.MALFORMED_ANSWER),
        (200, b"<html>Welcome to this hotel</html>", K.MALFORMED_ANSWER),
        (200, b'{"result":[{"resul', K.MALFORMED_ANSWER),
        (200, b'{"result":[]}', K.MALFORMED_ANSWER),
        (200, b'{"result":[],"success":false,"errors":[]}', K.MALFORMED_ANSWER),
        (200, b"[1,2]", K.MALFORMED_ANSWER),
        (502, b"<html>Bad gateway</html>", K.SERVER_ERROR),
        (520, b"", K.SERVER_ERROR),
        (504, b"", K.SERVER_ERROR),
        (429, b"<html>error 1015</html>", K.RATE_LIMITED),
        (403, b"<html>blocked</html>", K.AUTH),
        (400, b"<html>bad request</html>", K.UNRECOGNISED),
        (413, b"", K.TOO_LARGE),
        (301, b"", K.REDIRECTED),
    ],
)
def test_an_answer_that_is_not_the_apis_is_judged_by_its_status(status, body, kind) -> None:
    failure = of_reply(Reply(status, body, {"content-type": "text/html"}), now=0.0)

    assert failure.kind is kind
    assert "hotel" not in str(failure)


@pytest.mark.parametrize("how", list(Broken))
def test_every_way_an_exchange_breaks_has_a_kind(how) -> None:
    assert of_break(Break(how, "why")).message == "why"


NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1", 1.0),
        ("300", 300.0),
        ("0", 0.0),
        ("2.5", 2.5),
        (None, None),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("9" * 40, None),
        ("Sun, 22 Nov 2026 12:02:00 GMT", 120.0),
        ("Sun, 22 Nov 2026 11:58:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_nonsense_is_nothing(value, seconds) -> None:
    headers = {} if value is None else {"retry-after": value}

    assert retry_after(headers, NOW.timestamp()) == seconds


def test_a_date_to_retry_after_is_measured_from_the_servers_own_clock() -> None:
    headers = {
        "retry-after": format_datetime(NOW.replace(minute=5), usegmt=True),
        "date": format_datetime(NOW, usegmt=True),
    }

    assert retry_after(headers, now=NOW.timestamp() - 86_400) == 300.0


@given(st.text(max_size=40))
def test_fault_07_no_retry_after_whatever_it_holds_is_negative_or_an_error(text) -> None:
    seconds = retry_after({"retry-after": text}, NOW.timestamp())

    assert seconds is None or seconds >= 0


def test_a_constraints_message_keeps_its_name_and_nothing_behind_it() -> None:
    assert clean("UNIQUE constraint failed: t.a, t.b: SQLITE_CONSTRAINT (19): 'secret'") == (
        "UNIQUE constraint failed: t.a, t.b"
    )
    assert clean("FOREIGN KEY constraint failed: SQLITE_CONSTRAINT").startswith("FOREIGN KEY")


@given(st.text(max_size=2000))
def test_what_stands_in_quotes_is_cut_and_no_message_is_long(value) -> None:
    inner = re.sub(r"['\"]", "", value)

    kept = clean(f"near '{inner}Q': bad things")

    assert "Q" not in kept
    assert len(kept) <= MESSAGE_CHARS


def test_an_apostrophe_opens_no_quotation_but_a_quote_that_never_ends_is_cut() -> None:
    assert clean("D1 DB's isolate exceeded its memory limit") == (
        "D1 DB's isolate exceeded its memory limit"
    )
    assert clean("unrecognized token: 'secret") == "unrecognized token: …"


def test_a_constraint_without_a_name_is_told_without_the_engines_code() -> None:
    said = (
        "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)"
    )

    assert clean(said) == "FOREIGN KEY constraint failed"
