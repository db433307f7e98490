"""What everyone with the same token has sent lately, kept in a file that all processes share.

Sends are leased in blocks that are written before the first of them is used, and replaced by the
times at which they happened. A process that dies leaves its lease behind, which counts as sent
until the lease's end: a crash loop can't send more than is allowed either.

Every moment is written as both clocks tell it. The monotonic clock is the same for all processes
of a machine and starts anew with it, so it never makes a moment look older than it is while the
machine runs on; wall time says the rest. What one of them calls recent counts, and what either puts in the
future is taken as now. So no jump of a clock lets a burst through or blocks for longer than a window.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path

from streamer.frozen import frozen
from streamer.limits import API_WINDOW_S

LEASE_SENDS = 20
LEASE_S = 10.0
BUSY_S = 5.0
PATIENCE = 0.002
"""The part of a window that may be waited for a whole block to be free: each lease is a write."""
FORMAT = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sent (token TEXT NOT NULL, monotonic REAL NOT NULL, wall REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sent_token ON sent (token);
CREATE TABLE IF NOT EXISTS lease (
    id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL, sends INTEGER NOT NULL,
    monotonic REAL NOT NULL, wall REAL NOT NULL);
"""


class WindowFileError(Exception):
    """The file can't be used; the message says why."""


class WindowFileBusyError(WindowFileError):
    """Another process has had the file for too long; it may be free the next time."""


@frozen
class Moment:
    """One instant on both clocks, in seconds."""

    monotonic: float
    wall: float

    def plus(self, seconds: float) -> Moment:
        """The moment `seconds` later."""
        return Moment(self.monotonic + seconds, self.wall + seconds)

    def age(self, now: Moment) -> float:
        """Seconds from this moment to `now`, by whichever clock says less; 0 at least."""
        return max(0.0, min(now.monotonic - self.monotonic, now.wall - self.wall))


@frozen
class Report:
    """What became of a lease: its sends that have `happened` since, and how many it still needs."""

    lease: int
    happened: tuple[Moment, ...]
    kept: int


@frozen
class Grant:
    """`sends` (at least 1) that may be used until `until`."""

    lease: int
    sends: int
    until: Moment


def state_directory(environ: Mapping[str, str]) -> Path:
    """Where the file lies: $XDG_STATE_HOME/streamer, or ~/.local/state/streamer.

    Raises:
        WindowFileError: there is no home directory.
    """
    configured = Path(environ.get("XDG_STATE_HOME", ""))
    if configured.is_absolute():
        return configured / "streamer"
    try:
        return Path.home() / ".local" / "state" / "streamer"
    except RuntimeError:
        raise WindowFileError("there is no home directory") from None


def token_key(token: str, origin: str = "") -> str:
    """The name under which a token's sends are counted; it doesn't tell the token.

    `origin` sets apart the servers that count for themselves.
    """
    return hashlib.sha256(f"{token}\n{origin}".encode()).hexdigest()[:24]


class WindowFile:
    """The file, as one process uses it for one token. Blocks: call it from a thread."""

    def __init__(self, connection: sqlite3.Connection, key: str, requests: int) -> None:
        self._connection = connection
        self._key = key
        self._requests = requests
        # A task that is cancelled leaves its thread behind, still at work.
        self._lock = threading.Lock()

    @classmethod
    def open(cls, directory: Path, key: str, requests: int) -> WindowFile:
        """Open the file in `directory`, both made where they are missing, for this user only.

        Raises:
            WindowFileError: it can't be made, opened or read.
        """
        path = directory / "windows.db"
        with _translated(path):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(path, flags, 0o600))
            connection = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
        return cls(connection, key, requests)

    def exchange(
        self, now: Moment, seconds: float, reports: Sequence[Report], want: int
    ) -> Grant | float:
        """Write down what happened, and lease up to `want` more.

        At most the allowed number may be sent in any `seconds`. Returns the seconds until one more is free when
        there is none (0 where nothing was wanted).

        Raises:
            WindowFileBusyError: another process has it; nothing was written or leased.
            WindowFileError: the file can't be used any more; nothing was leased.
        """
        with self._lock, _translated(), self._transaction():
            for report in reports:
                self._write(report, now)
            self._forget(now, max(seconds, API_WINDOW_S))
            if want < 1:
                return 0.0
            taken = self._taken(now, seconds)
            free = self._requests - sum(sends for _, sends in taken)
            wait_s = _wait(taken, free, want, seconds * PATIENCE)
            return wait_s or self._lease(min(want, free), now.plus(LEASE_S))

    def close(self) -> None:
        """Close the file; what was leased and not reported stays leased."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _write(self, report: Report, now: Moment) -> None:
        self._connection.executemany(
            "INSERT INTO sent VALUES (?, ?, ?)",
            [(self._key, at.monotonic, at.wall) for at in report.happened],
        )
        if report.kept:
            # What is still under way is as recent as can be.
            self._connection.execute(
                "UPDATE lease SET sends = ?, monotonic = max(monotonic, ?), wall = max(wall, ?)"
                " WHERE id = ?",
                (report.kept, now.monotonic, now.wall, report.lease),
            )
        else:
            self._connection.execute("DELETE FROM lease WHERE id = ?", (report.lease,))

    def _forget(self, now: Moment, seconds: float) -> None:
        """Pull what lies in the future back to now, drop what no window reaches any more."""
        for table, latest in (("sent", now), ("lease", now.plus(LEASE_S))):
            self._connection.execute(
                f"UPDATE {table} SET monotonic = min(monotonic, ?), wall = min(wall, ?)"
                " WHERE monotonic > ? OR wall > ?",
                (latest.monotonic, latest.wall, latest.monotonic, latest.wall),
            )
            self._connection.execute(
                f"DELETE FROM {table} WHERE monotonic < ? AND wall < ?",
                (now.monotonic - seconds, now.wall - seconds),
            )

    def _taken(self, now: Moment, seconds: float) -> list[tuple[float, int]]:
        """For what counts: seconds until it no longer does, and how many sends; soonest first."""
        rows: list[tuple[float, float, int]] = self._connection.execute(
            "SELECT monotonic, wall, 1 FROM sent WHERE token = ?1"
            " UNION ALL SELECT monotonic, wall, sends FROM lease WHERE token = ?1",
            (self._key,),
        ).fetchall()
        left = (
            (_left(Moment(monotonic, wall), now, seconds), sends) for monotonic, wall, sends in rows
        )
        return sorted(entry for entry in left if entry[0] > 0)

    def _lease(self, sends: int, until: Moment) -> Grant:
        cursor = self._connection.execute(
            "INSERT INTO lease (token, sends, monotonic, wall) VALUES (?, ?, ?, ?)",
            (self._key, sends, until.monotonic, until.wall),
        )
        return Grant(cursor.lastrowid or 0, sends, until)


def _left(at: Moment, now: Moment, seconds: float) -> float:
    """Seconds until what is stamped `at` (a lease's end may lie ahead) counts no more."""
    ahead = max(at.monotonic - now.monotonic, at.wall - now.wall)
    return seconds + ahead if ahead > 0 else seconds - at.age(now)


def _wait(taken: Sequence[tuple[float, int]], free: int, want: int, patience_s: float) -> float:
    """Seconds to wait before leasing: until one is free, and a little more where that makes a block."""
    one_s = _until(taken, 1 - free)
    block_s = _until(taken, want - free)
    return block_s if block_s <= one_s + patience_s else one_s + patience_s * (one_s > 0)


def _until(taken: Sequence[tuple[float, int]], needed: int) -> float:
    """Seconds until `needed` more are free; infinity if they never are."""
    if needed < 1:
        return 0.0
    freed = 0
    for left, sends in taken:
        freed += sends
        if freed >= needed:
            return left
    return inf


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in {0, FORMAT}:
        connection.execute("ROLLBACK")
        raise WindowFileError(f"it has format {version}, this version of streamer knows {FORMAT}")
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")


@contextmanager
def _translated(path: Path | None = None) -> Generator[None]:
    where = f"{path}: " if path else ""
    try:
        yield
    except OSError as error:
        raise WindowFileError(f"{where}{error.strerror}") from None
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # sqlite.org/rescode.html#pve
        kind = WindowFileBusyError if code == sqlite3.SQLITE_BUSY else WindowFileError
        raise kind(f"{where}{error}") from None
