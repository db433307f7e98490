"""The one place that talks HTTP to D1: sends one request once, and says what came of it.

Every foreign error becomes a `Break` here, with the facts copied: aiohttp's errors carry the
request's headers, and so the token.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

from streamer.d1.api import EMPTY, Body, Break, Broken, Reply
from streamer.d1.transport import checked_base_url, checked_token
from streamer.frozen import slotted
from streamer.limits import ANSWER_BYTES, REQUEST_TIMEOUT_S
from streamer.model import Secret

CONNECT_TIMEOUT_S = 15.0
# workerd closes idle connections after 5 s; Cloudflare keeps them longer, and a new one is cheap.
IDLE_S = 4.0
PIECE_BYTES = 256 * 1024


@slotted
class _Trip:
    """What tracing saw of one request."""

    reused: bool = False


class _LostError(Exception):
    """A connection ended early; unlike aiohttp's own error, this one makes it not send again."""


class HttpTransport:
    """Keep-alive connections to one API. Nothing is ever sent twice, or to another place.

    There are as many as requests were ever under way at once, and the one that was used last is used next:
    TCP forgets what a connection can take while that rests (RFC 5681, 4.1). One pool of aiohttp's for all of them
    takes turns instead.
    """

    def __init__(
        self,
        base_url: str,
        token: Secret,
        *,
        proxy: Secret | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
        answer_bytes: int = ANSWER_BYTES,
    ) -> None:
        self._base_url = checked_base_url(base_url)
        self._is_encrypted = urlsplit(self._base_url).scheme == "https"
        self._headers = {
            "Authorization": f"Bearer {checked_token(token)}",
            "Content-Type": "application/json",
            "User-Agent": "d1-streamer",
        }
        # To this machine nobody is asked the way; and over http a proxy would read the token.
        self._proxy = proxy.reveal() if proxy is not None and self._is_encrypted else None
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=CONNECT_TIMEOUT_S)
        self._answer_bytes = answer_bytes
        self._resting: list[aiohttp.ClientSession] = []  # each with one connection
        self._busy: set[aiohttp.ClientSession] = set()

    async def send(self, method: str, path: str, body: Body = EMPTY) -> Reply | Break:
        """Send once and read the whole answer."""
        trip = _Trip()
        try:
            return await self._exchange(method, path, body, trip)
        except (aiohttp.ClientError, _LostError, TimeoutError, OSError) as error:
            return _broken(error, reused=trip.reused)

    async def aclose(self) -> None:
        """Close all connections."""
        for session in [*self._resting, *self._busy]:
            await session.close()
        self._resting.clear()

    async def _exchange(self, method: str, path: str, body: Body, trip: _Trip) -> Reply | Break:
        headers = dict(self._headers)
        if body:
            headers["Content-Length"] = str(len(body))
        async with (
            self._connection() as session,
            session.request(
                method,
                self._base_url + path,
                data=_pieces(body) if body else None,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
                trace_request_ctx=trip,
            ) as response,
        ):
            received = bytearray()
            async for piece in response.content.iter_any():
                received += piece
                if len(received) > self._answer_bytes:
                    response.close()
                    return Break(Broken.TOO_LONG, f"an answer over {self._answer_bytes:,} bytes")
            names = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, bytes(received), names)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[aiohttp.ClientSession]:
        """The connection that rests since shortly, for one request at a time; a new one where none does."""
        session = self._resting.pop() if self._resting else self._new()
        self._busy.add(session)
        try:
            yield session
        finally:
            self._busy.discard(session)
            if not session.closed:
                self._resting.append(session)

    def _new(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=1,
                keepalive_timeout=IDLE_S,
                # Checked by the system's certificates, which aiohttp has read when it was
                # loaded: reading them once more takes 17 ms.
                ssl=True,
            ),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            trace_configs=[_tracing()],
            middlewares=[_send_once],
        )


async def _pieces(body: Body) -> AsyncIterator[bytes | memoryview]:
    """The body in pieces of about PIECE_BYTES.

    Each costs a call of the system; given whole, aiohttp warns that it would hold up the event loop.
    """
    waiting: list[bytes] = []
    size = 0
    for piece in body.pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES:
            whole = memoryview(b"".join(waiting))
            for start in range(0, size, 2 * PIECE_BYTES):
                yield whole[start : start + 2 * PIECE_BYTES]
            waiting, size = [], 0
    yield b"".join(waiting)


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Let aiohttp not repeat a GET by itself: each request that is sent must be counted."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, TimeoutError):
        raise
    except (aiohttp.ClientConnectionError, OSError) as error:
        raise _LostError(type(error).__name__) from None


def _tracing() -> aiohttp.TraceConfig:
    async def reused(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        trip: object = context.trace_request_ctx
        if isinstance(trip, _Trip):
            trip.reused = True

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(reused)
    return tracing


def _broken(error: Exception, *, reused: bool) -> Break:
    """What an error of aiohttp's tells, without its text."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ServerFingerprintMismatch():
            how, what = Broken.CERTIFICATE, "the server's certificate was refused"
        case aiohttp.ClientConnectorDNSError():
            how, what = Broken.UNKNOWN_HOST, f"the host name {error.host} can't be resolved"
        case (
            aiohttp.ClientHttpProxyError()
            | aiohttp.ClientConnectorError()
            | aiohttp.ConnectionTimeoutError()
        ):
            how, what = Broken.NOT_CONNECTED, _unconnected(error)
        case TimeoutError():
            how, what = Broken.TIMEOUT, "no whole answer in time"
        case _LostError():
            how = Broken.IDLE_CLOSED if reused else Broken.DISCONNECTED
            what = "the connection was lost before an answer"
        case aiohttp.ClientResponseError():
            how, what = Broken.GARBLED, "what came was no HTTP answer"
        case aiohttp.ClientPayloadError() if isinstance(error.__cause__, ContentEncodingError):
            how, what = Broken.GARBLED, "the answer's compression is broken"
        case _:
            how = Broken.DISCONNECTED
            what = f"the connection was lost within the answer ({type(error).__name__})"
    return Break(how, what)


def _unconnected(
    error: aiohttp.ClientHttpProxyError
    | aiohttp.ClientConnectorError
    | aiohttp.ConnectionTimeoutError,
) -> str:
    """Why there is no connection."""
    match error:
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refuses the connection ({error.status})"
        case aiohttp.ClientProxyConnectionError():
            return f"can't connect to the proxy: {_reason(error.os_error)}"
        case aiohttp.ClientConnectorError():
            return f"can't connect: {_reason(error.os_error)}"
        case _:
            return f"no connection in {CONNECT_TIMEOUT_S:.0f} s"


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
