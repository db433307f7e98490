# ruff: noqa: ASYNC109 - the signatures are asyncpg's
"""A reader at a server that cuts off what takes too long, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import asyncpg
import pytest

from streamer.config import SourceSettings
from streamer.errors import SourceLostError
from streamer.model import PageSize, StepKind
from streamer.postgres import Patience
from streamer.postgres.address import resolve
from streamer.postgres.connect import Connector, Session
from streamer.postgres.reader import TIMED_OUT_TRIES, Reading, TableReader
from streamer.postgres.sessions import Sessions
from streamer.postgres.snapshot import Snapshots
from streamer.postgres.window import WindowLimits
from tests.engines.catalogs import identified
from tests.engines.table_plans import plan_table
from tests.simulation.clock import VirtualLoop

ROWS = 2_000
FETCH_S = 0.5
Meet = Callable[[float, int], asyncpg.PostgresError | None]
"""What the server says to a FETCH of so many rows in a transaction of so many seconds; None: here they are."""


class Server:
    """A table with the keys 1 to ROWS, whose every FETCH takes FETCH_S; `said` counts its refusals."""

    def __init__(self, meet: Meet) -> None:
        self.meet = meet
        self.said = 0

    async def connect(self) -> Connection:
        return Connection(self)


class Connection:
    """What a window calls of a connection, and of the statement and the cursor that it opens there."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._closed = False
        self._began = 0.0
        self._next = 1

    def is_closed(self) -> bool:
        return self._closed

    def is_in_transaction(self) -> bool:
        return False

    def terminate(self) -> None:
        self._closed = True

    async def close(self, timeout: float) -> None:
        del timeout
        self._closed = True

    def get_server_version(self) -> tuple[int, int]:
        return 18, 0

    async def execute(self, sql: str) -> None:
        if sql.startswith("BEGIN"):
            self._began = asyncio.get_running_loop().time()

    async def fetchrow(self, _sql: str, *, timeout: float | None = None) -> dict[str, Any]:
        del timeout
        return {"lsn": "0/1", "taken_at": datetime(2026, 1, 1, tzinfo=UTC), "visible": "3:3:"}

    async def prepare(self, _sql: str, *, name: str) -> Connection:
        assert not name
        return self

    async def cursor(self, *after: str) -> Connection:
        self._next = int(after[0]) + 1 if after else 1
        return self

    async def fetch(self, rows: int) -> list[tuple[str]]:
        await asyncio.sleep(FETCH_S)
        age_s = asyncio.get_running_loop().time() - self._began
        if (error := self._server.meet(age_s, rows)) is not None:
            self._server.said += 1
            raise error
        end = min(self._next + rows, ROWS + 1)
        keys = range(self._next, end)
        self._next = end
        return [(str(key),) for key in keys]


class Known(Connector):
    """Leads to the server at hand."""

    def __init__(self, server: Server) -> None:
        super().__init__(resolve(SourceSettings(host="db.example.com")), lambda _: None)
        self._server = server

    async def connect(self) -> Session:
        return cast("Session", await self._server.connect())


def read(server: Server, *, age_s: float) -> list[str | None]:
    """All keys, as a reader with windows of `age_s` seconds reads them."""

    async def main() -> list[str | None]:
        sessions = Sessions(Known(server))
        reader = TableReader(
            sessions,
            Snapshots(),
            None,
            Reading(plan_table(identified("a")), StepKind.ROWS, None, PageSize(20)),
            limits=WindowLimits(age_s, None),
            patience=Patience(6 * 3600.0, clock=asyncio.get_running_loop().time),
        )
        seen = [record[0] async for page in reader.pages() for record in page.records]
        await sessions.close()
        return seen

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def test_fault_16_windows_that_replication_cancels_get_shorter_until_they_last() -> None:
    """A standby that lets nobody read for longer than 3 s; 100 pages take 50 s."""

    def cancel(age_s: float, _rows: int) -> asyncpg.PostgresError | None:
        return asyncpg.SerializationError("conflict with recovery") if age_s > 3.0 else None

    server = Server(cancel)

    assert read(server, age_s=30.0) == [str(key) for key in range(1, ROWS + 1)]
    assert server.said <= 4, "after 15, 7.5, 3.75 and 1.875 s"


def test_fault_16_pages_that_take_too_long_get_smaller_until_they_do_not() -> None:
    def cancel(_age_s: float, rows: int) -> asyncpg.PostgresError | None:
        return asyncpg.QueryCanceledError("statement timeout") if rows > 5 else None

    server = Server(cancel)

    assert read(server, age_s=30.0) == [str(key) for key in range(1, ROWS + 1)]
    assert server.said == 2, "20 and 10 rows"


def test_fault_16_a_page_that_takes_too_long_however_small_it_is_ends_the_read() -> None:
    asked: list[int] = []

    def cancel(_age_s: float, rows: int) -> asyncpg.PostgresError:
        asked.append(rows)
        return asyncpg.QueryCanceledError("statement timeout")

    with pytest.raises(SourceLostError, match="cancelled a statement of ours") as ended:
        read(Server(cancel), age_s=30.0)

    assert "statement_timeout" in ended.value.hint
    assert asked == [20, 10, 5, 2, 1, 1, 1]
    assert len(asked) == TIMED_OUT_TRIES + 1
