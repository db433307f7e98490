"""HTTP as it really happens: a server on loopback that misbehaves, byte by byte."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from streamer.d1.api import Body, Break, Broken, Reply
from streamer.d1.http import HttpTransport
from streamer.d1.transport import checked_base_url, checked_token
from streamer.errors import UsageError
from streamer.model import Secret, Statement
from streamer.model.printed import PrintedRows
from streamer.postgres.copied import printed_rows

TOKEN = Secret("canary-token")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request, head and body; b"" when the client is gone."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = next(
        (
            int(line[15:])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    return head + await reader.readexactly(length)


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Server:
    """Answers each request with the next of its scripted byte strings, then closes on None."""

    def __init__(self, *script: bytes | None) -> None:
        self.script = list(script)
        self.requests: list[bytes] = []
        self.connections = 0
        self.used: list[int] = []  # the connection of each request, from 1
        self.came = asyncio.Event()  # a request
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while request := await read_request(reader):
                self.requests.append(request)
                self.used.append(number)
                self.came.set()
                reply = self.script.pop(0) if self.script else answer(b"{}")
                if reply is None:
                    break
                writer.write(reply)
                await writer.drain()
                if b"Connection: close" in reply:
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listener.close()


@asynccontextmanager
async def client(url: str, **options) -> AsyncIterator[HttpTransport]:
    transport = HttpTransport(url, TOKEN, **options)
    try:
        yield transport
    finally:
        await transport.aclose()


SMALL = Body((Statement("SELECT 1"),))


async def exchange(*script: bytes | None, body: Body = SMALL, **options) -> Reply | Break:
    """What comes of one POST to a server with this script."""
    async with serving(Server(*script)) as server, client(server.url, **options) as http:
        return await http.send("POST", "/raw", body)


async def test_a_request_carries_the_token_and_the_whole_body_once() -> None:
    rows = printed_rows(b"7,'\\'\"'\n" * 500_000, 500_000)
    assert isinstance(rows, PrintedRows)
    long = b'["' + b"x" * 2_000_000 + b'"]'
    body = Body((Statement("A ?", long), Statement("B ?", rows)))  # 12 MB

    async with serving(Server()) as server, client(server.url + "/client/v4/") as http:
        await http.send("POST", "/x?y=1", body)

    (request,) = server.requests
    head, _, sent = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /client/v4/x?y=1 HTTP/1.1")
    assert b"Authorization: Bearer canary-token" in head
    assert sent == b"".join(body.pieces)
    assert len(sent) == len(body)
    first, second = orjson.loads(sent)["batch"]
    assert first == {"sql": "A ?", "params": ["x" * 2_000_000]}
    assert second["params"][0][:20] == """[[7,'\\'"'],[7,'\\'"']"""[:20]


async def test_an_answer_comes_with_its_status_and_its_headers_in_lower_case() -> None:
    reply = await exchange(answer(b"slow down", b"Retry-After: 7", status=b"429 Too Many"))

    assert isinstance(reply, Reply)
    assert (reply.status, reply.body, reply.headers["retry-after"]) == (429, b"slow down", "7")


async def test_a_compressed_answer_is_read_and_garbage_in_its_place_is_not() -> None:
    whole = await exchange(answer(gzip.compress(b'{"a":1}'), b"Content-Encoding: gzip"))
    broken = await exchange(answer(b"\x1f\x8b garbage", b"Content-Encoding: gzip"))

    assert isinstance(whole, Reply)
    assert whole.body == b'{"a":1}'
    assert isinstance(broken, Break)
    assert broken.how is Broken.GARBLED


async def test_a_connection_is_kept_and_used_again() -> None:
    async with serving(Server()) as server, client(server.url) as http:
        for _ in range(5):
            await http.send("POST", "/raw", SMALL)

    assert server.connections == 1


async def test_of_several_connections_the_one_that_was_used_last_is_used_next() -> None:
    async with serving(Server()) as server, client(server.url) as http:
        await asyncio.gather(*(http.send("POST", "/raw", SMALL) for _ in range(3)))
        for _ in range(5):
            await http.send("POST", "/raw", SMALL)

    assert sorted(server.used[:3]) == [1, 2, 3]
    assert len({*server.used[3:]}) == 1


async def test_connections_under_way_are_closed_too() -> None:
    async with serving(Server(answer(b"{}")[:-1])) as server, client(server.url) as http:
        waiting = asyncio.create_task(http.send("POST", "/raw", SMALL))
        await server.came.wait()
        await http.aclose()
        broken = await waiting
        again = await http.send("POST", "/raw", SMALL)

    assert isinstance(broken, Break)
    assert isinstance(again, Reply)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_kept_connection_that_was_closed_is_told_apart_and_nothing_is_sent_twice(
    method,
) -> None:
    body = Body() if method == "GET" else SMALL
    script = (answer(b"1"), None, answer(b"3"))
    async with serving(Server(*script)) as server, client(server.url) as http:
        first = await http.send(method, "/raw", body)
        second = await http.send(method, "/raw", body)
        third = await http.send(method, "/raw", body)

    assert isinstance(first, Reply)
    assert isinstance(second, Break)
    assert second.how is Broken.IDLE_CLOSED
    assert isinstance(third, Reply)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("script", "how"),
    [
        (None, Broken.DISCONNECTED),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf",
            Broken.DISCONNECTED,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhal",
            Broken.DISCONNECTED,
        ),
        (b"SSH-2.0-OpenSSH_9.7\r\n\r\n", Broken.GARBLED),
    ],
)
async def test_an_answer_that_ends_early_or_is_none_is_no_reply(script, how) -> None:
    outcome = await exchange(script)

    assert isinstance(outcome, Break)
    assert outcome.how is how


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_lost_connection_is_not_tried_again_behind_the_callers_back(method) -> None:
    async with serving(Server(None)) as server, client(server.url) as http:
        outcome = await http.send(method, "/raw")

    assert isinstance(outcome, Break)
    assert len(server.requests) == 1


async def test_fault_10_an_answer_over_the_cap_is_cut_off() -> None:
    bomb = gzip.compress(b"x" * 5_000_000)

    plain = await exchange(answer(b"x" * 200_000), answer_bytes=100_000)
    packed = await exchange(answer(bomb, b"Content-Encoding: gzip"), answer_bytes=100_000)

    assert isinstance(plain, Break)
    assert plain.how is Broken.TOO_LONG
    assert isinstance(packed, Break)
    assert packed.how is Broken.TOO_LONG


async def test_a_server_that_never_ends_its_answer_times_out() -> None:
    outcome = await exchange(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nslow", timeout_s=0.05)

    assert isinstance(outcome, Break)
    assert outcome.how is Broken.TIMEOUT


async def test_nobody_listening_means_that_nothing_was_sent() -> None:
    async with serving(Server()) as server:
        url = server.url

    async with client(url) as http:
        outcome = await http.send("POST", "/raw", SMALL)

    assert isinstance(outcome, Break)
    assert outcome.how is Broken.NOT_CONNECTED
    assert "canary" not in repr(outcome)


async def test_a_redirect_is_reported_and_not_followed() -> None:
    async with serving(Server()) as elsewhere:
        location = b"Location: " + elsewhere.url.encode()
        reply = await exchange(answer(b"", location, status=b"307 Temporary Redirect"))

    assert isinstance(reply, Reply)
    assert reply.status == 307
    assert elsewhere.connections == 0


async def test_a_certificate_of_ones_own_making_is_refused_before_the_token_is_sent() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(Path(__file__).with_name("self_signed.pem"))

    async with serving(Server(), tls) as server, client(server.url) as http:
        outcome = await http.send("POST", "/raw", SMALL)

    assert isinstance(outcome, Break)
    assert outcome.how is Broken.CERTIFICATE
    assert not server.requests


async def test_proxies_of_the_environment_are_not_used(monkeypatch) -> None:
    async with serving(Server()) as proxy, serving(Server()) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        async with client(server.url) as http:
            await http.send("POST", "/raw", SMALL)

    assert proxy.connections == 0
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://api.cloudflare.com/client/v4",
        "http://localhost:8787",
        "http://127.0.0.1:1/client/v4",
        "http://[::1]:8787",
        "http://127.9.9.9",
    ],
)
def test_https_goes_anywhere_and_http_to_this_machine(url) -> None:
    assert checked_base_url(url + "/") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.cloudflare.com/client/v4",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://192.168.0.1",
        "ftp://localhost",
        "https://user:word@api.cloudflare.com",
        "https://api.cloudflare.com/?a=b",
        "https://",
        "https://[::1",
        "http://localhost:99999",
        "api.cloudflare.com",
        "",
    ],
)
def test_an_address_that_would_give_the_token_away_is_refused(url) -> None:
    with pytest.raises(UsageError, match=r"base URL"):
        checked_base_url(url)


@pytest.mark.parametrize("text", ["", "a\nb", "a\r\nX: y", "a b", "tökén", "a\x00", "a\n"])
def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(text) -> None:
    with pytest.raises(UsageError) as caught:
        checked_token(Secret(text))

    assert "CLOUDFLARE_API_TOKEN" in caught.value.hint
    assert not text or text not in str(caught.value)
