"""What stands between a run and its D1: sees every request, and may keep or repeat it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

import aiohttp
from aiohttp import web

from tests.engines.d1server import D1Server

Forward = Callable[[], Awaitable[web.Response]]
Deal = Callable[["Request", Forward], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request on its way; `number` counts, from 1, those that carry statements (0: others)."""

    number: int
    method: str
    path: str
    body: bytes


class Between:
    """An HTTP proxy on loopback. `deal` decides on each request that carries statements."""

    def __init__(self, server: D1Server) -> None:
        self.deal: Deal = _forward
        self.requests = 0
        self.server = server
        self._upstream: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/client/v4"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        # Idle connections are closed by workerd; a fresh one each time can't meet that.
        self._upstream = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        assert self._upstream is not None
        await self._runner.cleanup()
        await self._upstream.close()

    def hold_up(self, held: bytes, behind: bytes) -> asyncio.Event:
        """Never forward what has `held` in it; what is set once something with `behind` was answered."""
        enough, never = asyncio.Event(), asyncio.Event()

        async def deal(request: Request, forward: Forward) -> web.Response:
            if held in request.body:
                await never.wait()
            answer = await forward()
            if behind in request.body:
                enough.set()
            return answer

        self.deal = deal
        return enough

    async def send(self, request: Request) -> web.Response:
        """Hand a request to the server: now, once more, or late."""
        assert self._upstream is not None
        async with self._upstream.request(
            request.method,
            f"http://127.0.0.1:{self.server.port}{request.path}",
            data=request.body or None,
            headers={"Authorization": f"Bearer {self.server.token}"},
        ) as answer:
            body = await answer.read()
            return web.Response(
                status=answer.status, body=body, headers={"Content-Type": answer.content_type}
            )

    async def _handle(self, came: web.Request) -> web.Response:
        carries = came.path.endswith("/raw")
        if carries:
            self.requests += 1
        request = Request(
            self.requests if carries else 0, came.method, came.path_qs, await came.read()
        )

        async def forward() -> web.Response:
            return await asyncio.shield(self.send(request))

        return await (self.deal(request, forward) if carries else forward())


async def _forward(_request: Request, forward: Forward) -> web.Response:
    return await forward()
