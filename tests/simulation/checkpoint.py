"""The checkpoint file without a thread: aiosqlite's calls, each done at once and then waited for."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.simulation.sessions import Died, Harm


class InlineConnection:
    """What `checkpoints` uses of an aiosqlite connection.

    `fail` is called before each statement and may raise what a disk would. A dead process's
    connection does nothing any more.
    """

    def __init__(self, path: Path, process: Died, fail: Callable[[str], None]) -> None:
        self._raw = sqlite3.connect(path, isolation_level=None, timeout=0)
        self._process = process
        self._fail = fail

    def __await__(self) -> Generator[Any, None, None]:
        return self._pause().__await__()

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        await self._pause()
        harm = self._process.touch() if sql == "COMMIT" else Harm.NONE
        if harm is Harm.RAISE:
            raise full()
        await asyncio.sleep(60.0 if harm is Harm.HANG else 0.0)
        self._fail(sql)
        self._raw.execute(sql, parameters)
        await self._pause()

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        await self._pause()
        self._fail(sql)
        self._raw.executemany(sql, rows)
        await self._pause()

    async def execute_fetchall(self, sql: str) -> list[tuple[Any, ...]]:
        await self._pause()
        return self._raw.execute(sql).fetchall()

    async def rollback(self) -> None:
        self._raw.rollback()
        await self._pause()

    async def close(self) -> None:
        await self._pause()
        self._raw.close()

    async def _pause(self) -> None:
        if self._process.is_dead:
            raise asyncio.CancelledError
        await asyncio.sleep(0.0005)


def full() -> sqlite3.Error:
    """What SQLite says where there is no room."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error
