"""What PostgreSQL's errors mean: whether to try again, and what to tell the user.

Texts of the server are passed on only where they hold names, never rows: of an error, its SQLSTATE
and, for some classes, its primary message; `detail`, which quotes rows, is never read.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

import asyncpg

from streamer.errors import SourceChangedError, SourceError, SourceLostError, StreamerError
from streamer.frozen import frozen

FOREIGN = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    asyncio.TimeoutError,
)
"""Everything that PostgreSQL, asyncpg or the network may raise at us (TLS errors are OSErrors)."""

NO_SUCH_SNAPSHOT = (
    asyncpg.InvalidParameterValueError,  # before 17
    asyncpg.UndefinedObjectError,  # 17 and later
    asyncpg.ObjectNotInPrerequisiteStateError,  # its transaction ends at this moment
)
"""What SET TRANSACTION SNAPSHOT says of a snapshot that is gone (snapmgr.c, ImportSnapshot)."""

# postgresql.org/docs/18/errcodes-appendix.html, 2026-11-22
_PASSING_CLASSES = ("08",)
_PASSING = (
    "57P01",  # admin_shutdown
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now
    "57P05",  # idle_session_timeout
    "57014",  # query_canceled: statement_timeout, or somebody else
    "25P03",  # idle_in_transaction_session_timeout
    "25P04",  # transaction_timeout
    "53300",  # too_many_connections
    "40001",  # serialization_failure: a standby's conflict with recovery
    "40P01",  # deadlock_detected
    "55P03",  # lock_not_available: lock_timeout
)
_TOO_MANY = "53300"
_TIMED_OUT = "57014"
_NAMED = (
    "Run again with --resume when its name can be resolved; check POSTGRES_HOST (or the DSN) if you "
    "changed it."
)
_LISTENS = "Check that PostgreSQL runs there, POSTGRES_HOST and POSTGRES_PORT (or the DSN)."
_NO_TLS = "rejected SSL upgrade"  # asyncpg 0.32, connect_utils.py
_REFUSED = "Connect call failed"  # asyncio, where a name has several addresses


class HostLostError(OSError):
    """The name of a host that was known before isn't resolved any more."""


@frozen
class Place:
    """Where something went wrong: the server (`where`), the database, the user, and at what."""

    where: str
    database: str = ""
    user: str = ""
    doing: str = ""


def sqlstate(error: BaseException) -> str:
    """The error's SQLSTATE, '' where it has none."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else ""


def snapshot_gone(where: str, why: str = "its session was ended") -> SourceLostError:
    """What to tell the user once a snapshot can't be read in any more."""
    return SourceLostError(
        f"The snapshot of PostgreSQL at {where} is gone: {why}.",
        hint="Run again with --resume: the rest is read from a newer snapshot.",
    )


def retryable(error: BaseException) -> bool:
    """Whether the same thing may work a little later, on a new connection.

    An InterfaceError counts only when it says that the connection is gone; otherwise it is a fault
    of ours. TLS failures and unknown hosts don't heal by waiting, but the resolver may be out of
    reach for a moment (EAI_AGAIN), and so may a name that it knew before (HostLostError).
    """
    if state := sqlstate(error):
        return state in _PASSING or state[:2] in _PASSING_CLASSES
    match error:
        # asyncpg 0.32 raises this where the server's farewell arrived, but not yet the end of the
        # connection.
        case asyncpg.InternalClientError():
            again = True
        case asyncpg.InterfaceError():
            again = "closed" in str(error) or "released" in str(error)
        case ssl.SSLError():
            again = not isinstance(error, ssl.SSLCertVerificationError)
        case socket.gaierror():
            again = error.errno == socket.EAI_AGAIN
        case OSError() | asyncio.TimeoutError():
            again = not isinstance(error, PermissionError) and _NO_TLS not in str(error)
        case _:
            again = False
    return again


def too_many_connections(error: BaseException) -> bool:
    """Whether the server is out of connections for us."""
    return sqlstate(error) == _TOO_MANY


def timed_out(error: BaseException) -> bool:
    """Whether the server's statement_timeout, or somebody, cancelled our statement."""
    return sqlstate(error) == _TIMED_OUT


def explain(error: BaseException, place: Place) -> StreamerError:
    """The user's version of `error`; raise it `from None`, for the original may hold a secret."""
    if isinstance(error, StreamerError):
        return error
    if isinstance(error, asyncpg.PostgresError):
        return _server_said(error, place)
    return _nobody_answered(error, place)


def _at(place: Place) -> str:
    return f", {place.doing}" if place.doing else ""


def _database(p: Place) -> str:
    return f'The database "{p.database}" doesn\'t exist at {p.where}'


_Sentence = Callable[[Place], str]
_KNOWN: dict[str, tuple[type[StreamerError], _Sentence, str]] = {
    "28P01": (
        SourceError,
        lambda p: f'PostgreSQL at {p.where} refuses the password of user "{p.user}"',
        "Check POSTGRES_USER and POSTGRES_PASSWORD (or the DSN).",
    ),
    "28000": (
        SourceError,
        lambda p: f'PostgreSQL at {p.where} doesn\'t let user "{p.user}" in',
        "Check the user's name, and that pg_hba.conf lets it in from here.",
    ),
    "3D000": (SourceError, _database, "Check POSTGRES_DB (or the DSN)."),
    "53300": (
        SourceLostError,
        lambda p: f"PostgreSQL at {p.where} has no connection left{_at(p)}",
        "Close other sessions or raise max_connections, then run again with --resume.",
    ),
    "57P03": (
        SourceLostError,
        lambda p: f"PostgreSQL at {p.where} is starting up or shutting down",
        "Run again with --resume when it is up.",
    ),
    "57014": (
        SourceLostError,
        lambda p: f"PostgreSQL at {p.where} cancelled a statement of ours{_at(p)}",
        "Raise statement_timeout for the role that reads: ALTER ROLE … SET statement_timeout = 0.",
    ),
    "55P03": (
        SourceLostError,
        lambda p: f"Somebody else holds a lock{_at(p)}",
        "Run again with --resume when the other session (ALTER TABLE, VACUUM FULL, …) is done.",
    ),
    "40001": (
        SourceLostError,
        lambda p: f"The standby at {p.where} cancelled a read in favour of replication{_at(p)}",
        "Set hot_standby_feedback = on there, or use --consistency rolling.",
    ),
    "0A000": (
        SourceChangedError,
        lambda p: f"A table's definition changed{_at(p)}",
        "Run again with --resume: it says what changed.",
    ),
    "42703": (
        SourceChangedError,
        lambda p: f"A column is gone{_at(p)}",
        "Run again with --resume: it says what changed.",
    ),
    "42P01": (
        SourceChangedError,
        lambda p: f"A table is gone{_at(p)}",
        "Run again with --resume: it says what changed.",
    ),
    "22021": (
        SourceError,
        lambda p: f"A text isn't valid in the database's encoding{_at(p)}",
        "Mend the text in the source, or exclude the column.",
    ),
    "22P05": (
        SourceError,
        lambda p: f"A text has no form in UTF-8{_at(p)}",
        "Mend the text in the source, or exclude the column.",
    ),
    "XX001": (
        SourceError,
        lambda p: f"PostgreSQL says that its data are damaged{_at(p)}",
        "Repair the source first; nothing that it says can be trusted.",
    ),
}


def _server_said(error: asyncpg.PostgresError, place: Place) -> StreamerError:
    state = sqlstate(error)
    if state == "42501":
        return _forbidden(error, place)
    if state in _KNOWN:
        kind, sentence, hint = _KNOWN[state]
        return kind(f"{sentence(place)}.", hint=hint)
    if retryable(error):
        return SourceLostError(
            f"PostgreSQL at {place.where} ended the connection{_at(place)} (SQLSTATE {state}).",
            hint="Run again with --resume.",
        )
    if state.startswith("22"):  # a data exception: stored values print, computed ones may not
        return SourceError(
            f"PostgreSQL can't compute a value{_at(place)} (SQLSTATE {state}, "
            f"{type(error).__name__}).",
            hint="A virtual generated column, or an expression or where of the settings, fails for a"
            " row: exclude the column, or mend what it is computed from.",
        )
    return SourceError(
        f"PostgreSQL at {place.where} refuses{_at(place)} (SQLSTATE {state}, "
        f"{type(error).__name__}).",
        hint="Look the code up in PostgreSQL's list of error codes; its log says more.",
    )


def _forbidden(error: asyncpg.PostgresError, place: Place) -> SourceError:
    if "row-level security" in str(error):
        return SourceError(
            f'Row-level security hides rows from user "{place.user}"{_at(place)}.',
            hint="Use a role with BYPASSRLS or the table's owner, or exclude the table.",
        )
    return SourceError(
        f'User "{place.user}" may not read{_at(place) or " that"}.',
        hint="GRANT USAGE on its schema and SELECT on its tables, or exclude them.",
    )


def _nobody_answered(error: BaseException, place: Place) -> StreamerError:
    if isinstance(error, ssl.SSLError) or _NO_TLS in str(error):
        return _tls_failed(error, place)
    if isinstance(error, HostLostError) or (
        isinstance(error, socket.gaierror) and retryable(error)
    ):
        return SourceLostError(f"The host of {place.where} isn't known for now.", hint=_NAMED)
    if isinstance(error, (socket.gaierror, FileNotFoundError, PermissionError)):
        return _no_such_place(error, place)
    if isinstance(error, ConnectionRefusedError) or _REFUSED in str(error):
        return SourceLostError(f"Nothing listens at {place.where}.", hint=_LISTENS)
    what = "doesn't answer" if isinstance(error, asyncio.TimeoutError) else "closed the connection"
    return SourceLostError(
        f"PostgreSQL at {place.where} {what}{_at(place)}.",
        hint="Run again with --resume when it can be reached.",
    )


def _tls_failed(error: BaseException, place: Place) -> SourceError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return SourceError(
            f"The certificate of PostgreSQL at {place.where} isn't trusted: "
            f"{getattr(error, 'verify_message', '') or 'verification failed'}.",
            hint="Name its root certificate in POSTGRES_SSLROOTCERT; only if you know the network, "
            "write POSTGRES_SSLMODE=require.",
        )
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or "no reason given"
        return SourceError(
            f"TLS with PostgreSQL at {place.where} failed ({reason}).",
            hint="Check the server's TLS settings, and sslmode, sslrootcert, sslcert, sslkey.",
        )
    return SourceError(
        f"PostgreSQL at {place.where} doesn't offer TLS, and without it nobody is asked for rows.",
        hint="Turn ssl on there; only if you know the network, write POSTGRES_SSLMODE=disable.",
    )


def _no_such_place(error: BaseException, place: Place) -> SourceError:
    if isinstance(error, socket.gaierror):
        what = f"The host of {place.where} isn't known."
    elif isinstance(error, PermissionError):
        what = f"This user may not open {place.where}."
    else:
        what = f"Nothing is at {place.where}."
    return SourceError(what, hint=_LISTENS)
