"""api.cloudflare.com, for programs that can't be told another address: a local D1, over TLS."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from tests.engines.connect_proxy import join, proxying

_HOST = "api.cloudflare.com"


@contextmanager
def standing_in(port: int, folder: Path) -> Generator[dict[str, str]]:
    """Have whoever gets these environment variables find in Cloudflare's place what listens on `port`.

    They name a proxy that leads nowhere else, and a certificate made in `folder` as the only one to
    trust. Go's programs heed both: https://pkg.go.dev/net/http#ProxyFromEnvironment,
    https://pkg.go.dev/crypto/x509#SystemCertPool.

    Raises:
        RuntimeError: there is no openssl to make the certificate.

    """
    certificate, key = folder / "cloudflare.pem", folder / "cloudflare.key"
    _certify(certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    ready: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = Thread(target=lambda: asyncio.run(_serve(port, context, ready)), daemon=True)
    thread.start()
    at, loop, ended = ready.result(timeout=30)
    try:
        yield {"HTTPS_PROXY": f"http://127.0.0.1:{at}", "SSL_CERT_FILE": str(certificate)}
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


async def _serve(
    port: int,
    context: ssl.SSLContext,
    ready: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]],
) -> None:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await join((reader, writer), await asyncio.open_connection("127.0.0.1", port))

    ended = asyncio.Event()
    server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
    async with (
        server,
        proxying(ports={f"{_HOST}:443": server.sockets[0].getsockname()[1]}) as proxy,
    ):
        ready.set_result((proxy.port, asyncio.get_running_loop(), ended))
        await ended.wait()


def _certify(certificate: Path, key: Path) -> None:
    command = [
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", f"/CN={_HOST}", "-addext", f"subjectAltName=DNS:{_HOST}"),
        *("-keyout", str(key), "-out", str(certificate)),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except OSError as error:
        raise RuntimeError(f"no certificate can be made: {error}") from error
