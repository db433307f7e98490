"""A run's requests, recorded on their way to a D1, and sent once more by a loop that does nothing else."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from uuid import uuid4

import aiohttp
from aiohttp import web

from bench.figures import Figures
from bench.machine import cpu_s
from bench.run import Ends, environment, launch, streamer
from tests.engines.d1server import D1Server

_KEPT = ("Authorization", "Content-Type")
_LARGEST_BYTES = 1 << 30


@dataclass(slots=True)
class Request:
    """One request as it was sent, after so many others had been answered; `status` is its answer's."""

    method: str
    path: str
    body: bytes
    after: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a run that moved so many rows into the database `uuid` sent to D1."""

    uuid: str
    rows: int
    requests: Sequence[Request]


@dataclass(slots=True)
class Recording:
    """A server at `port` that hands requests on, and keeps them in the order in which they came."""

    port: int
    requests: list[Request] = field(default_factory=list[Request])


def record(ends: Ends, options: Sequence[str] = ()) -> Recorded:
    """Have the product move a table, and keep what it sends to D1."""
    command = [*streamer(["run", *options]), "--table", ends.work.name]
    with tempfile.TemporaryDirectory(prefix="bench-") as name, recording(ends.d1.port) as kept:
        folder, there = Path(name), f"http://127.0.0.1:{kept.port}/client/v4"
        launch(command, folder, {**environment(ends, folder), "CLOUDFLARE_API_BASE_URL": there})
    return Recorded(ends.uuid, ends.rows, kept.requests)


@contextmanager
def recording(port: int) -> Generator[Recording]:
    """Stand before the D1 at `port` of this machine while the block lasts."""
    ready: Future[tuple[Recording, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(port, ready)), daemon=True)
    thread.start()
    kept, loop, ended = ready.result(timeout=30)
    try:
        yield kept
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


def send(
    sent: Recorded, d1: D1Server, connections: int, *, name: str = "floor"
) -> tuple[str, Figures]:
    """Send it all to a fresh database of `d1`; its uuid and what that took.

    No request leaves before as many are answered as had been when it was recorded: tables are there
    before their rows.

    Raises:
        RuntimeError: an answer's status isn't the recorded one's.

    """
    uuid = d1.create(f"recorded-{uuid4()}")
    d1.stats(reset=True)
    loop = _Loop(d1, [(one, one.path.replace(sent.uuid, uuid)) for one in sent.requests])
    before_cpu, before_own = cpu_s(d1.pid), time.process_time()
    started = time.perf_counter()
    with ThreadPoolExecutor(connections) as senders:
        for done in [senders.submit(loop.send) for _ in range(connections)]:
            done.result()
    wall_s = time.perf_counter() - started
    after_cpu = cpu_s(d1.pid)
    return uuid, Figures(
        name=f"{name}, {connections} connections",
        rows=sent.rows,
        wall_s=wall_s,
        own_cpu_s=time.process_time() - before_own,
        engine_cpu_s=None if before_cpu is None or after_cpu is None else after_cpu - before_cpu,
        requests=int(d1.stats()["requests"]),
        sent_bytes=sum(len(one.body) for one in sent.requests),
    )


class _Loop:
    """What the senders share."""

    def __init__(self, d1: D1Server, requests: Sequence[tuple[Request, str]]) -> None:
        self._d1 = d1
        self._waiting = iter(requests)
        self._answered = 0
        self._failed = False
        self._changed = threading.Condition()

    def send(self) -> None:
        """Send, over one connection, what nobody else has sent, until nothing is left."""
        connection = HTTPConnection("127.0.0.1", self._d1.port, timeout=120)
        try:
            while (following := self._next()) is not None:
                self._exchange(connection, *following)
        except (OSError, HTTPException, RuntimeError):
            self._failed = True  # nobody is to wait for this answer
            raise
        finally:
            connection.close()
            with self._changed:
                self._changed.notify_all()

    def _next(self) -> tuple[Request, str] | None:
        with self._changed:
            if (following := next(self._waiting, None)) is None:
                return None
            after = following[0].after
            self._changed.wait_for(lambda: self._failed or self._answered >= after)
            return None if self._failed else following

    def _exchange(self, connection: HTTPConnection, request: Request, path: str) -> None:
        headers = {"Authorization": f"Bearer {self._d1.token}", "Content-Type": "application/json"}
        connection.request(request.method, path, body=request.body or None, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != request.status:
            raise RuntimeError(
                f"the request was answered otherwise: {answer.status} {text[:500]!r}"
            )
        with self._changed:
            self._answered += 1
            self._changed.notify_all()


async def _serve(
    port: int, ready: Future[tuple[Recording, asyncio.AbstractEventLoop, asyncio.Event]]
) -> None:
    answered = 0

    async def pass_on(request: web.Request) -> web.Response:
        nonlocal answered
        body = await request.read()
        sent = Request(request.method, request.path_qs, body, after=answered)
        kept.requests.append(sent)
        headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
        url = f"http://127.0.0.1:{port}{request.path_qs}"
        async with client.request(request.method, url, data=body, headers=headers) as answer:
            text = await answer.read()
        answered += 1
        sent.status = answer.status
        kind = answer.headers.get("Content-Type", "application/json")
        return web.Response(status=answer.status, body=text, headers={"Content-Type": kind})

    app = web.Application(client_max_size=_LARGEST_BYTES)
    app.router.add_route("*", "/{path:.*}", pass_on)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        kept = Recording(runner.addresses[0][1])
        async with aiohttp.ClientSession() as client:
            ended = asyncio.Event()
            ready.set_result((kept, asyncio.get_running_loop(), ended))
            await ended.wait()
    finally:
        await runner.cleanup()
