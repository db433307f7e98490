"""Connections to PostgreSQL, and the transactions that everything is read in.

Nothing is ever set for a session: behind a pooler in transaction mode it would be lost, or worse,
stay with somebody else's. Every transaction begins with what it needs, in one round trip.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import asyncpg
from asyncpg.connection import Connection

from streamer.errors import SourceError, StreamerError
from streamer.postgres import failures
from streamer.postgres.address import Address, Protection, protection
from streamer.postgres.failures import HostLostError, Place

CONNECT_TIMEOUT_S = 10.0
GIVE_UP_S = 0.5  # how long a connection may take that isn't wanted any more
COMMAND_TIMEOUT_S = 300.0
KEEPALIVE_IDLE_S = 30
KEEPALIVE_INTERVAL_S = 10
KEEPALIVE_PROBES = 3
UNACKNOWLEDGED_MS = 60_000

SETTINGS = {
    # How values are printed: types.md.
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "xmlbinary": "base64",
    "xmloption": "content",
    "search_path": "pg_catalog",
    # How SQL is printed, and how ours is read.
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    # An error is better than rows that silently aren't there, or than a write.
    "row_security": "off",
    "default_transaction_read_only": "on",
    # Waiting for a lock makes everybody else wait behind us.
    "lock_timeout": "10s",
    # Physical order is a table's order, always from its beginning.
    "synchronize_seqscans": "off",
    # Rows come in key order from the index: a sort would read the whole table for each window.
    "enable_sort": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}
"""What each transaction sets for itself; names and values are ours and need no quoting."""

Session: TypeAlias = "Connection[asyncpg.Record]"
Tls = ssl.SSLContext | Literal["prefer", "allow"] | bool
"""What asyncpg takes: a context, a mode that may do without TLS, or False for none."""


@contextlib.contextmanager
def told_when_cut_off(session: Session) -> Generator[None]:
    """Have a connection that goes while it is used told as that.

    asyncpg 0.32 lets an AttributeError out where that happens between two of its own steps, for it
    has no protocol or no transport any more (connection.py, `_do_execute`; protocol.pyx, `copy_out`).

    Raises:
        asyncpg.InterfaceError: the connection is closed.

    """
    try:
        yield
    except AttributeError:
        if not session.is_closed():
            raise
        raise asyncpg.InterfaceError("connection is closed") from None


if TYPE_CHECKING:
    _Connection = Connection[asyncpg.Record]
else:
    _Connection = Connection  # generic in asyncpg's stubs only


class KeptAlive(_Connection):
    """A connection that notices a dead network: asyncpg itself sets no keepalive."""

    def __init__(  # noqa: PLR0917  (asyncpg's own signature)
        self,
        protocol: Any,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        addr: Any,
        config: Any,
        params: Any,
    ) -> None:
        super().__init__(protocol, transport, loop, addr, config, params)
        link = transport.get_extra_info("socket")
        if link is not None and link.family != socket.AF_UNIX:
            _keep_alive(link)


def _keep_alive(link: socket.socket) -> None:
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": KEEPALIVE_IDLE_S,  # macOS calls it TCP_KEEPALIVE
        "TCP_KEEPALIVE": KEEPALIVE_IDLE_S,
        "TCP_KEEPINTVL": KEEPALIVE_INTERVAL_S,
        "TCP_KEEPCNT": KEEPALIVE_PROBES,
        "TCP_USER_TIMEOUT": UNACKNOWLEDGED_MS,
    }
    for name, value in options.items():
        option = getattr(socket, name, None)
        if option is not None:
            link.setsockopt(socket.IPPROTO_TCP, option, value)


def beginning(snapshot: str | None = None) -> str:
    """SQL that begins a read-only transaction, in an exported snapshot where one is given."""
    begin = ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"]
    if snapshot is not None:
        begin.append(f"SET TRANSACTION SNAPSHOT {literal(snapshot)}")
    begin += [f"SET LOCAL {name} = {literal(value)}" for name, value in SETTINGS.items()]
    return "; ".join(begin)


def literal(text: str) -> str:
    """`text` as an SQL string (standard_conforming_strings is on by default since 9.1)."""
    if "\\" in text or "\0" in text:
        raise ValueError("only plain texts are written into SQL")
    return "'" + text.replace("'", "''") + "'"


class Connector:
    """Opens connections to one source; tells `warn` once what TLS leaves open.

    One that is `known` was reached before: when its name isn't resolved, that may pass.
    """

    def __init__(
        self, address: Address, warn: Callable[[str], None], *, known: bool = False
    ) -> None:
        self.address = address
        self._known = known
        home = Path.home() if address.sslrootcert is None else None
        self._protection = protection(address, home)
        self._tls: Tls = _tls(self._protection, address)
        if self._protection.warning:
            warn(self._protection.warning)

    def place(self, doing: str = "") -> Place:
        """Where we are, for error messages."""
        at = self.address
        return Place(at.where, at.database or at.user or "", at.user or "", doing)

    def explain(self, error: BaseException, doing: str = "") -> StreamerError:
        """The user's version of a foreign error; raise it `from None`."""
        return failures.explain(error, self.place(doing))

    async def connect(self) -> Session:
        """A new connection.

        Raises:
            Any of failures.FOREIGN.
        """
        try:
            session = await self._connect()
        except socket.gaierror as error:
            if not self._known:
                raise
            raise HostLostError(error.errno, "a name that was known isn't resolved") from None
        self._known = True
        return session

    async def _connect(self) -> Session:
        opening = asyncio.create_task(self._opened(), name="connect")
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            await _give_up(opening)
            raise

    async def _opened(self) -> Session:
        at = self.address
        return await asyncpg.connect(
            host=list(at.hosts) or None,
            port=list(at.ports) if at.hosts else at.ports[0],
            user=at.user,
            password=at.password.reveal() if at.password is not None else None,
            database=at.database,
            ssl=self._tls,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            statement_cache_size=0,
            server_settings={"application_name": "streamer"},
            connection_class=KeptAlive,
        )


async def _give_up(opening: asyncio.Task[Session]) -> None:
    """Let a connection that nobody waits for any more come about, for a moment, and close it.

    asyncpg 0.32 that is cancelled just then leaves an error that nobody retrieves: the loop tells it.
    """
    await asyncio.wait({opening}, timeout=GIVE_UP_S)
    if not opening.done():
        opening.cancel()
    elif not opening.cancelled() and opening.exception() is None:
        opening.result().terminate()


def _tls(wanted: Protection, address: Address) -> Tls:
    if wanted.mode == "disable":
        return False
    if wanted.mode == "prefer" or wanted.mode == "allow":  # noqa: PLR1714  (narrows the type)
        return wanted.mode
    try:
        context = ssl.create_default_context(cafile=wanted.root)
        if address.sslcert:
            context.load_cert_chain(address.sslcert, address.sslkey)
    except (OSError, ssl.SSLError) as error:
        raise SourceError(
            f"The certificates for PostgreSQL can't be loaded ({type(error).__name__}).",
            hint="Check the files that sslrootcert, sslcert and sslkey name.",
        ) from None
    if wanted.mode in ("require", "verify-ca"):
        context.check_hostname = False
    if wanted.mode == "require":
        context.verify_mode = ssl.CERT_NONE
    return context
