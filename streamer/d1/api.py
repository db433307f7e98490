"""The API's paths, request bodies and answers as values: nothing here sends anything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import Enum
from urllib.parse import quote

import orjson

from streamer.errors import UsageError
from streamer.frozen import frozen
from streamer.model import Result, Statement

PAGE = 100
_OPEN, _BEHIND, _CLOSE = b'{"batch":[', b",", b"]}"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@frozen
class Reply:
    """A whole HTTP answer; header names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Broken(Enum):
    """How an exchange ended without a whole answer."""

    NOT_CONNECTED = "no connection: nothing was sent"
    UNKNOWN_HOST = "the host's name has no address: nothing was sent"
    CERTIFICATE = "the server's certificate was refused: nothing was sent"
    IDLE_CLOSED = "a kept connection was closed before a byte of an answer"
    DISCONNECTED = "a connection was lost while sending or waiting"
    TIMEOUT = "no whole answer in time"
    GARBLED = "what came was no HTTP answer"
    TOO_LONG = "more of an answer than is read"


@frozen
class Break:
    """An exchange without a whole answer; `what` says how, without addresses or headers."""

    how: Broken
    what: str


@frozen
class Complaint:
    """One entry of an answer's `errors`."""

    code: int
    message: str


@frozen
class Body:
    """What a request carries: the statements of one transaction, or nothing.

    It is as long as its JSON, which is made piece by piece while it is sent: at once it would copy
    megabytes. A target in this process takes the statements as they are.
    """

    statements: tuple[Statement, ...] = ()
    _bytes: int = field(init=False)

    def __post_init__(self) -> None:
        framed = sum(statement.bytes + len(_BEHIND) for statement in self.statements)
        object.__setattr__(
            self, "_bytes", framed and len(_OPEN) + framed - len(_BEHIND) + len(_CLOSE)
        )

    def __len__(self) -> int:
        return self._bytes

    @property
    def pieces(self) -> Iterator[bytes]:
        """The JSON, piece by piece; anew each time."""
        before = _OPEN
        for statement in self.statements:
            yield before
            yield from statement.pieces
            before = _BEHIND
        if self.statements:
            yield _CLOSE


EMPTY = Body()


@frozen
class DatabaseInfo:
    """What the API says of a database; `file_bytes` is 0 where it doesn't say."""

    id: str
    name: str
    file_bytes: int = 0
    replicated: bool = False


def checked_id(text: str, what: str) -> str:
    """`text`, if it may stand in a path.

    Raises:
        UsageError: it may not.
    """
    if not _ID.fullmatch(text):
        raise UsageError(
            f"{what} isn't an identifier",
            hint="An identifier is 1 to 64 letters, digits, - and _",
        )
    return text


def is_id(text: str) -> bool:
    """May `text` stand in a path."""
    return _ID.fullmatch(text) is not None


def databases_path(account: str) -> str:
    """The path of an account's databases."""
    return f"/accounts/{checked_id(account, 'CLOUDFLARE_ACCOUNT_ID')}/d1/database"


def search_path(account: str, name: str, page: int) -> str:
    """The path that lists databases like `name`; the filter isn't exact."""
    query = f"name={quote(name, safe='')}&page={page}&per_page={PAGE}"
    return f"{databases_path(account)}?{query}"


def database_path(account: str, database: str) -> str:
    """The path of one database."""
    return f"{databases_path(account)}/{checked_id(database, 'D1_DATABASE_ID')}"


def restore_path(base: str, bookmark: str) -> str:
    """The path that takes the database at `base` back to `bookmark`."""
    return f"{base}/time_travel/restore?bookmark={quote(bookmark, safe='')}"


def unreadable(reply: Reply) -> str:
    """What to say of an answer that isn't the API's, without quoting it."""
    sort = reply.headers.get("content-type", "").split(";")[0].strip()[:60] or "no content type"
    return f"an answer of {len(reply.body):,} bytes ({sort}) that isn't the API's"


def complaints(reply: Reply) -> tuple[Complaint, ...]:
    """The errors that an answer names; none where it isn't the API's."""
    document = _object(_json(reply.body))
    return tuple(_complaint(entry) for entry in _list(document.get("errors")))


def envelope(reply: Reply) -> object | None:
    """The `result` of an answer that says it succeeded; None of any other."""
    if not 200 <= reply.status < 300:
        return None
    document = _object(_json(reply.body))
    return document.get("result") if document.get("success") is True else None


def results(answer: object, count: int) -> tuple[Result, ...] | Complaint | None:
    """The results in an `envelope` of /raw; None when they aren't exactly `count` whole ones.

    A statement that says it failed makes its complaint the outcome of all.
    """
    entries = _list(answer)
    for entry in entries:
        item = _object(entry)
        if item.get("success") is False and isinstance(item.get("error"), str):
            return Complaint(0, str(item["error"]))
    found = [_result(_object(entry)) for entry in entries]
    whole = tuple(result for result in found if result is not None)
    return whole if len(whole) == len(found) == count else None


def database(answer: object) -> DatabaseInfo | None:
    """The database that an `envelope` describes; None when it describes none."""
    entry = _object(answer)
    found = entry.get("uuid")
    if not isinstance(found, str) or not is_id(found):
        return None
    name = entry.get("name")
    mode = _object(entry.get("read_replication")).get("mode")
    return DatabaseInfo(
        id=found,
        name=name if isinstance(name, str) else "",
        file_bytes=_int(entry.get("file_size")),
        replicated=isinstance(mode, str) and mode != "disabled",
    )


def databases(answer: object) -> tuple[DatabaseInfo, ...] | None:
    """The databases of one page of a listing; None where the `envelope` holds none."""
    if not isinstance(answer, list):
        return None
    found = (database(entry) for entry in _list(answer))  # pyright: ignore[reportUnknownArgumentType]
    return tuple(entry for entry in found if entry is not None)


def bookmark(answer: object) -> str | None:
    """The Time Travel bookmark in an `envelope`."""
    found = _object(answer).get("bookmark")
    return found if isinstance(found, str) and found else None


def _result(entry: dict[str, object]) -> Result | None:
    held = _object(entry.get("results"))
    columns = _list(held.get("columns"))
    rows = tuple(tuple(_list(row)) for row in _list(held.get("rows")))
    whole = isinstance(held.get("columns"), list) and isinstance(held.get("rows"), list)
    if entry.get("success") is not True or not whole:
        return None
    if any(len(row) != len(columns) for row in rows):
        return None
    meta = _object(entry.get("meta"))
    duration = meta.get("duration")
    return Result(
        columns=tuple(map(str, columns)),
        rows=rows,
        rows_written=_int(meta.get("rows_written")),
        rows_read=_int(meta.get("rows_read")),
        size_after=_int(meta.get("size_after")),
        duration_ms=float(duration) if isinstance(duration, int | float) else 0.0,
    )


def _complaint(entry: object) -> Complaint:
    found = _object(entry)
    message = found.get("message")
    return Complaint(_int(found.get("code")), message if isinstance(message, str) else "")


def _json(text: bytes) -> object:
    try:
        parsed: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return parsed


def _object(value: object) -> dict[str, object]:
    """`value` if it is a JSON object, else an empty one."""
    # A JSON object's keys are strings: orjson makes no others.
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _list(value: object) -> list[object]:
    """`value` if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def _int(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
