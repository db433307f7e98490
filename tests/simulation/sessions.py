# ruff: noqa: ASYNC109 - the signatures are asyncpg's
"""asyncpg's connection to the model of PostgreSQL: what `streamer.postgres` calls of it."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import asyncpg

from streamer.postgres import catalog_sql, pooler, snapshot
from streamer.postgres.connect import COMMAND_TIMEOUT_S, Connector
from tests.engines.copied import copied_lines
from tests.simulation.queries import NotUnderstoodError, rows_of
from tests.simulation.rows import Postgres
from tests.simulation.trouble import Came, SourceTrouble

_numbers = (
    itertools.count()
)  # of sessions: sets of them have one order, wherever they lie in memory
_IMPORT = re.compile(r"SET TRANSACTION SNAPSHOT '([^']+)'")


class Harm(Enum):
    """What is done to one call to the outside."""

    NONE = "nothing"
    RAISE = "it fails"
    DIE = "the process dies"
    HANG = "it hangs"


class Died:
    """Whether the process is dead; then its calls to the outside do nothing any more."""

    is_dead = False

    def touch(self) -> Harm:
        """What is done to the call that is about to be made."""
        return Harm.NONE


class ModelSession:
    """One connection, and the snapshot of its transaction."""

    def __init__(self, server: Postgres, trouble: SourceTrouble, process: Died) -> None:
        self.server = server
        self.snapshot: int | None = None
        self._trouble = trouble
        self._process = process
        self._boot = server.boots
        self._exported = ""
        self._closed = False
        self._idle_since = 0.0
        self._number = next(_numbers)

    def __hash__(self) -> int:
        return self._number

    def is_closed(self) -> bool:
        return self._closed

    def is_in_transaction(self) -> bool:
        return self.snapshot is not None

    def get_server_version(self) -> tuple[int, int]:
        return 18, 0

    def get_server_pid(self) -> int:
        return 4711

    def terminate(self) -> None:
        self._closed = True
        self._end()

    async def close(self, timeout: float | None = None) -> None:
        del timeout
        self.terminate()

    async def execute(self, sql: str, timeout: float | None = None) -> str:
        await self._travel(timeout)
        if sql.startswith("BEGIN"):
            self._begin(sql)
        elif sql == "ROLLBACK":
            self._end()
        elif sql != "SELECT" and not sql.strip().startswith("SET LOCAL"):
            raise NotUnderstoodError(sql)
        return ""

    async def fetchval(self, sql: str, *args: Any, timeout: float | None = None) -> Any:
        await self._travel(timeout)
        if sql == pooler._PID:
            return self.get_server_pid()
        if sql == snapshot.IDLE_S:
            return self.server.idle_s
        if "pg_export_snapshot" in sql:
            self.server.exports += 1
            self._exported = f"{self.server.exports:08X}-1"
            self.server.exported[self._exported] = self._seen()
            self.server.moments.append(self._seen())
            return self._exported
        return rows_of(sql, args, self.server, self._seen())[0][0]

    async def fetchrow(self, sql: str, *args: Any, timeout: float | None = None) -> Any:
        await self._travel(timeout)
        me = self.server.identity
        if sql == catalog_sql.DATABASE:
            known = {"database": me.database, "version": me.server_version, "encoding": me.encoding}
            known |= {"oid": 5, "collation": me.collation, "standby": False}
            return {**known, "user": "u", "may_look": True}
        if sql == catalog_sql.CONTROL:
            return {"system_identifier": me.system_identifier, "timeline": me.timeline}
        if "bool_or(setting = 'on')" in sql:
            return {"idle_s": self.server.idle_s, "transaction_s": 0.0, "feedback": False}
        if "AS visible" in sql:
            at = self._seen() + 1
            taken = datetime(2026, 1, 1, tzinfo=UTC)
            return {"lsn": f"0/{at:X}", "taken_at": taken, "visible": f"{at}:{at}:"}
        return rows_of(sql, args, self.server, self._seen())[0]

    async def fetch(self, sql: str, *args: Any, timeout: float | None = None) -> list[Any]:
        scans = sql.startswith("SELECT count(*) FILTER")
        await self._travel(timeout, scans=scans)
        if scans:
            return [[0] * sql.count("count(*) FILTER")]  # nothing in these tables is lost in D1
        if args and args[0] == []:
            return []  # what is asked of nothing: these tables have no expressions of users
        return rows_of(sql, args, self.server, self._seen())

    async def copy_from_query(
        self,
        sql: str,
        *,
        output: Callable[[bytes], Awaitable[None]],
        format: str,  # noqa: A002 - asyncpg's own name
        null: str,
        quote: str,
        escape: str,
        force_quote: Sequence[str] | None,
    ) -> str:
        await self._travel(None)
        found = rows_of(sql, (), self.server, self._seen())
        quoted = {int(name.removeprefix("c")) for name in force_quote or ()}
        assert (format, null, quote, escape) == ("csv", "null", "'", "\\")
        bare = [
            [cell if cell is None or n in quoted else int(cell) for n, cell in enumerate(row)]
            for row in found
        ]
        await output(copied_lines(bare))
        return f"COPY {len(found)}"

    async def prepare(self, sql: str, *, name: str | None = None) -> _Prepared:
        del name
        await self._travel(None)
        return _Prepared(self, sql)

    async def _travel(self, timeout: float | None, *, scans: bool = False) -> None:
        """To the server and back, or not."""
        if self._process.is_dead:
            raise asyncio.CancelledError
        loop = asyncio.get_running_loop()
        self._look(loop.time())
        came = self._trouble.of_statement(loop.time(), scans=scans)
        harm = self._process.touch()
        if harm is not Harm.NONE:
            reset = ConnectionResetError(104, "reset") if harm is Harm.RAISE else None
            came = Came(error=reset, hangs=harm is Harm.HANG)
        if self._trouble.restart is not None:
            self.server.restart(until=self._trouble.restart)
            self._trouble.restart = None
        if came.hangs:
            await asyncio.sleep(COMMAND_TIMEOUT_S if timeout is None else timeout)
            self.terminate()
            raise TimeoutError
        await asyncio.sleep(came.seconds)
        self._look(loop.time())
        if came.error is not None:
            self.terminate()
            raise came.error
        self._idle_since = loop.time()

    def _look(self, now: float) -> None:
        """Whether the connection is still one."""
        idled = self.server.idle_s and self.snapshot is not None
        if idled and now - self._idle_since > self.server.idle_s:
            self.terminate()
            raise asyncpg.exceptions.IdleInTransactionSessionTimeoutError("idle for too long")
        if self._boot != self.server.boots and not self._closed:
            self.terminate()
            raise asyncpg.exceptions.AdminShutdownError("terminating connection")
        if self._closed:
            raise asyncpg.exceptions.InterfaceError("connection is closed")

    def _begin(self, sql: str) -> None:
        imported = _IMPORT.search(sql)
        if imported is None:
            self.snapshot = self.server.transaction
        elif imported[1] in self.server.exported:
            self.snapshot = self.server.exported[imported[1]]
        else:
            raise asyncpg.exceptions.InvalidParameterValueError("invalid snapshot identifier")

    def _end(self) -> None:
        self.snapshot = None
        self.server.exported.pop(self._exported, None)

    def _seen(self) -> int:
        return self.server.transaction if self.snapshot is None else self.snapshot


@dataclass(slots=True)
class _Prepared:
    session: ModelSession
    sql: str

    async def cursor(self, *parameters: Any) -> _Rows:
        await self.session._travel(None)
        server, seen = self.session.server, self.session._seen()
        return _Rows(self.session, rows_of(self.sql, parameters, server, seen))


@dataclass(slots=True)
class _Rows:
    session: ModelSession
    left: Sequence[Any]

    async def fetch(self, count: int) -> Sequence[Any]:
        await self.session._travel(None)
        found, self.left = self.left[:count], self.left[count:]
        return found


class ModelConnector(Connector):
    """Opens connections to the model, while it has places left."""

    def __init__(
        self,
        address: Any,
        warn: Any,
        *,
        known: bool,
        server: Postgres,
        trouble: SourceTrouble,
        process: Died,
    ) -> None:
        super().__init__(address, warn, known=known)
        self._server = server
        self._trouble = trouble
        self._process = process

    async def _connect(self) -> Any:
        if self._process.is_dead:
            raise asyncio.CancelledError
        now = asyncio.get_running_loop().time()
        came = self._trouble.of_connecting(now)
        await asyncio.sleep(came.seconds)
        if now < self._server.down_until:
            raise ConnectionRefusedError("Connect call failed")
        mistyped = isinstance(came.error, socket.gaierror) and not self._known
        if came.error is not None and not mistyped:
            raise came.error
        return ModelSession(self._server, self._trouble, self._process)
