"""Opens the files of tables, however they are compressed, and reads them in blocks of whole lines."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import zstandard

from streamer.errors import BadFileError
from streamer.files.names import Compression, Format
from streamer.frozen import frozen

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER_BYTES = 1 << 20
BLOCK_BYTES = 192 * 1024
LINE_BYTES = 64 * 1024 * 1024
"""How long a line may be; D1 takes rows of 2 MB, which in JSON are 12 MB at most."""

_BOMS = {b"\xef\xbb\xbf": "a byte order mark", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_UNREADABLE = (OSError, EOFError, zlib.error, zstandard.ZstdError)


def unheard(_bytes: int) -> None:
    """Nobody wants to know how far reading is."""


class Content:
    """What has been read of a file so far, uncompressed; whole once reading came to its end.

    `heed` is called with every block: what it raises ends the reading. `tell` is told how many bytes
    each has.
    """

    def __init__(
        self, heed: Callable[[], None] = lambda: None, tell: Callable[[int], None] = unheard
    ) -> None:
        self.rows = 0
        self._heed = heed
        self._tell = tell
        self.bytes = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The digest of what was read, in hex."""
        return self._digest.hexdigest()

    def add(self, block: bytes) -> None:
        """Take note of what comes next."""
        self._heed()
        self._tell(len(block))
        self.bytes += len(block)
        self._digest.update(block)


class Steady:
    """Holds one file to what it was when it was opened first, however often it is opened.

    That is where it is on disk, its length, and when it was written to and changed: a file that was
    replaced, or edited in place, differs, whatever time of writing it was given.
    """

    def __init__(self) -> None:
        self._first: tuple[int, ...] | None = None

    def look(self, path: Path, descriptor: int) -> None:
        """Look at the open file.

        Raises:
            BadFileError: it isn't what it was.

        """
        now = os.fstat(descriptor)
        seen = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
        self._first = self._first or seen
        if seen != self._first:
            raise BadFileError(
                f"{path} was replaced or written to since it was first read.",
                hint="Leave files alone while they are read, and start the command again. An import"
                " goes on with --resume where they are what they were at first; with others, it"
                " starts over with --restart.",
            )


class _Watched(io.FileIO):
    """A file that is looked at before and behind whatever is read of it."""

    def __init__(self, path: Path, steady: Steady) -> None:
        super().__init__(path)
        self._path = path
        self._steady = steady

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._steady.look(self._path, self.fileno())
        count = super().readinto(buffer)
        self._steady.look(self._path, self.fileno())
        return count


def format_of(path: Path) -> tuple[Format, Compression]:
    """How a file is written, by its name.

    Raises:
        BadFileError: no file of ours is called so.

    """
    name = path.name
    compression = Compression.NONE
    for ending, kind in ((".gz", Compression.GZIP), (".zst", Compression.ZSTD)):
        if name.endswith(ending):
            name, compression = name.removesuffix(ending), kind
    for form in Format:
        if name.endswith(f".{form.value}"):
            return form, compression
    raise BadFileError(
        f"{path}: files of rows end in .json or .ndjson, compressed ones in .gz or .zst behind that."
    )


@contextmanager
def opened(
    path: Path, compression: Compression, steady: Steady | None = None
) -> Generator[IO[bytes]]:
    """A file's content, uncompressed; what goes wrong while it is read is a BadFileError.

    `steady`: so is a change of the file, before anything is given that was read behind it.
    """
    try:
        with _plain(path, steady) as plain:
            match compression:
                case Compression.NONE:
                    yield plain
                case Compression.GZIP:
                    with gzip.GzipFile(fileobj=plain) as file:
                        yield cast("IO[bytes]", file)
                case Compression.ZSTD:
                    raw = zstandard.ZstdDecompressor().stream_reader(plain, read_across_frames=True)
                    yield io.BufferedReader(cast("io.RawIOBase", raw), BUFFER_BYTES)
    except FileNotFoundError:
        raise BadFileError(
            f"{path} isn't there.", hint="Files are found by the names in the manifest."
        ) from None
    except _UNREADABLE as error:
        why = (
            error.strerror
            if isinstance(error, OSError) and error.strerror
            else "damaged or cut off"
        )
        raise BadFileError(f"{path} can't be read: {why}.") from None


def _plain(path: Path, steady: Steady | None) -> IO[bytes]:
    if steady is None:
        return path.open("rb", buffering=BUFFER_BYTES)
    return io.BufferedReader(_Watched(path, steady), BUFFER_BYTES)


@frozen
class Block:
    """Whole lines of a file, the first of which has the number `line`, from 1.

    `breaks` is how many line breaks there are: only the last line of a file may lack its own.
    """

    line: int
    text: bytes
    breaks: int


def blocks(
    path: Path, file: IO[bytes], content: Content, block_bytes: int = BLOCK_BYTES
) -> Generator[Block]:
    """A file's lines, about `block_bytes` at a time; `content` is told what was read.

    Raises:
        BadFileError: a line is too long, or the file begins as no text in UTF-8 does.

    """
    line, begun, size = 1, list[bytes](), 0
    while data := file.read(block_bytes):
        first = data.find(b"\n")
        if size + (first if first >= 0 else len(data)) > LINE_BYTES:
            raise bad_line(path, line, f"it is longer than {LINE_BYTES:,} bytes")
        if first < 0:
            begun.append(data)
            size += len(data)
            continue
        end = data.rfind(b"\n") + 1
        breaks = data.count(b"\n")
        block = Block(line, b"".join([*begun, data[:end]]), breaks)
        begun, size = [data[end:]], len(data) - end
        yield _noted(path, block, content)
        line += breaks
    if size:
        yield _noted(path, Block(line, b"".join(begun), 0), content)


def _noted(path: Path, block: Block, content: Content) -> Block:
    if block.line == 1:
        for mark, called in _BOMS.items():
            if block.text.startswith(mark):
                raise bad_line(path, 1, f"it begins with {called}; write the file as plain UTF-8")
    content.add(block.text)
    return block


def bad_line(path: Path, line: int, what: str) -> BadFileError:
    """A line of a file isn't what it should be; `what` says it, without a value."""
    return BadFileError(f"{path}, line {line}: {what}.")
