"""Writes the files of tables: one row a line, under another name until they are whole."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import zstandard

from streamer.errors import StreamerError, UsageError
from streamer.files.names import Compression, Format
from streamer.files.opening import BUFFER_BYTES, opened
from streamer.frozen import frozen
from streamer.progress import sync_folder

_GZIP_WINDOW = 31  # zlib's number for the largest window, in a gzip frame
_GZIP_LEVEL = 6


@frozen
class Written:
    """A whole file: its rows, and size and digest of its content, uncompressed."""

    rows: int
    bytes: int
    sha256: str


class _Frame(Protocol):
    """One compressed frame; a file is a row of them, so that it can be gone on with."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Plain:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _frame(compression: Compression) -> _Frame:
    match compression:
        case Compression.NONE:
            return _Plain()
        case Compression.GZIP:
            return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        case Compression.ZSTD:
            return zstandard.ZstdCompressor().compressobj()


class TableWriter:
    """One table's file. Until `finish` its rows are in `<name>.part` beside it.

    `rows` are those that were written, `between` is what stands between two of them. Everything up to the last `settle` is durable: a later
    writer goes on there.
    """

    def __init__(self, path: Path, form: Format, compression: Compression) -> None:
        self.path = path
        self.part = path.with_name(f"{path.name}.part")
        self.rows = 0
        self.between = ",\n" if form is Format.JSON else "\n"
        self._form = form
        self._compression = compression
        self._bytes = 0
        self._digest = hashlib.sha256()
        self._frame = _frame(compression)
        self._frame_bytes = 0
        self._file = -1

    def begin(self) -> None:
        """Start with an empty file."""
        with problems(self.part):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(self.part, flags, 0o600)
        if self._form is Format.JSON:
            self._write(b"[\n")

    def go_on(self, *, rows: int, size: int) -> bool:
        """Go on behind the first `size` bytes of the file, which hold `rows` rows.

        False where they aren't there any more; then `begin` is what is left to do, and nothing of
        what was read of them counts.
        """
        with suppress(OSError):
            if self.part.stat().st_size < size:
                return False
            os.truncate(self.part, size)
        digest, content_bytes = hashlib.sha256(), 0
        try:
            with opened(self.part, self._compression) as file:
                while block := file.read(BUFFER_BYTES):
                    digest.update(block)
                    content_bytes += len(block)
        except StreamerError:
            return False
        with problems(self.part):
            flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(self.part, flags)
        self.rows, self._bytes, self._digest = rows, content_bytes, digest
        return True

    def write(self, lines: Sequence[str]) -> None:
        """Add rows, each a JSON object's text without a line break."""
        if lines:
            self.write_text(self.between.join(lines), len(lines))

    def write_text(self, text: str, rows: int) -> None:
        """Add the text of so many rows, with `between` between them."""
        if self._form is Format.JSON:
            whole = f"{self.between if self.rows else ''}{text}"
        else:
            whole = f"{text}{self.between}"
        self.rows += rows
        self._write(whole.encode())

    def settle(self) -> int:
        """Make all that was written durable; the file's size so far."""
        with problems(self.part):
            if self._frame_bytes:
                write_all(self._file, self._frame.flush())
                self._frame, self._frame_bytes = _frame(self._compression), 0
            os.fsync(self._file)
            return os.fstat(self._file).st_size

    def finish(self) -> Written:
        """Complete the file and give it its name."""
        written = self.complete()
        self.give_name()
        return written

    def complete(self) -> Written:
        """Write the file's end and close it; it still has no name of its own."""
        if self._form is Format.JSON:
            self._write(b"\n]\n" if self.rows else b"]\n")
        self.settle()
        self.close()
        return Written(self.rows, self._bytes, self._digest.hexdigest())

    def give_name(self) -> None:
        """Let a complete file take its place."""
        with problems(self.path):
            self.part.replace(self.path)
            sync_folder(self.path.parent)

    def close(self) -> None:
        """Let go of the file, as far as it came."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def discard(self) -> None:
        """Remove what was written."""
        self.close()
        with suppress(OSError):
            self.part.unlink()

    def _write(self, data: bytes) -> None:
        self._bytes += len(data)
        self._digest.update(data)
        self._frame_bytes += len(data)
        with problems(self.part):
            write_all(self._file, self._frame.compress(data))


@contextmanager
def problems(path: Path) -> Generator[None]:
    """What goes wrong in the block is told as a file that can't be written."""
    try:
        yield
    except OSError as error:
        raise StreamerError(
            f"{path} can't be written: {error.strerror}.",
            hint="Make room or access for it, then run again.",
        ) from None


def write_all(file: int, data: bytes) -> None:
    """Write all of `data` to an open file."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner may look into; one that is there stays as it is.

    Raises:
        UsageError: it, or a folder that it would be in, is a file.
        StreamerError: it can't be made.

    """
    with problems(folder):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            file = next(path for path in (folder, *folder.parents) if path.exists())
            raise UsageError(
                f"{folder} can't be a folder: {file} is a file.",
                hint="Name another folder with --output-dir, or move the file away.",
            ) from None
