"""The checkpoint of one job in one SQLite file: each save whole, durable, verified when read."""

from __future__ import annotations

import contextlib
import sqlite3
from asyncio import Lock as Turn
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self

import aiosqlite

from checkpoints.errors import Damaged
from checkpoints.file import (
    PUT_SEAL,
    SELECT_RUNS,
    SELECT_SEALS,
    SELECT_STEPS,
    inspect,
    is_absent,
    make,
    make_private,
    refuse_others,
    remove,
    translated,
    uri,
)
from checkpoints.lock import Lock, take
from checkpoints.records import (
    BadRowError,
    Contents,
    Row,
    RunRecord,
    Saved,
    StepRecord,
    Tally,
    contents,
    run_row,
    step_row,
)

_PUT_RUN = "INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?)"
_PUT_STEP = "INSERT OR REPLACE INTO step VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_BUSY_S = 5.0
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA fullfsync=ON",  # on macOS a plain fsync leaves it in the drive's cache
    "PRAGMA checkpoint_fullfsync=ON",
    "PRAGMA cell_size_check=ON",
)


class CheckpointStore:
    """An open checkpoint, made by `open`: the one writer, holding the lock until `close`.

    Methods may be called from several tasks of one loop. A save whose caller is cancelled is
    there as a whole or not at all; the next one starts from what is there.
    """

    def __init__(
        self,
        path: Path,
        connection: aiosqlite.Connection,
        lock: Lock,
        tally: Tally,
        *,
        is_new: bool = False,
    ) -> None:
        self._path = path
        self._is_new = is_new
        self._connection = connection
        self._lock = lock
        self._tally: Tally | None = tally  # None: unknown, since a save broke off
        self._turn = Turn()
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Create or open `path`, lock it, and verify everything in it.

        Some milliseconds of it hold up the loop. A file that fails is left as it was found.

        Raises: Locked, Damaged, Foreign, Newer, Unwritable.
        """
        is_absent(path)  # a folder or a link gets no lock file beside it
        lock = take(path)
        try:
            if is_new := is_absent(path):
                tally = make(path)
                lock.record(tally.store_id, tally.saves)
            refuse_others(path)
            tally = inspect(path, lock.note).tally
            lock.record(tally.store_id, tally.saves)
            make_private(path)
            connection = await _connect(path)
        except BaseException:
            lock.release()
            raise
        return cls(path, connection, lock, tally, is_new=is_new)

    async def read(self) -> Saved | None:
        """The last save, read from the file and verified; None where no run was begun.

        Raises: Damaged, Unwritable.
        """
        async with self._turn:
            return (await self._load()).saved

    async def begin(self, run: RunRecord, steps: Sequence[StepRecord]) -> None:
        """Replace all that the checkpoint holds by a new run, in one durable transaction.

        Raises: ValueError where two steps share an id; Damaged, Unwritable.
        """
        if len({step.step_id for step in steps}) < len(steps):
            raise ValueError("two steps share an id")
        await self._put([run_row(run)], [step_row(step) for step in steps], afresh=True)

    async def save(self, run: RunRecord | None = None, steps: Sequence[StepRecord] = ()) -> None:
        """Put these records in place of those with their ids, in one durable transaction.

        Of several records of one step the last counts. Where it raises, nothing was saved, or
        (only after a failure of the disk while committing) all; it may be tried again.

        Raises: ValueError where no run was begun; Damaged, Unwritable.
        """
        if run is None and not steps:
            return
        last_of_each = {step.step_id: step for step in steps}
        await self._put(
            [] if run is None else [run_row(run)],
            [step_row(step) for step in last_of_each.values()],
        )

    async def close(self) -> None:
        """Close the file and let others have it; a second time does nothing.

        A file that was made by `open`, and in which no run was begun, is removed again.
        """
        if self._closed:
            return
        self._closed = True
        try:
            async with self._turn:
                # What was saved is durable already; tidying up the log may fail.
                with contextlib.suppress(sqlite3.Error):
                    await self._connection.close()
            if self._is_new and self._tally is not None and self._tally.run_crc is None:
                remove(self._path)
        finally:
            self._lock.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _put(
        self, runs: Sequence[Row], steps: Sequence[Row], *, afresh: bool = False
    ) -> None:
        async with self._turn:
            before = self._tally or (await self._load()).tally
            if before.run_crc is None and not runs:
                raise ValueError("no run was begun in this checkpoint")
            tally = before.after(runs=runs, steps=steps, afresh=afresh)
            self._tally = None
            await self._transact(tally, runs, steps, afresh=afresh)
            self._tally = tally
            self._lock.record(tally.store_id, tally.saves)

    async def _transact(
        self, tally: Tally, runs: Sequence[Row], steps: Sequence[Row], *, afresh: bool
    ) -> None:
        self._refuse_closed()
        run = self._connection
        try:
            await run.execute("BEGIN IMMEDIATE")
            if afresh:
                await run.execute("DELETE FROM run")
                await run.execute("DELETE FROM step")
            await run.executemany(_PUT_RUN, runs)
            await run.executemany(_PUT_STEP, steps)
            await run.execute(PUT_SEAL, tally.seal_row())
            await run.execute("COMMIT")
        except BaseException as error:
            # Calls run in the order they were made, those of a cancelled caller too.
            with contextlib.suppress(sqlite3.Error):
                await run.rollback()
            if isinstance(error, sqlite3.Error):
                raise translated(error, self._path) from None
            raise

    async def _load(self) -> Contents:
        self._refuse_closed()
        try:
            seals, runs, steps = [
                [tuple(row) for row in await self._connection.execute_fetchall(sql)]
                for sql in (SELECT_SEALS, SELECT_RUNS, SELECT_STEPS)
            ]
            return contents(seals=seals, runs=runs, steps=steps)
        except sqlite3.Error as error:
            raise translated(error, self._path) from None
        except BadRowError as error:
            raise Damaged(self._path, str(error)) from None

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ValueError(f"{self._path}: closed")


async def _connect(path: Path) -> aiosqlite.Connection:
    """A connection that writes durably; proven to be able to write."""
    connection = _with_daemon_thread(path)
    try:
        await connection
        try:
            for pragma in _PRAGMAS:
                await connection.execute(pragma)
            await connection.execute("BEGIN IMMEDIATE")
            await connection.execute("ROLLBACK")
        except BaseException:
            await connection.close()
            raise
    except sqlite3.Error as error:
        raise translated(error, path) from None
    return connection


def _with_daemon_thread(path: Path) -> aiosqlite.Connection:
    """A connection, not yet opened, whose thread doesn't keep a dying process alive.

    aiosqlite makes a thread that Python waits for at its end: a process that forgot to close, or
    couldn't, would never exit. A thread made by a daemon thread is one too.
    """
    made: list[aiosqlite.Connection] = []

    def connect() -> None:
        made.append(
            aiosqlite.connect(uri(path, "mode=rw"), uri=True, isolation_level=None, timeout=_BUSY_S)
        )

    maker = Thread(target=connect, daemon=True)
    maker.start()
    maker.join()
    return made[0]
