"""The checkpoint's file: made whole, looked at without touching it, and told from others.

All of it is synchronous: it runs before a store is open, or for a reader that holds no lock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote

from checkpoints.errors import CheckpointError, Damaged, Foreign, Newer, Unwritable
from checkpoints.lock import Note, last_note
from checkpoints.records import BadRowError, Contents, Row, Saved, Tally, contents

FORMAT = 1
APPLICATION_ID = 0x53743144  # "St1D"

SELECT_SEALS = "SELECT only_row, store_id, saves, row_count, row_sum, crc FROM seal"
SELECT_RUNS = "SELECT only_row, run_id, state, epoch, document, crc FROM run"
SELECT_STEPS = (
    "SELECT step_id, table_name, kind, state, last_key, next_number, row_count, byte_count,"
    " document, crc FROM step ORDER BY step_id"
)
PUT_SEAL = "INSERT OR REPLACE INTO seal VALUES (?, ?, ?, ?, ?, ?)"

# sqlite.org/fileformat2.html, section 1.3, 2026-11: the header's offsets
_MAGIC = b"SQLite format 3\x00"
_HEADER_BYTES = 100
_VERSIONS = slice(18, 20)  # of writing and reading; 2 is WAL
_USER_VERSION = slice(60, 64)
_APPLICATION_ID = slice(68, 72)

# sqlite.org/rescode.html, 2026-11: primary result codes
_UNWRITABLE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}


def make(path: Path) -> Tally:
    """Make an empty checkpoint at `path`, whole or not at all; the tally that it starts with.

    Call it with the lock held, where nothing stands at `path`.

    Raises: Damaged where a write-ahead log is there without its file, Unwritable.
    """
    if _companion(path, "-wal").exists():
        raise Damaged(path, f"gone, though {path.name}-wal is still there")
    new = _companion(path, ".new")
    tally = Tally(secrets.token_hex(8), saves=0, run_crc=None, step_crcs={})
    try:
        for leftover in (new, *(_companion(new, end) for end in ("-wal", "-shm", "-journal"))):
            leftover.unlink(missing_ok=True)
        file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(file, 0o600)  # whatever the umask is
            _fill(new, tally)
            os.fsync(file)
        finally:
            os.close(file)
        new.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise Unwritable(path, f"can't be made: {error.strerror}") from None
    except sqlite3.Error as error:
        raise translated(error, path) from None
    return tally


def inspect(path: Path, note: Note | None) -> Contents:
    """Everything in the checkpoint `path`, verified; the file is only read.

    `note` is what the lock file said before this call.

    Raises: Damaged, Foreign, Newer, Unwritable.
    """
    try:
        found = _inspect(path, immutable=not _companion(path, "-wal").exists())
    except Damaged:
        if not _companion(path, "-wal").exists():
            raise
        # A writer came while we looked. SQLite's own locks keep us apart now.
        found = _inspect(path, immutable=False)
    tally = found.tally
    if note is not None and note.store_id == tally.store_id and note.saves > tally.saves:
        raise Damaged(
            path,
            f"holds save {tally.saves:,}, but save {note.saves:,} was acknowledged: its end was"
            f" lost, or an older copy was put back (without {path.name}.lock it passes as it is)",
        )
    return found


def peek(path: Path) -> Saved | None:
    """What the checkpoint `path` holds, also while a run writes it; None: no file, or no run.

    Read-only and without the lock; what is read is one whole save.

    Raises: Damaged, Foreign, Newer, Unwritable.
    """
    if is_absent(path):
        return None
    note = last_note(path)  # before the file: it never runs ahead of it
    return inspect(path, note).saved


def is_absent(path: Path) -> bool:
    """Whether nothing stands at `path`, so that a checkpoint may be made there.

    Raises: Foreign where a folder or a link is there, Unwritable where nobody can tell.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return True
    except OSError as error:
        raise Unwritable(path, f"can't be looked at: {error.strerror}") from None
    if stat.S_ISLNK(mode):
        raise Foreign(path, "a symbolic link")
    if not stat.S_ISREG(mode):
        raise Foreign(path, "not a file")
    return False


def refuse_others(path: Path) -> None:
    """Refuse what isn't a checkpoint by its kind and header.

    Call it with the lock held. (Never while this process has the database open: closing any
    descriptor of a file drops all POSIX locks that the process has on it.)

    Raises: Damaged, Foreign, Newer, Unwritable.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        for end in ("-wal", "-shm", "-journal"):
            if _companion(path, end).is_symlink():
                raise Foreign(path, f"{path.name}{end} is a symbolic link")
        file = os.open(path, flags)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise Foreign(path, "not a file")
            header = os.pread(file, _HEADER_BYTES, 0)
        finally:
            os.close(file)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Foreign(path, "a symbolic link") from None
        raise Unwritable(path, f"can't be opened: {error.strerror}") from None
    problem = _problem_of(header, path)
    if problem is not None:
        raise problem


def make_private(path: Path) -> None:
    """Close a checkpoint, and the files that SQLite will make beside it, to other users."""
    with contextlib.suppress(PermissionError):  # it's another user's, and so is the choice
        path.chmod(0o600)


def translated(error: sqlite3.Error, path: Path) -> CheckpointError:
    """What an error of SQLite means for the checkpoint `path`."""
    code = getattr(error, "sqlite_errorcode", None)  # none on errors of the Python module itself
    if isinstance(code, int) and code & 0xFF in _UNWRITABLE:
        return Unwritable(path, f"can't be read or written: {error}")
    # Other messages may quote what stands in the file.
    return Damaged(path, f"not whole ({getattr(error, 'sqlite_errorname', 'no UTF-8')})")


def uri(path: Path, options: str) -> str:
    """`path` as SQLite's URI, whatever characters are in it."""
    return f"file:{quote(os.fsencode(path.absolute()))}?{options}"


def _inspect(path: Path, *, immutable: bool) -> Contents:
    # Without a log, a plain read-only connection would make one, and leave it there.
    options = "mode=ro&immutable=1" if immutable else "mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri(path, options), uri=True)) as connection:
            _refuse_other_formats(connection, path)
            complaints = connection.execute("PRAGMA quick_check(1)").fetchall()
            if complaints != [("ok",)]:
                raise Damaged(path, "fails SQLite's own check")
            if _schema_of(connection) != _own_schema():
                raise Damaged(path, "its tables aren't those of a checkpoint")
            connection.execute("BEGIN")  # the three tables as of one save
            return contents(
                seals=_rows(connection, SELECT_SEALS),
                runs=_rows(connection, SELECT_RUNS),
                steps=_rows(connection, SELECT_STEPS),
            )
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
            refuse_others(path)
        raise translated(error, path) from None
    except UnicodeDecodeError:  # in SQLite's message, which quotes a damaged schema
        raise Damaged(path, "its tables aren't those of a checkpoint") from None
    except BadRowError as error:
        raise Damaged(path, str(error)) from None


def _refuse_other_formats(connection: sqlite3.Connection, path: Path) -> None:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id != APPLICATION_ID:
        refuse_others(path)  # SQLite takes an empty file for a database
        raise Foreign(path, "another program's database")
    if version > FORMAT:
        raise Newer(path, found=version, known=FORMAT)
    if version != FORMAT:
        raise Damaged(path, f"format {version} never was")


def _problem_of(header: bytes, path: Path) -> CheckpointError | None:
    """What the first bytes of a file tell against its being a checkpoint (pure)."""
    if not any(header):
        return Damaged(path, "overwritten with zeros" if header else "empty")
    ours = header[_APPLICATION_ID] == APPLICATION_ID.to_bytes(4, "big")
    if not header.startswith(_MAGIC):
        damaged = ours or _MAGIC.startswith(header)
        return Damaged(path, "its header is damaged") if damaged else Foreign(path, "no database")
    if len(header) < _HEADER_BYTES or not ours:
        short = len(header) < _HEADER_BYTES
        return Damaged(path, "cut short") if short else Foreign(path, "another program's database")
    version = int.from_bytes(header[_USER_VERSION], "big", signed=True)
    if version > FORMAT:
        return Newer(path, found=version, known=FORMAT)
    if version != FORMAT or header[_VERSIONS] != b"\x02\x02":
        return Damaged(path, "its header is damaged")
    return None


def _fill(new: Path, tally: Tally) -> None:
    with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(_schema())
        connection.execute(PUT_SEAL, tally.seal_row())
        connection.execute(f"PRAGMA user_version={FORMAT}")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")


def _schema() -> str:
    # Not by importlib.resources, which takes 2 ms to load.
    return Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")


def _own_schema() -> list[Row]:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_schema())
        return _schema_of(connection)


def _schema_of(connection: sqlite3.Connection) -> list[Row]:
    return _rows(connection, "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name")


def _rows(connection: sqlite3.Connection, sql: str) -> list[Row]:
    return connection.execute(sql).fetchall()


def _companion(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def remove(path: Path) -> None:
    """Remove the closed store at `path`, as far as that is possible."""
    for name in (f"{path.name}-wal", f"{path.name}-shm", path.name):
        with contextlib.suppress(OSError):
            path.with_name(name).unlink()
