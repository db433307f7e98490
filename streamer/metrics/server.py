"""Serves a run's metrics and its status page on loopback, while the run lasts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streamer.errors import UsageError
from streamer.metrics.collect import registry_of
from streamer.metrics.status import document
from streamer.progress import Events

HOST = "127.0.0.1"
_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
_PAGES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(events: Events, port: int) -> AsyncGenerator[str]:
    """Serve `/`, `/status.json` and `/metrics` on loopback; gives the address.

    `port` 0 takes any that is free.

    Raises:
        UsageError: the port can't be had.
    """
    app = web.Application(middlewares=[_guarded])
    registry = registry_of(events)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def status(_: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(document(events)), content_type="application/json")

    app.router.add_get("/metrics", metrics)
    app.router.add_get("/status.json", status)
    for path, (name, kind) in _PAGES.items():
        app.router.add_get(path, _page(name, kind))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        try:
            await site.start()
        except OSError as error:
            raise UsageError(
                f"--metrics-port: port {port} of {HOST} can't be had ({error.strerror})",
                hint="Write another port, or 0 for any that is free",
            ) from None
        yield f"http://{HOST}:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def _page(name: str, kind: str) -> Handler:
    text = files("streamer.metrics").joinpath(name).read_text("utf-8")

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind)

    return page


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer only who asks for this machine: a page elsewhere may have its name point here."""
    host = request.headers.get("Host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name not in _HOSTS:
        raise web.HTTPForbidden(text="ask for 127.0.0.1 or localhost\n")
    answer = await handler(request)
    answer.headers.update(_HEADERS)
    return answer
