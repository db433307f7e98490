"""One process at a time: an flock on a file beside the checkpoint, `FILE.lock`.

The kernel drops the lock when its holder dies, however it dies. The lock file stays, since removing
it would let two processes lock two files of one name. It holds one line, the `Note`: who holds
the lock, and which save was acknowledged last. The latter betrays a checkpoint that went back,
as by a write-ahead log that was lost or altered: SQLite takes what is left of it for the whole.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from checkpoints.errors import Foreign, Locked, Unwritable

_LINE_BYTES = 512  # one length for all, so that a line is replaced in place by a single write
_ATTEMPTS = 5  # `holder` takes the lock for a moment, which must not look like a holder
_PAUSE_S = 0.02


class Note(NamedTuple):
    """The line in a lock file. `started_at` is UTC, ISO 8601; `saves` are those of `store_id`."""

    pid: int
    host: str
    started_at: str
    store_id: str = ""
    saves: int = 0

    def line(self) -> bytes:
        """The note with its CRC, padded to the length that all lines have."""
        text = json.dumps(self._asdict())
        return json.dumps([text, crc32(text.encode())]).encode().ljust(_LINE_BYTES - 1) + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> Note | None:
        """The note in `line`; None where there is none, or not a whole one."""
        try:
            text, crc = json.loads(line)
            return cls(**json.loads(text)) if crc32(text.encode()) == crc else None
        except (ValueError, TypeError, AttributeError):
            return None


class Lock:
    """The lock of one checkpoint, held until `release` or the end of the process."""

    def __init__(self, file: int, note: Note) -> None:
        """Own the locked file descriptor `file`, in which `note` stands."""
        self._file: int | None = file
        self.note = note

    def record(self, store_id: str, saves: int) -> None:
        """Note the last acknowledged save.

        It isn't forced to the disk, and may fail: a note that is behind detects less, but is
        never wrong.
        """
        if self._file is None:
            return
        self.note = self.note._replace(store_id=store_id, saves=saves)
        with contextlib.suppress(OSError):
            os.pwrite(self._file, self.note.line(), 0)

    def release(self) -> None:
        """Let others have it; a second time does nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def take(path: Path) -> Lock:
    """Lock the checkpoint `path`, which needn't exist yet.

    Takes up to 0.1 s where the lock is held. `note` of the result carries over which save the
    previous holder acknowledged last.

    Raises: Locked, Foreign where a link or folder is in the way, Unwritable.
    """
    lock_path = _lock_path(path)
    for attempt in range(1, _ATTEMPTS + 1):
        file = _open(path, lock_path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file, lock_path):
                return _introduce(file)
        except BlockingIOError:
            if attempt == _ATTEMPTS:
                note = _read(file)
                os.close(file)
                raise _locked(path, note) from None
            time.sleep(_PAUSE_S)
        except OSError as error:
            os.close(file)
            raise Unwritable(path, f"can't be locked: {error.strerror}") from None
        os.close(file)
    raise Unwritable(path, f"can't be locked: {lock_path} is being removed and made again")


def holder(path: Path) -> Note | None:
    """Who holds the checkpoint now; None where nobody does.

    Raises: Locked where somebody does who can't be named.
    """
    try:
        file = os.open(_lock_path(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        note = _read(file)
        if note is None:
            raise _locked(path, None) from None
        return note
    except OSError:
        return None
    else:
        return None
    finally:
        os.close(file)


def last_note(path: Path) -> Note | None:
    """What the last holder, dead or alive, noted; None where nothing can be read."""
    try:
        file = os.open(_lock_path(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _read(file)
    finally:
        os.close(file)


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _open(path: Path, lock_path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(lock_path, flags, 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR):
            raise Foreign(path, f"{lock_path} is a symbolic link or a folder") from None
        if error.errno == errno.ENOENT:
            raise Unwritable(path, f"there is no folder {path.parent}") from None
        raise Unwritable(path, f"{lock_path.name} can't be opened: {error.strerror}") from None


def _is_at(file: int, lock_path: Path) -> bool:
    """Whether the locked file is still the one that others find under its name."""
    try:
        return os.path.samestat(os.fstat(file), lock_path.lstat())
    except FileNotFoundError:
        return False


def _introduce(file: int) -> Lock:
    before = _read(file)
    note = Note(
        pid=os.getpid(),
        host=socket.gethostname(),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        store_id=before.store_id if before else "",
        saves=before.saves if before else 0,
    )
    with contextlib.suppress(OSError):  # a full disk: then the second opener learns no pid
        os.fchmod(file, 0o600)  # whatever the umask was
        os.pwrite(file, note.line(), 0)
    return Lock(file, note)


def _read(file: int) -> Note | None:
    try:
        return Note.of_line(os.pread(file, _LINE_BYTES, 0))
    except OSError:
        return None


def _locked(path: Path, note: Note | None) -> Locked:
    if note is None:
        return Locked(path, pid=None, host=None)
    return Locked(path, pid=note.pid, host=note.host, started_at=note.started_at)
