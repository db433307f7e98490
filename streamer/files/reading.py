"""Reads the files of tables: one row a line, each with the number of its line, memory flat.

    for row in read_rows(path):
        row.line, row.values

A file may have been written by anybody since: whatever isn't as it should be is a BadFileError with
the file and the line, never with a value.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import orjson
import zstandard

from streamer.errors import BadFileError
from streamer.files.names import Compression, Format

BLOCK_BYTES = 1 << 20
LINE_BYTES = 64 * 1024 * 1024
"""How long a line may be; D1 takes rows of 2 MB, which in JSON are 12 MB at most."""

_BOMS = {b"\xef\xbb\xbf": "a byte order mark", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_SPACED = re.compile(rb'"[ \t\r]+:')
_UNREADABLE = (OSError, EOFError, zlib.error, zstandard.ZstdError)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file: the number of its line, from 1, and its values by column.

    `twice` is a column that stands in it more than once, '' for none: which value is meant, nobody
    can tell.
    """

    line: int
    values: Mapping[str, object]
    twice: str = ""


class Content:
    """What has been read of a file so far, uncompressed; whole once reading came to its end.

    `heed` is called with every line: what it raises ends the reading.
    """

    def __init__(self, heed: Callable[[], None] = lambda: None) -> None:
        self.rows = 0
        self._heed = heed
        self.bytes = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The digest of what was read, in hex."""
        return self._digest.hexdigest()

    def add(self, line: bytes) -> None:
        """Take note of a line."""
        self._heed()
        self.bytes += len(line)
        self._digest.update(line)


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


def read_rows(
    path: Path, content: Content | None = None, *, careful: bool = True
) -> Generator[Row]:
    """Every row of a table's file, in its order; `content` is told what was read.

    `careful`: fill in `Row.twice`; a file that must be what was written has no need of that.

    Raises:
        BadFileError: it can't be read, isn't whole, or isn't one JSON object a line.

    """
    form, compression = format_of(path)
    content = content or Content()
    with opened(path, compression) as file:
        lines = _lines(path, file, content)
        texts = _array(path, lines) if form is Format.JSON else _objects(path, lines)
        for number, text in texts:
            row = _row(path, number, text, careful=careful)
            content.rows += 1
            yield row


@contextmanager
def opened(path: Path, compression: Compression) -> Generator[IO[bytes]]:
    """A file's content, uncompressed; what goes wrong while it is read is a BadFileError."""
    try:
        with path.open("rb", buffering=BLOCK_BYTES) as plain:
            match compression:
                case Compression.NONE:
                    yield plain
                case Compression.GZIP:
                    with gzip.GzipFile(fileobj=plain) as file:
                        yield cast("IO[bytes]", file)
                case Compression.ZSTD:
                    raw = zstandard.ZstdDecompressor().stream_reader(plain, read_across_frames=True)
                    yield io.BufferedReader(cast("io.RawIOBase", raw), BLOCK_BYTES)
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


def _lines(path: Path, file: IO[bytes], content: Content) -> Generator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(LINE_BYTES):
        number += 1
        if len(line) == LINE_BYTES and not line.endswith(b"\n"):
            raise _bad(path, number, f"it is longer than {LINE_BYTES:,} bytes")
        if number == 1:
            _refuse_encoding(path, line)
        content.add(line)
        yield number, line


def _refuse_encoding(path: Path, line: bytes) -> None:
    for mark, called in _BOMS.items():
        if line.startswith(mark):
            raise _bad(path, 1, f"it begins with {called}; write the file as plain UTF-8")


def _objects(path: Path, lines: Generator[tuple[int, bytes]]) -> Generator[tuple[int, bytes]]:
    """The rows, one a line."""
    for number, line in lines:
        if not line.endswith(b"\n"):
            raise _bad(path, number, "it doesn't end with a line break: the file was cut off")
        yield number, line


def _array(path: Path, lines: Generator[tuple[int, bytes]]) -> Generator[tuple[int, bytes]]:
    """The rows of a JSON array: `[` and `]` stand on lines of their own."""
    _, first = next(lines, (1, b""))
    if first.strip() == b"[]":
        _refuse_more(path, lines)
        return
    if first.strip() != b"[":
        raise _bad(path, 1, "it isn't [ alone, with a row a line behind it")
    number, last = 1, b","
    for number, line in lines:
        text = line.strip()
        if text == b"]":
            if number > 2 and last == b",":
                raise _bad(path, number, "a comma stands before the end")
            _refuse_more(path, lines)
            return
        if last != b",":
            raise _bad(path, number, "the row before it doesn't end with a comma")
        last = text[-1:]
        yield number, text.removesuffix(b",")
    raise _bad(path, number, "the file ends without ]: it was cut off")


def _refuse_more(path: Path, lines: Generator[tuple[int, bytes]]) -> None:
    for number, line in lines:
        if line.strip():
            raise _bad(path, number, "something stands behind the end of the array")


def _row(path: Path, number: int, text: bytes, *, careful: bool) -> Row:
    try:
        values: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        what = "it isn't UTF-8" if "UTF-8" in str(error) else "it isn't one row as a JSON object"
        raise _bad(path, number, what) from None
    if not isinstance(values, dict):
        raise _bad(path, number, "it isn't one row as a JSON object")
    row = cast("dict[str, object]", values)
    return Row(number, row, _given_twice(text, len(row)) if careful else "")


def _given_twice(text: bytes, members: int) -> str:
    """The name of a member that an object has more than once, '' for none.

    `members`: how many it has by different names.
    """
    # Within a string a quotation mark has a backslash before it, so what is left are ends of names.
    ends = text.count(b'":') - text.count(b'\\":')
    if ends == members and b'\\\\":' not in text and _SPACED.search(text) is None:
        return ""
    try:
        pairs = json.loads(
            text, object_pairs_hook=list, parse_int=str, parse_float=str, parse_constant=str
        )
    except RecursionError:  # no row of a table is so deep: its reader says that it is wrong
        return ""
    counts = Counter(name for name, _ in pairs)
    return next((name for name, count in counts.items() if count > 1), "")


def _bad(path: Path, line: int, what: str) -> BadFileError:
    return BadFileError(f"{path}, line {line}: {what}.")
