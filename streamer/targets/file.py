"""D1's API without a server: answered in this process, from a plain SQLite file.

The engine is the local D1's, so that all of D1's limits and refusals hold, in D1's words. What
differs is how the file is kept: as SQLite's own tools expect it, and safe against power cuts.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import field
from math import inf
from pathlib import Path
from typing import ClassVar, Self, TypeVar

import orjson

from streamer.d1.api import EMPTY, Body, Break, Reply, database_path
from streamer.errors import StreamerError, TargetError, TargetUnavailableError, UsageError
from streamer.frozen import slotted
from streamer.local_d1 import answers
from streamer.local_d1 import body as bodies
from streamer.local_d1.database import Database, Result
from streamer.local_d1.engine import Engine, SqliteError
from streamer.local_d1.errors import ApiError
from streamer.model.printed import PrintedRows
from streamer.targets.place import Place, in_use, inspect, located, user_of

# A rollback journal: at any moment the file is a plain one, or one that SQLite mends by itself.
# EXTRA makes its removal, which is the commit, survive a power cut, as the checkpoint does.
_PRAGMAS = ("synchronous=EXTRA", "cache_size=-32000")
_ALONE = ("busy_timeout=500", "locking_mode=EXCLUSIVE")
_NOWHERE = Path(":memory:")  # stands for a file that isn't there, while nobody writes
_CODE = re.compile(r": (SQLITE_[A-Z]+)(?: \(extended: \w+\))?$")

_TROUBLE: dict[str, tuple[type[StreamerError], str, str]] = {
    "SQLITE_FULL": (
        TargetUnavailableError,
        "there is no room left on the disk",
        "Make room, then go on with --resume",
    ),
    "SQLITE_IOERR": (
        TargetError,
        "the disk failed to read or write",
        "Look after the disk, and after quotas; then go on with --resume",
    ),
    "SQLITE_READONLY": (
        TargetError,
        "it can't be written any more",
        "Was it moved, or made read-only? Then go on with --resume",
    ),
    "SQLITE_CANTOPEN": (
        TargetError,
        "it, or its journal beside it, can't be opened",
        "Give this user the right to write into its folder, then go on with --resume",
    ),
    "SQLITE_BUSY": (
        TargetError,
        "another program uses it",
        "End that program (`wrangler dev`?), then go on with --resume",
    ),
    "SQLITE_CORRUPT": (TargetError, "it is damaged", "Restore it, or begin with another file"),
    "SQLITE_NOTADB": (TargetError, "it is damaged", "Restore it, or begin with another file"),
}

T = TypeVar("T")


Queries = Callable[[], Iterable[bodies.Query]]


@slotted
class _Request:
    """Statements to run, whose answer goes into `done`; unless it isn't wanted any more."""

    queries: Queries
    done: Future[Reply] = field(default_factory=Future[Reply])
    is_wanted: bool = True


class FileTransport:
    """Answers D1's API for one database, on a thread of its own.

    Meanwhile the next rows are read: SQLite works without the interpreter. Requests that came
    while it worked share a transaction, and so the wait for the disk; to each it looks like its own.
    """

    account: ClassVar[str] = "local"
    database: ClassVar[str] = "00000000-0000-4000-8000-000000000000"

    def __init__(self, path: Path, database: Database, place: Place | None) -> None:
        """Own `database`, which is the file at `path`; without a `place` nothing is written."""
        self._path = path
        self._database = database
        self._place = place
        self._base = database_path(self.account, self.database)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-file")
        self._in_utf8 = database.ask("PRAGMA encoding") == [("UTF-8",)]
        self._waiting = deque[_Request]()

    @classmethod
    def open(cls, path: Path, *, writing: bool, guard: Path | None = None) -> Self:
        """Open the file at `path`; only to be looked at, it is neither made nor locked.

        A Worker's database has a `guard`, which `wrangler dev` keeps open, and a folder that needn't
        exist. While it is written nobody else may open it.

        Raises:
            UsageError: it can't be a target.
            TargetError: it is in use, or damaged.
        """
        if guard is not None and writing:
            _keep_out(guard)
        path = located(path)
        place = Place.take(path) if writing else None
        if place is None and (user := user_of(path)):
            raise in_use(path, user)
        absent = guard is not None and not path.parent.is_dir()
        there = place is not None or (not absent and inspect(path))
        try:
            database = _opened(path if there else _NOWHERE, alone=guard is not None and writing)
        except SqliteError as error:
            if place is not None:
                place.leave(unused=True)
            raise _trouble(path, error) from None
        return cls(path, database, place)

    async def send(self, method: str, path: str, body: Body = EMPTY) -> Reply | Break:
        """The answer, as D1 would give it.

        Raises:
            StreamerError: something is wrong with the file that D1 has no words for.
        """
        match method, path.removeprefix(self._base):
            case "GET", "":
                return await self._do(self._describe)
            case "POST", "/raw":
                return await self._answer(lambda: _queries(body, in_utf8=self._in_utf8))
            case _:
                return _reply(404, answers.failure(7003, "no such route"))

    async def aclose(self) -> None:
        """Leave a plain file, which others may use."""
        await self._do(self._close)
        self._thread.shutdown()

    async def _answer(self, queries: Queries) -> Reply:
        request = _Request(queries)
        self._waiting.append(request)
        self._thread.submit(self._serve)
        try:
            return await asyncio.wrap_future(request.done)
        except asyncio.CancelledError:
            request.is_wanted = False
            raise
        except ApiError as error:
            found = _CODE.search(error.message)
            if found is not None and found[1] in _TROUBLE:
                raise _known(self._path, found[1]) from None
            return _reply(error.status, answers.failure(error.code, error.message))

    def _serve(self) -> None:
        """Answer all that wait: in one transaction where they all succeed, else one by one."""
        if not self._waiting:
            return  # the last time has answered them
        requests = list[_Request]()
        try:
            found = self._database.run_together(
                self._taken(requests), over=lambda: any(not one.is_wanted for one in requests)
            )
            for request, results in zip(requests, found or (), strict=found is not None):
                request.done.set_result(_success(results))
            for request in requests if found is None else ():
                self._serve_alone(request)
        except BaseException as error:  # noqa: BLE001 - raised where they are waited for
            for request in requests:
                if not request.done.done():
                    request.done.set_exception(error)

    def _taken(self, requests: list[_Request]) -> Iterator[Iterable[bodies.Query]]:
        """What waits, and what comes before the last of it is done; each goes into `requests`."""
        while self._waiting:
            request = self._waiting.popleft()
            if request.done.set_running_or_notify_cancel():
                requests.append(request)
                yield request.queries()

    def _serve_alone(self, request: _Request) -> None:
        if not request.is_wanted:
            request.done.set_exception(asyncio.CancelledError())
            return
        try:
            results = self._database.run(request.queries(), over=lambda: not request.is_wanted)
            request.done.set_result(_success(results))
        except SqliteError as error:  # of BEGIN or ROLLBACK, which no client sends
            request.done.set_exception(_trouble(self._path, error))
        except ApiError as error:
            request.done.set_exception(error)

    async def _do(self, work: Callable[[], T]) -> T:
        """Do `work` on the thread."""
        return await asyncio.wrap_future(self._thread.submit(work))

    def _describe(self) -> Reply:
        size = self._database.size
        return _reply(200, answers.success({"uuid": self.database, "file_size": size}))

    def _close(self) -> None:
        unused = False
        with suppress(SqliteError):
            unused = self._database.ask("SELECT count(*) FROM sqlite_schema") == [(0,)]
            if self._database.writes:
                self._database.ask("PRAGMA journal_mode = DELETE")  # it may have come as another
        self._database.close()
        if self._place is not None:
            self._place.leave(unused=unused)


def _success(results: Iterable[Result]) -> Reply:
    return _reply(200, answers.success([answers.as_arrays(result) for result in results]))


def _queries(body: Body, *, in_utf8: bool) -> Iterator[bodies.Query]:
    """The statements of a request, one by one: of their rows only one's are copied at a time.

    What a request in JSON would carry, but for rows where the file is `in_utf8`: these are bytes, which
    as text would be decoded and encoded again. A BLOB that isn't SQLite's binary JSON is read as
    its text (sqlite.org/json1.html#jblobbug), and what begins with a space is none.
    """
    for statement in body.statements:
        rows = statement.params if in_utf8 else None
        values = [rows.as_json()] if isinstance(rows, PrintedRows) else statement.values()
        yield from bodies.prepared(statement.sql, values)


def _reply(status: int, document: object) -> Reply:
    return Reply(status, orjson.dumps(document))


def _opened(path: Path, *, alone: bool = False) -> Database:
    database = Database(path, inf, pragmas=(*_PRAGMAS, *_ALONE) if alone else _PRAGMAS)
    try:
        database.ask("SELECT count(*) FROM sqlite_schema")
        if alone:
            database.ask("BEGIN EXCLUSIVE")
            database.ask("COMMIT")  # the lock stays: `_ALONE`
    except SqliteError:
        database.close()
        raise
    return database


def _keep_out(guard: Path) -> None:
    """Make the folder of a Worker's databases; refuse it while `wrangler dev` has `guard` open."""
    try:
        guard.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{guard.parent} can't be made: {error.strerror}",
            hint="Give this user the right to it",
        ) from None
    if not guard.exists():
        return
    try:
        engine = Engine(guard, _ALONE)
        try:
            engine.ask("BEGIN EXCLUSIVE")
            engine.ask("ROLLBACK")
        finally:
            engine.close()
    except SqliteError:
        raise TargetError(
            f"`wrangler dev` uses the local databases in {guard.parent}",
            hint="Stop it while rows are written, then go on with --resume",
        ) from None


def _trouble(path: Path, error: SqliteError) -> StreamerError:
    if error.code in _TROUBLE:
        return _known(path, error.code)
    return TargetError(f"the file {path}: {error.message}", hint="Look who else uses it")


def _known(path: Path, code: str) -> StreamerError:
    kind, what, hint = _TROUBLE[code]
    return kind(f"the file {path}: {what} ({code})", hint=hint)
