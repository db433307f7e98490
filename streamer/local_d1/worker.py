"""A database with its own thread: one query at a time, off the event loop, as D1 does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from streamer.local_d1.body import Query
from streamer.local_d1.bulk import Bulk
from streamer.local_d1.database import Database, Result
from streamer.local_d1.snapshots import Snapshots
from streamer.local_d1.storage import ObjectStorage

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Times:
    """How long things may take, in seconds, before they are rolled back.

    `query_s`: a whole request (developers.cloudflare.com/d1/platform/limits, 2026-11-22). `poll_s`:
    an import between two polls (field, 2026).
    """

    query_s: float = 30.0
    poll_s: float = 15.0


class DatabaseWorker:
    """An open database whose every use happens on one thread of its own, in the order of asking."""

    def __init__(self, path: Path, uuid: str, storage: ObjectStorage, times: Times) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"d1-{uuid[:8]}")
        self._database = Database(path, times.query_s)
        self._snapshots = Snapshots(path, self._database)
        self.bulk = Bulk(uuid, storage, self.call, self._database.interrupt, times.poll_s)

    async def run(self, queries: Sequence[Query]) -> list[Result]:
        """All statements or none; raises ApiError."""
        self.bulk.refuse_others()
        return await self.call(lambda database: database.run(queries))

    async def bookmark(self) -> str:
        """Name the present moment, to come back to."""
        self.bulk.refuse_others()
        return await self.call(lambda _: self._snapshots.bookmark())

    async def restore(self, bookmark: str) -> str:
        """Go back to a moment; the bookmark of the one that was left. Raises ApiError."""
        self.bulk.refuse_others()
        return await self.call(lambda _: self._snapshots.restore(bookmark))

    async def figures(self) -> tuple[int, int]:
        """How many tables there are, and how many bytes."""
        return await self.call(lambda database: (_tables(database), database.size))

    async def call(self, use: Callable[[Database], T]) -> T:
        """Run a function of the database on its thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, use, self._database)

    async def close(self) -> None:
        """Finish what is under way, and close the file."""
        await self.bulk.close()
        await self.call(Database.close)
        self._thread.shutdown()


def _tables(database: Database) -> int:
    found = database.ask(
        """SELECT count(*) FROM sqlite_schema WHERE type = 'table'
        AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"""
    )
    return int(str(found[0][0]))
