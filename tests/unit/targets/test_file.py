"""D1's API over a file: opened, written, closed, broken."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from streamer.config import FileTarget, PacingSettings
from streamer.d1 import D1Database, SilentObserver
from streamer.errors import TargetError, TargetUnavailableError
from streamer.model import Statement
from streamer.model.printed import PrintedRows
from streamer.postgres.copied import printed_rows
from streamer.targets import identity_of, open_target
from streamer.targets.place import located
from tests.engines.copied import copied_lines

PACING = PacingSettings(rate=None, concurrency=2, give_up_after_s=1.0)


async def opened(path: Path, *, writing: bool = True) -> D1Database:
    return await open_target(FileTarget(path), PACING, SilentObserver(), writing=writing)


async def run(database: D1Database, *statements: str) -> list[tuple[object, ...]]:
    answer = await database.execute([Statement(sql) for sql in statements])
    return list(answer.results[-1].rows)


def ask(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = apsw.Connection(str(path))
    try:
        return list(connection.execute(sql))
    finally:
        connection.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def wait_for(path: Path) -> None:
    while not path.exists():
        pass


@pytest.mark.parametrize("journal", ["delete", "wal", "truncate"])
async def test_what_is_left_is_a_plain_file(tmp_path: Path, journal: str) -> None:
    path = tmp_path / "x.db"
    ask(path, f"PRAGMA journal_mode = {journal}")
    database = await opened(path)

    await run(database, "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    await database.aclose()

    assert names(tmp_path) == ["x.db"]
    assert ask(path, "SELECT name FROM sqlite_schema") == [("t",)]
    assert ask(path, "PRAGMA journal_mode") == [("delete",)]
    assert ask(path, "PRAGMA integrity_check") == [("ok",)]


async def test_what_is_only_read_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    ask(path, "CREATE TABLE t (a)")
    before = path.read_bytes(), path.stat().st_mtime_ns
    for writing in (True, False):
        database = await opened(path, writing=writing)

        await run(database, "SELECT * FROM t")
        await database.aclose()

    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


async def test_a_file_that_is_not_there_is_looked_at_as_an_empty_one(tmp_path: Path) -> None:
    database = await opened(tmp_path / "x.db", writing=False)

    assert await run(database, "SELECT * FROM sqlite_schema") == []
    await database.aclose()
    assert names(tmp_path) == []


async def test_a_file_that_another_process_writes_is_not_looked_at(tmp_path: Path) -> None:
    writer = await opened(tmp_path / "x.db")

    with pytest.raises(TargetError, match=f"in use by process {os.getpid()}"):
        await opened(tmp_path / "x.db", writing=False)

    await writer.aclose()


async def test_it_is_known_by_its_path_and_has_no_bookmark(tmp_path: Path) -> None:
    database = await opened(tmp_path / "x.db")

    assert database.identity == identity_of(FileTarget(tmp_path / "x.db"))
    assert database.identity.database == f"sqlite:{located(tmp_path / 'x.db')}"
    assert await database.bookmark() is None
    await database.aclose()


async def test_what_was_acknowledged_is_there_for_any_other_program(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    database = await opened(path)

    for number in range(3):
        await run(database, "CREATE TABLE IF NOT EXISTS t (a)", f"INSERT INTO t VALUES ({number})")
        assert ask(path, "SELECT count(*) FROM t") == [(number + 1,)]

    await database.aclose()


async def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    ask(path, "CREATE TABLE t (a)")
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 3_996)

    with pytest.raises(TargetError, match=r"x\.db: it is damaged") as caught:
        await opened(path)

    assert "Restore" in caught.value.hint
    assert names(tmp_path) == ["x.db"]


@contextmanager
def no_room_beyond(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes, as a full disk would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    heeded = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, heeded)


async def test_a_disk_without_room_ends_the_run_which_goes_on_later(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    database = await opened(path)
    await run(database, "CREATE TABLE t (a)")

    with no_room_beyond(40_000), pytest.raises((TargetUnavailableError, TargetError)) as caught:
        await run(database, "INSERT INTO t VALUES (zeroblob(900000))")

    assert "x.db: " in str(caught.value)
    assert "--resume" in caught.value.hint
    await run(database, "INSERT INTO t VALUES (zeroblob(900000))")
    await database.aclose()
    assert ask(path, "SELECT count(*) FROM t") == [(1,)]


async def test_a_request_that_nobody_waits_for_any_more_is_rolled_back(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    database = await opened(path)
    await run(database, "CREATE TABLE t (a)")
    endless = (
        "INSERT INTO t WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
        " SELECT x FROM n"
    )
    going = asyncio.create_task(run(database, endless))
    await asyncio.to_thread(wait_for, path.with_name("x.db-journal"))

    going.cancel()
    await asyncio.wait([going])
    await database.aclose()

    assert going.cancelled()
    assert ask(path, "SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
async def test_printed_rows_are_stored_as_they_are_whatever_the_file_is_written_in(
    tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "x.db"
    ask(path, f"PRAGMA encoding = '{encoding}'; CREATE TABLE t (a INTEGER, b TEXT, c REAL)")
    cells = [[n, text, "0.1"] for n, text in enumerate(["é😀", "'\"\\", "\n\x01", "", "[1],\n[2"])]
    rows = printed_rows(copied_lines(cells), len(cells))
    assert isinstance(rows, PrintedRows)
    database = await opened(path)

    written = Statement(
        "INSERT INTO t SELECT value->>0, value->>1, value->>2 FROM jsonb_each(?1)", rows
    )
    await database.execute([written])
    await database.aclose()

    stored = ask(path, "SELECT a, b, c, typeof(a), typeof(b) FROM t ORDER BY a")
    assert stored == [(n, text, 0.1, "integer", "text") for n, text, _ in cells]
    assert ask(path, "PRAGMA encoding") == [(encoding,)]
