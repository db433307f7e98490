"""Import and export of whole SQL files, with the habits of the hosted endpoints.

While one works on a database, every other request to it is refused. An import that nobody polls for 15
seconds is rolled back. "Not currently importing anything." answers for finished and rolled back alike.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import cast

from streamer.local_d1 import sqltext
from streamer.local_d1.body import Query
from streamer.local_d1.database import Database, Result
from streamer.local_d1.dump import dump
from streamer.local_d1.engine import never
from streamer.local_d1.errors import ApiError, failed, malformed
from streamer.local_d1.storage import ObjectStorage

_STOP_AGAIN_S = 0.02
_FOREIGN_KEYS_OFF = re.compile(r"\s*PRAGMA\s+foreign_keys\s*=\s*(off|0|false|no)\s*", re.IGNORECASE)
_IDLE = "Not currently importing anything."

Answer = dict[str, object]
OnThread = Callable[[Callable[[Database], Answer]], Awaitable[Answer]]
"""Runs a function of the database on the database's own thread."""


@dataclass(slots=True)
class _Work:
    """An import or export under way, or done and not yet told."""

    kind: str
    task: asyncio.Task[Answer]
    polled_at: float
    abandoned: bool = False


class Bulk:
    """The imports and exports of one database, one at a time."""

    def __init__(
        self,
        database: str,
        storage: ObjectStorage,
        on_thread: OnThread,
        stop: Callable[[], None],
        poll_s: float,
    ) -> None:
        """`database` is its id; `stop` interrupts what runs on its thread.

        An import that isn't polled for `poll_s` seconds is rolled back.
        """
        self._poll_s = poll_s
        self._database = database
        self._storage = storage
        self._on_thread = on_thread
        self._stop = stop
        self._work: _Work | None = None

    def refuse_others(self) -> None:
        """Raise ApiError while an import or export is under way."""
        if self._work is not None and not self._work.task.done():
            raise failed(f"Currently processing a long-running {self._work.kind}.")

    async def close(self) -> None:
        """Stop what is under way; it is rolled back."""
        while self._work is not None and not self._work.task.done():
            self._stop()
            await asyncio.wait([self._work.task], timeout=_STOP_AGAIN_S)

    async def import_(self, body: Mapping[str, object], origin: str) -> Answer:
        """Answer one call of the import endpoint; `origin` is where uploads go."""
        action = body.get("action")
        if action == "poll":
            return await self._poll("import")
        etag = str(body.get("etag", ""))
        name = f"{self._database}.{etag}.sql"
        if action == "init":
            if self._storage.holds(name, etag):
                return self._start_import(name)  # the same file again needs no upload
            url = f"{origin}/__r2/{name}"
            return _active("import", filename=name, upload_url=url)
        if action != "ingest":
            raise malformed("action must be init, ingest or poll")
        if not self._storage.holds(str(body.get("filename", "")), etag):
            return _unsuccessful("Import file not found")
        return self._start_import(str(body["filename"]))

    async def export(self, body: Mapping[str, object], origin: str) -> Answer:
        """Answer one call of the export endpoint: the first starts it, the next ones poll."""
        if body.get("output_format") != "polling":
            raise malformed("output_format must be polling")
        if body.get("current_bookmark"):
            return await self._poll("export")
        self.refuse_others()
        options = cast("dict[str, object]", body.get("dump_options") or {})
        self._begin("export", self._export(options, origin))
        return _active("export")

    def _start_import(self, name: str) -> Answer:
        self.refuse_others()
        self._begin("import", self._import(self._storage.get(name).decode()))
        return _active("import", filename=name)

    def _begin(self, kind: str, work: Awaitable[Answer]) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work)
        self._work = _Work(kind, task, loop.time())
        if kind == "import":
            self._watch(self._work, loop)

    def _watch(self, work: _Work, loop: asyncio.AbstractEventLoop) -> None:
        """Roll an import back that isn't polled for; it goes on until the engine has stopped."""
        if work.task.done():
            if work.abandoned:
                self._work = None
            return
        left = work.polled_at + self._poll_s - loop.time()
        if left <= 0:
            work.abandoned = True
            self._stop()  # of no effect between two statements, so it is repeated
        loop.call_later(max(left, _STOP_AGAIN_S), self._watch, work, loop)

    async def _poll(self, kind: str) -> Answer:
        work = self._work
        if work is None or work.kind != kind or work.abandoned:
            return _unsuccessful(_IDLE.replace("import", kind))
        work.polled_at = asyncio.get_running_loop().time()
        await asyncio.wait([work.task], timeout=0.2)
        if not work.task.done():
            return _active(kind)
        self._work = None
        return work.task.result()

    async def _import(self, sql: str) -> Answer:
        def ingest(database: Database) -> Answer:
            statements = sqltext.split(sql)
            kept = [one for one in statements if not _FOREIGN_KEYS_OFF.fullmatch(one)]
            queries = [Query(statement) for statement in kept]
            try:
                checked = len(kept) == len(statements)
                results = database.run(queries, foreign_keys=checked, over=never)
            except ApiError as error:
                return _ended("import", "error", errors=[error.message], error=error.message)
            return _ended("import", "complete", result=_figures(results))

        return await self._on_thread(ingest)

    async def _export(self, options: Mapping[str, object], origin: str) -> Answer:
        def write(database: Database) -> Answer:
            name = self._storage.new_name("sql")
            self._storage.put(name, dump(database, options).encode())
            result = {"filename": name, "signed_url": f"{origin}/__r2/{name}"}
            return _ended("export", "complete", result=result)

        return await self._on_thread(write)


def _figures(results: list[Result]) -> Answer:
    meta = {
        "duration": sum(result.meta.duration for result in results),
        "changes": sum(result.meta.changes for result in results),
        "rows_read": sum(result.meta.rows_read for result in results),
        "rows_written": sum(result.meta.rows_written for result in results),
        "size_after": results[-1].meta.size_after if results else 0,
    }
    return {"num_queries": len(results), "final_bookmark": "local", "meta": meta}


def _active(kind: str, **more: object) -> Answer:
    return {
        "success": True,
        "type": kind,
        "status": "active",
        "at_bookmark": "local",
        "messages": [],
        "errors": [],
        **more,
    }


def _ended(kind: str, status: str, **more: object) -> Answer:
    return {**_active(kind), "status": status, **more}


def _unsuccessful(error: str) -> Answer:
    return {"success": False, "error": error, "errors": [error], "messages": []}
