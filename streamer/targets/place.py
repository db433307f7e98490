"""Files that may be a target: what else stands at the path is refused, and so is a second user.

A process that writes holds a lock on `FILE.lock`, which says who it is, and which it takes away
with it. A file that was made and never filled goes too.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from checkpoints import CheckpointError, Locked, holder
from checkpoints.file import APPLICATION_ID
from checkpoints.lock import Lock, take
from streamer.errors import StreamerError, TargetError, UsageError
from streamer.frozen import frozen

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100  # www.sqlite.org/fileformat.html, 1.3
_ANOTHER = "Name another file with --target sqlite:FILE"


@frozen
class Place:
    """A file that is this process's to write until `leave`; `made`: it wasn't there before."""

    path: Path
    made: bool
    lock: Lock

    @classmethod
    def take(cls, path: Path) -> Place:
        """Lock the file at `path`, made for this user only where it is missing.

        Raises:
            UsageError: it can't be a target.
            TargetError: another process writes into it.
        """
        inspect(path)
        try:
            lock = take(path)
        except CheckpointError as error:
            raise _in_the_way(path, error) from None
        try:
            return cls(path, _make(path), lock)
        except BaseException:
            _release(path, lock)
            raise

    def leave(self, *, unused: bool) -> None:
        """Let others have the file; one that was made for nothing (`unused`) is removed."""
        if self.made and unused:
            with suppress(OSError):
                self.path.unlink()
        _release(self.path, self.lock)


def located(path: Path) -> Path:
    """The one name of a file: absolute, its folder without links."""
    return Path(os.path.realpath(path.parent)) / path.name


def inspect(path: Path) -> bool:
    """Whether there is a file at `path`, which may be a target.

    Raises:
        UsageError: what is there can't be one, or nothing can be made there.
    """
    if not path.parent.is_dir():
        raise UsageError(
            f"there is no folder {path.parent} for the target {path.name}",
            hint=f"Make it, or n{_ANOTHER[1:]}",
        )
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unusable(path, error) from None
    if stat.S_ISLNK(found.st_mode):
        raise UsageError(f"{path} is a symbolic link", hint="Name the file itself")
    if not stat.S_ISREG(found.st_mode):
        called = "a folder" if stat.S_ISDIR(found.st_mode) else "no file"
        raise UsageError(f"{path} is {called}, not a SQLite database", hint=_ANOTHER)
    _check_header(path)
    return True


def room(path: Path) -> int:
    """Bytes that this user may still write where `path` is, or will be."""
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize


def user_of(path: Path) -> str:
    """Which process writes into the file at `path`: `process 12 on host`; '' for none."""
    try:
        note = holder(path)
    except Locked:
        return "another process"
    return f"process {note.pid} on {note.host}" if note else ""


def in_use(path: Path, user: str) -> TargetError:
    """The refusal of a file that `user` writes into."""
    return TargetError(
        f"{path} is in use by {user}", hint="Wait until it has ended; one run writes at a time"
    )


def _check_header(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            header = os.read(file, _HEADER_BYTES)
        finally:
            os.close(file)
    except OSError as error:
        raise _unusable(path, error) from None
    if header and not header.startswith(_MAGIC):
        raise UsageError(f"{path} is not a SQLite database", hint=_ANOTHER)
    if header[68:72] == APPLICATION_ID.to_bytes(4, "big"):
        raise UsageError(f"{path} is a checkpoint", hint=_ANOTHER)


def _make(path: Path) -> bool:
    """Make the file where it is missing; whether it was."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        try:
            file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            os.close(os.open(path, flags))  # it may be there to be read only
            return False
        os.fchmod(file, 0o600)  # whatever the umask was
        os.close(file)
    except OSError as error:
        raise _unusable(path, error) from None
    return True


def _release(path: Path, lock: Lock) -> None:
    # While it is locked, so that it is nobody else's: who waits for it notices that it is gone.
    with suppress(OSError):
        path.with_name(path.name + ".lock").unlink()
    lock.release()


def _in_the_way(path: Path, error: CheckpointError) -> StreamerError:
    """What the lock's own error, whose words are about any file, means for a target."""
    if isinstance(error, Locked):
        who = "another process" if error.pid is None else f"process {error.pid} on {error.host}"
        return in_use(path, who)
    return UsageError(f"{path} can't be a target: {error.reason}", hint=_ANOTHER)


def _unusable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{path} can't be opened for writing: {error.strerror}",
        hint=f"Give this user the right to it, or n{_ANOTHER[1:]}",
    )
