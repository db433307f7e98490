"""Cloudflare's REST paths over the databases of a directory."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson
from aiohttp import web

from streamer.local_d1 import answers
from streamer.local_d1 import body as bodies
from streamer.local_d1.errors import ApiError, LocalD1Error
from streamer.local_d1.faults import Faults, ScriptedFault, Troublemaker
from streamer.local_d1.registry import Entry, Registry
from streamer.local_d1.storage import ObjectStorage
from streamer.local_d1.worker import DatabaseWorker, Times

_BODY_BYTES = 100_000_000  # developers.cloudflare.com/workers/platform/limits: a request's body
_ACCOUNT = "[A-Za-z0-9_-]{1,64}"
_DATABASES = f"/client/v4/accounts/{{account:{_ACCOUNT}}}/d1/database"
_NO_ROUTE = "Could not route to {path}, perhaps your object identifier is invalid?"

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LocalD1:
    """A local D1. Use it as `async with LocalD1(directory) as d1: ... d1.base_url`.

    Any account id will do. Without a `token` no request is checked. One directory, one server.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        token: str = "",
        faults: Faults | None = None,
        times: Times | None = None,
    ) -> None:
        self._directory = directory
        self._port = port
        self._token = token
        self._troublemaker = Troublemaker(faults or Faults())
        self._times = times or Times()
        self._storage = ObjectStorage()
        self._workers: dict[str, DatabaseWorker] = {}
        self._stats = _Stats()
        self._running = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start serving; raises LocalD1Error."""
        async with contextlib.AsyncExitStack() as stack:
            self._registry = Registry(self._directory)
            stack.callback(self._registry.close)
            stack.push_async_callback(self._close_workers)
            runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=10.0)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await self._listen(runner)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._running.aclose()

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return self._port

    @property
    def base_url(self) -> str:
        """What CLOUDFLARE_API_BASE_URL takes."""
        return f"http://127.0.0.1:{self._port}/client/v4"

    async def create(self, name: str) -> str:
        """The uuid of the database of this name, which is created where there is none."""
        for entry in self._registry.entries():
            if entry.name == name:
                return entry.uuid
        return self._registry.create(name).uuid

    async def _listen(self, runner: web.AppRunner) -> None:
        site = web.TCPSite(runner, "127.0.0.1", self._port)
        try:
            await site.start()
        except OSError as error:
            raise LocalD1Error(
                f"Port {self._port} can't be listened on ({error.strerror}).",
                hint="Choose another with --port, or 0 for a free one.",
            ) from None
        self._port = int(runner.addresses[0][1])

    async def _close_workers(self) -> None:
        for worker in self._workers.values():
            await worker.close()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=_BODY_BYTES, middlewares=[self._envelope])
        one = f"{_DATABASES}/{{database}}"
        application.add_routes(
            [
                web.get("/client/v4/user/tokens/verify", self._verify),
                web.get("/client/v4/accounts", self._accounts),
                web.get(_DATABASES, self._list),
                web.post(_DATABASES, self._create),
                web.get(one, self._get),
                web.delete(one, self._delete),
                web.post(f"{one}/{{form:query|raw}}", self._run),
                web.post(f"{one}/import", self._import),
                web.post(f"{one}/export", self._export),
                web.get(f"{one}/time_travel/bookmark", self._bookmark),
                web.post(f"{one}/time_travel/restore", self._restore),
                web.put("/__r2/{name}", self._put),
                web.get("/__r2/{name}", self._fetch),
                web.route("*", "/__faults", self._script),
                web.route("*", "/__stats", self._show_stats),
            ]
        )
        return application

    @web.middleware
    async def _envelope(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/__"):
            return await _enveloped(request, handler)
        try:
            content = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _failure(413, 7400, "The request is too large")
        self._stats.arrived(request.method, request.path, len(content))
        try:
            return await self._troubled(request, content, handler)
        finally:
            self._stats.left()

    async def _troubled(
        self, request: web.Request, content: bytes, handler: Handler
    ) -> web.StreamResponse:
        now = asyncio.get_running_loop().time()
        trouble = self._troublemaker.next(request.path, content, now)
        if trouble.delay_s:
            await asyncio.sleep(trouble.delay_s)
        failure = trouble.failure
        if failure is None or failure.applied:
            response = await _enveloped(request, self._checked(handler))
            if failure is None:
                return response
        if failure.drop:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if failure.body is not None:
            return web.Response(status=failure.status, text=failure.body, headers=failure.headers)
        return _failure(failure.status, failure.code, failure.message, dict(failure.headers))

    def _checked(self, handler: Handler) -> Handler:
        async def check(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization")
            if self._token and given is None:
                raise ApiError(400, 9106, "Authentication failed")
            if self._token and given != f"Bearer {self._token}":
                raise ApiError(403, 10000, "Authentication error")
            return await handler(request)

        return check

    async def _verify(self, _: web.Request) -> web.Response:
        return _ok({"id": "local", "status": "active"})

    async def _accounts(self, _: web.Request) -> web.Response:
        return _ok([{"id": "local", "name": "local"}])

    async def _list(self, request: web.Request) -> web.Response:
        page = _count(request, "page", 1)
        per_page = _count(request, "per_page", 100)
        part_of_name = request.query.get("name", "")
        found = [entry for entry in self._registry.entries() if part_of_name in entry.name]
        part = found[(page - 1) * per_page : page * per_page]
        info = {"page": page, "per_page": per_page, "count": len(part), "total_count": len(found)}
        return _ok([_described(entry) for entry in part], result_info=info)

    async def _create(self, request: web.Request) -> web.Response:
        name = bodies.parse(await request.read()).get("name")
        entry = self._registry.create(name if isinstance(name, str) else "")
        return _ok({**_described(entry), "num_tables": 0, "file_size": 0})

    async def _get(self, request: web.Request) -> web.Response:
        entry = self._entry(request)
        tables, size = await self._worker(entry).figures()
        replication = {"mode": "disabled"}
        figures = {"num_tables": tables, "file_size": size, "read_replication": replication}
        return _ok({**_described(entry), **figures})

    async def _delete(self, request: web.Request) -> web.Response:
        entry = self._entry(request)
        if (worker := self._workers.pop(entry.uuid, None)) is not None:
            await worker.close()
        self._registry.remove(entry)
        return _ok(None)

    async def _run(self, request: web.Request) -> web.Response:
        worker = self._worker(self._entry(request))
        queries = bodies.queries(bodies.parse(await request.read()))
        shown = answers.as_arrays if request.match_info["form"] == "raw" else answers.as_objects
        return _ok([shown(result) for result in await worker.run(queries)])

    async def _import(self, request: web.Request) -> web.Response:
        worker = self._worker(self._entry(request))
        body = bodies.parse(await request.read())
        return _ok(await worker.bulk.import_(body, str(request.url.origin())))

    async def _export(self, request: web.Request) -> web.Response:
        worker = self._worker(self._entry(request))
        body = bodies.parse(await request.read())
        return _ok(await worker.bulk.export(body, str(request.url.origin())))

    async def _bookmark(self, request: web.Request) -> web.Response:
        return _ok({"bookmark": await self._worker(self._entry(request)).bookmark()})

    async def _restore(self, request: web.Request) -> web.Response:
        wanted = request.query.get("bookmark", "")
        left = await self._worker(self._entry(request)).restore(wanted)
        message = f"Database restored to bookmark {wanted}"
        return _ok({"bookmark": wanted, "previous_bookmark": left, "message": message})

    async def _put(self, request: web.Request) -> web.Response:
        etag = self._storage.put(request.match_info["name"], await request.read())
        return web.Response(headers={"ETag": f'"{etag}"'})

    async def _fetch(self, request: web.Request) -> web.Response:
        content = self._storage.get(request.match_info["name"])
        return web.Response(body=content, content_type="application/sql")

    async def _script(self, request: web.Request) -> web.Response:
        match request.method:
            case "POST":
                self._troublemaker.script = ScriptedFault.script(await request.read())
            case "DELETE":
                self._troublemaker.script = []
            case _:
                pass
        return _json(
            [{"match": line.match, "times": line.times} for line in self._troublemaker.script]
        )

    async def _show_stats(self, request: web.Request) -> web.Response:
        answer = _json(self._stats.shown())
        if request.method == "DELETE":
            self._stats.reset()
        return answer

    def _entry(self, request: web.Request) -> Entry:
        return self._registry.find(request.match_info["database"])

    def _worker(self, entry: Entry) -> DatabaseWorker:
        if entry.uuid not in self._workers:
            file = self._registry.file(entry)
            self._workers[entry.uuid] = DatabaseWorker(file, entry.uuid, self._storage, self._times)
        return self._workers[entry.uuid]


class _Stats:
    """What was asked, since the start or the last reset."""

    def __init__(self) -> None:
        self._in_flight = 0
        self.reset()

    def reset(self) -> None:
        self._by: Counter[str] = Counter()
        self._bytes = 0
        self._most = 0

    def arrived(self, method: str, path: str, size: int) -> None:
        self._by[f"{method} {path.rsplit('/', 1)[-1]}"] += 1
        self._bytes += size
        self._in_flight += 1
        self._most = max(self._most, self._in_flight)

    def left(self) -> None:
        self._in_flight -= 1

    def shown(self) -> dict[str, object]:
        return {
            "requests": self._by.total(),
            "by": dict(self._by),
            "in_flight_max": self._most,
            "request_bytes": self._bytes,
        }


async def _enveloped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The handler's answer, with every refusal in Cloudflare's shape."""
    try:
        return await handler(request)
    except ApiError as error:
        return _failure(error.status, error.code, error.message)
    except web.HTTPException as error:  # no such path, or not by this method
        return _failure(error.status, 7003, _NO_ROUTE.format(path=request.path))
    except Exception:  # a fault of ours: the client still gets an answer it can read
        log.exception("%s %s failed", request.method, request.path)
        return _failure(500, 7500, "internal error; reference = local-d1")


def _described(entry: Entry) -> dict[str, object]:
    return {**asdict(entry), "version": "production", "running_in_region": "LOCAL"}


def _count(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise ApiError(400, 7400, f"The request is malformed: {name} must be a positive number")
    return int(text)


def _ok(result: object, **more: object) -> web.Response:
    return _json(answers.success(result, **more))


def _failure(
    status: int, code: int, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    return _json(answers.failure(code, message), status, headers)


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        headers=headers,
        content_type="application/json",
    )
