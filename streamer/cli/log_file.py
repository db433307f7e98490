"""The log's file: appended to by any number of processes, and rotated by size where that is wanted."""

from __future__ import annotations

import fcntl
import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

from streamer.errors import SettingsError

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class LogFile(logging.Handler):
    """Appends records to `path`, for its owner's eyes alone; a link in its place is refused.

    With `most_bytes`, a file that the next line would make larger becomes `path`.1, what was that
    becomes `path`.2, and so on up to `path`.`keep`, whose content goes. Each line is one write, and the file
    is looked up before each: so several processes, and others that rotate files, may share one.
    `called` is what the user named the file by, `remedy` what to do where it can't be opened.

    Raises: SettingsError where it can't be opened.
    """

    def __init__(
        self,
        path: Path,
        called: str,
        *,
        remedy: str = "write another path",
        most_bytes: int | None = None,
        keep: int = 1,
    ) -> None:
        self._file = -1  # logging closes at the end what it knows, opened or not
        super().__init__()
        self._path = path.absolute()  # whatever folder the process goes to
        self._most_bytes = most_bytes
        self._keep = keep
        try:
            self._file = os.open(self._path, _FLAGS, 0o600)
        except OSError as error:
            raise SettingsError(
                [f"{called}: {path} can't be opened ({error.strerror}); {remedy}"]
            ) from None

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record's line; what can't be written is left out."""
        try:
            line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
            self._follow()
            if self._most_bytes is not None and self._is_full(len(line)):
                self._rotate(len(line))
            os.write(self._file, line)
        except OSError:
            self.handleError(record)

    def close(self) -> None:
        """Close the file with the handler."""
        self.acquire()
        try:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
        finally:
            self.release()
        super().close()

    def _follow(self) -> None:
        """Go on in the file that has the name now, where somebody moved ours away."""
        if not self._has_the_name():
            self._reopen()

    def _has_the_name(self) -> bool:
        try:
            return os.path.samestat(os.lstat(self._path), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def _reopen(self) -> None:
        new = os.open(self._path, _FLAGS, 0o600)
        os.close(self._file)  # which also ends the lock on it
        self._file = new

    def _is_full(self, more: int) -> bool:
        seen = os.fstat(self._file)
        assert self._most_bytes is not None, "asked only where there is a limit"
        return stat.S_ISREG(seen.st_mode) and 0 < seen.st_size > self._most_bytes - more

    def _rotate(self, more: int) -> None:
        """Move the files on by one, unless another process did so while this one waited."""
        with suppress(OSError):  # a file system without locks
            fcntl.flock(self._file, fcntl.LOCK_EX)
        if self._has_the_name() and self._is_full(more):
            for number in range(self._keep - 1, 0, -1):
                with suppress(FileNotFoundError):
                    self._numbered(number).replace(self._numbered(number + 1))
            self._path.replace(self._numbered(1))
        self._reopen()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
