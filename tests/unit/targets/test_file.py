"""D1's API over a file: opened, written, closed, broken."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from streamer.config import FileTarget, PacingSettings
from streamer.d1 import D1Database, SilentObserver
from streamer.d1.api import Body, Break, Reply, complaints, database_path
from streamer.errors import TargetError, TargetUnavailableError
from streamer.model import Statement
from streamer.model.printed import PrintedRows
from streamer.postgres.copied import printed_rows
from streamer.targets import identity_of, open_target
from streamer.targets.file import FileTransport
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


class Held:
    """A transport whose thread waits until as many requests as there are to be have come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.transport = FileTransport.open(path, writing=True)

    async def send(self, *requests: Sequence[str]) -> list[asyncio.Task[Reply | Break]]:
        """Tasks that wait for the answers to these requests, which were there before one was begun."""
        gate = threading.Event()
        self.transport._thread.submit(gate.wait)
        tasks = [asyncio.create_task(self._sent(statements)) for statements in requests]
        await asyncio.sleep(0)
        gate.set()
        return tasks

    async def _sent(self, statements: Sequence[str]) -> Reply | Break:
        body = Body(tuple(map(Statement, statements)))
        path = database_path(self.transport.account, self.transport.database)
        return await self.transport.send("POST", f"{path}/raw", body)

    async def answers(self, *requests: Sequence[str]) -> list[str]:
        """For each of these requests '', or what is wrong with it."""
        replies = await asyncio.gather(*await self.send(*requests))
        found = [complaints(reply) for reply in replies if isinstance(reply, Reply)]
        return ["".join(one.message for one in some) for some in found]

    @property
    def commits(self) -> int:
        """How often the file was changed: www.sqlite.org/fileformat.html, 1.3.8."""
        return int.from_bytes(self.path.read_bytes()[24:28], "big")


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[Held]:
    made = Held(tmp_path / "x.db")
    yield made
    await made.transport.aclose()


TABLES = (
    "CREATE TABLE p (a INTEGER PRIMARY KEY)",
    "CREATE TABLE c (a INTEGER REFERENCES p)",
    "CREATE TABLE d (a INTEGER REFERENCES p DEFERRABLE INITIALLY DEFERRED)",
)
VIOLATED = "constraints were violated: FOREIGN KEY constraint failed"


async def test_requests_that_wait_together_share_a_commit(held: Held) -> None:
    await held.answers(TABLES)
    before = held.commits

    said = await held.answers(*[[f"INSERT INTO p VALUES ({n})"] for n in range(9)])

    assert said == [""] * 9
    assert ask(held.path, "SELECT count(*) FROM p") == [(9,)]
    assert held.commits == before + 1


async def test_of_requests_that_wait_together_only_those_fail_that_fail_alone(held: Held) -> None:
    await held.answers(TABLES)

    said = await held.answers(
        ["INSERT INTO p VALUES (1)"],
        ["INSERT INTO p VALUES (2)", "INSERT INTO p VALUES (1)"],
        ["INSERT INTO p VALUES (3)"],
        ["INSERT OR ROLLBACK INTO p VALUES (3)"],
        ["INSERT INTO p VALUES (4)"],
    )

    assert [bool(one) for one in said] == [False, True, False, True, False]
    assert "UNIQUE constraint failed: p.a" in said[1]
    assert ask(held.path, "SELECT a FROM p") == [(1,), (3,), (4,)]


@pytest.mark.parametrize(
    "orphan",
    [
        ["INSERT INTO d VALUES (7)"],
        ["PRAGMA defer_foreign_keys = on", "INSERT INTO c VALUES (7)"],
    ],
)
async def test_a_foreign_key_left_open_isnt_mended_by_the_next_request(
    held: Held, orphan: list[str]
) -> None:
    await held.answers(TABLES)

    said = await held.answers(orphan, ["INSERT INTO p VALUES (7)"])

    assert VIOLATED in said[0]
    assert said[1] == ""
    assert ask(held.path, "SELECT count(*) FROM c UNION ALL SELECT count(*) FROM d") == [(0,)] * 2


async def test_what_one_request_defers_the_next_one_does_not(held: Held) -> None:
    await held.answers(TABLES)
    late = ["INSERT INTO c VALUES (7)", "INSERT INTO p VALUES (7)"]
    later = ["INSERT INTO c VALUES (8)", "INSERT INTO p VALUES (8)"]

    first, second = await held.answers(["PRAGMA defer_foreign_keys = on", *late], later)

    assert first == ""
    assert second.startswith("FOREIGN KEY constraint failed")


async def test_a_request_that_is_given_up_takes_none_with_it_that_waits_beside_it(
    held: Held,
) -> None:
    await held.answers(TABLES)
    endless = "INSERT INTO p WITH RECURSIVE n(x) AS (SELECT 9 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
    before, going, unseen, behind = await held.send(
        ["INSERT INTO p VALUES (1)"], [endless], [endless], ["INSERT INTO p VALUES (2)"]
    )
    await asyncio.to_thread(wait_for, held.path.with_name("x.db-journal"))

    going.cancel()
    unseen.cancel()
    replies = await asyncio.gather(before, behind)

    assert [reply.status for reply in replies if isinstance(reply, Reply)] == [200, 200]
    assert ask(held.path, "SELECT a FROM p") == [(1,), (2,)]


async def test_a_request_that_is_given_up_when_it_is_about_to_begin_ends(held: Held) -> None:
    begun, given_up = threading.Event(), threading.Event()

    class Endless(Statement):
        def values(self) -> list[object]:
            begun.set()
            given_up.wait()
            return []

    endless = Endless(
        "WITH RECURSIVE n(x) AS (SELECT 9 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
    )
    path = database_path(held.transport.account, held.transport.database)
    sent = asyncio.create_task(held.transport.send("POST", f"{path}/raw", Body((endless,))))
    await asyncio.to_thread(begun.wait)

    sent.cancel()
    await asyncio.gather(sent, return_exceptions=True)
    given_up.set()

    assert await held.answers(["SELECT 1"]) == [""]
