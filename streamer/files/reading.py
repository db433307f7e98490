"""Reads the files of tables: one row a line, each with the number of its line, memory flat.

    for row in read_rows(path):
        row.line, row.values

A file may have been written by anybody since: whatever isn't as it should be is a BadFileError with
the file and the line, never with a value. Lines written as ours are read many at once (`Page`); any
others line by line.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Protocol, cast

import orjson

from streamer.errors import BadFileError
from streamer.files.names import Format
from streamer.files.opening import (
    BLOCK_BYTES,
    Block,
    Content,
    Steady,
    bad_line,
    blocks,
    format_of,
    opened,
)
from streamer.frozen import frozen

_SPACED = re.compile(rb'"[ \t\r]+:')
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_BEGIN, _END = b"[\n", b"]\n"

Values = Mapping[str, object]
"""A row, as a file has it."""


@frozen
class Row:
    """A row of a file: the number of its line, from 1, and its values by column.

    `twice` is a column that stands in it more than once, '' for none: which value is meant, nobody
    can tell.
    """

    line: int
    values: Values
    twice: str = ""


@frozen
class Page:
    """The rows of consecutive lines, from `line` on.

    `twice` has what `Row.twice` is, by the row's place.
    `text` is what the rows were read from where they were read all at once; that values are no
    arrays or objects was taken for granted then, and is looked at by `each`.
    """

    line: int
    rows: Sequence[Values]
    twice: Mapping[int, str] = field(default_factory=dict[int, str])
    text: bytes = b""

    def as_rows(self) -> Iterator[Row]:
        """The rows one by one, as they are here."""
        for place, values in enumerate(self.rows):
            yield Row(self.line + place, values, self.twice.get(place, ""))

    def each(self, path: Path) -> Iterator[Row]:
        """The rows one by one, each from its own line of the file `path`.

        Raises:
            BadFileError: as `read_rows` does.

        """
        if not self.text:
            yield from self.as_rows()
            return
        for place, line in enumerate(self.text.removesuffix(b"\n").split(b"\n")):
            number = self.line + place
            yield Row(number, _values(path, number, line.removesuffix(b",")))


def read_rows(
    path: Path,
    content: Content | None = None,
    *,
    careful: bool = True,
    steady: Steady | None = None,
) -> Generator[Row]:
    """Every row of a table's file, in its order; `content` is told what was read.

    `careful`: fill in `Row.twice`; a file that must be what was written has no need of that.
    `steady` holds the file to what it was before.

    Raises:
        BadFileError: it can't be read, isn't whole, isn't one JSON object a line, or changed.

    """
    for page in read_pages(path, content, careful=careful, steady=steady):
        yield from page.each(path)


def read_pages(
    path: Path,
    content: Content | None = None,
    *,
    careful: bool = True,
    steady: Steady | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Generator[Page]:
    """The same rows, those of about `block_bytes` at a time.

    Raises:
        BadFileError: as `read_rows` does, once the rows before the wrong line were given.

    """
    form, compression = format_of(path)
    content = content or Content()
    with opened(path, compression, steady) as file:
        way = _Array(path) if form is Format.JSON else _Objects(path)
        for block in blocks(path, file, content, block_bytes):
            page = _at_once(way, block, careful=careful)
            wrong: BadFileError | None = None
            if page is None:
                page, wrong = _one_by_one(path, way, block, careful=careful)
            content.rows += len(page.rows)
            if page.rows:
                yield page
            if wrong is not None:
                raise wrong
        way.end()


@frozen
class _Lot:
    """Lines written as ours: `rows` hold a row each, if they are JSON; `array` is them as one array.

    `before` and `behind` is what stands around them.
    """

    rows: bytes
    array: bytes
    before: bytes = b""
    behind: bytes = b""


class _Way(Protocol):
    """Where reading is in a file of one format."""

    def lot(self, text: bytes) -> _Lot | None:
        """What the next lines are, where they are written as ours."""
        ...

    def pass_over(self, lot: _Lot, number: int) -> None:
        """Go on behind a lot, whose last row's line has this number."""
        ...

    def row(self, number: int, line: bytes) -> bytes:
        """The row in the next line, given with its line break; nothing where it holds none."""
        ...

    def end(self) -> None:
        """There is no more."""
        ...


class _Objects:
    """The rows, one a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lot(self, text: bytes) -> _Lot | None:
        if text.startswith(b"{") and text.endswith(b"}\n"):
            return _Lot(text, b"[%b]" % text[:-1].replace(b"}\n{", b"},\n{"))
        return None

    def pass_over(self, lot: _Lot, number: int) -> None:
        """Nothing depends on what came before."""

    def row(self, number: int, line: bytes) -> bytes:
        if not line.endswith(b"\n"):
            raise bad_line(
                self._path, number, "it doesn't end with a line break: the file was cut off"
            )
        return line

    def end(self) -> None:
        """A file may end behind any line."""


class _Array:
    """The rows of a JSON array: `[` and `]` stand on lines of their own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun = self._ended = False
        self._number, self._last = 1, b","

    def lot(self, text: bytes) -> _Lot | None:
        before = b"" if self._begun else _BEGIN
        behind = _END if text.endswith(b"}\n]\n") else b""
        rows = text.removeprefix(before).removesuffix(behind)
        if self._ended or self._last != b"," or not text.startswith(before + b"{"):
            return None
        if not rows.endswith(b"}\n" if behind else b"},\n"):
            return None
        return _Lot(rows, b"[%b]" % rows[:-1].removesuffix(b","), before, behind)

    def pass_over(self, lot: _Lot, number: int) -> None:
        self._begun, self._ended = True, bool(lot.behind)
        self._number = number

    def row(self, number: int, line: bytes) -> bytes:
        self._number = number
        text = line.strip()
        if self._ended:
            if text:
                raise bad_line(self._path, number, "something stands behind the end of the array")
            return b""
        if not self._begun:
            if text not in {b"[", b"[]"}:
                raise bad_line(self._path, 1, "it isn't [ alone, with a row a line behind it")
            self._begun, self._ended = True, text == b"[]"
            return b""
        if text == b"]":
            if number > 2 and self._last == b",":
                raise bad_line(self._path, number, "a comma stands before the end")
            self._ended = True
            return b""
        if self._last != b",":
            raise bad_line(self._path, number, "the row before it doesn't end with a comma")
        self._last = text[-1:]
        return text.removesuffix(b",") or b" "

    def end(self) -> None:
        if not self._begun:
            self.row(1, b"")
        if not self._ended:
            raise bad_line(self._path, self._number, "the file ends without ]: it was cut off")


def _at_once(way: _Way, block: Block, *, careful: bool) -> Page | None:
    """A block's rows, read in one go; None where they must be read line by line."""
    lot = way.lot(block.text)
    if lot is None:
        return None
    try:
        rows = cast("list[Values]", orjson.loads(lot.array))
    except orjson.JSONDecodeError:
        return None
    breaks = block.breaks - len(lot.before + lot.behind) // len(_END)
    # All line breaks but the last stand between two objects, and within a JSON text there is none:
    # so with flat objects each line holds one.
    if not len(rows) == breaks == lot.array.count(b"},\n{") + 1:
        return None
    if careful and not _surely_once(lot.rows, sum(map(len, rows))):
        return None
    first = block.line + len(lot.before) // len(_BEGIN)
    way.pass_over(lot, first + breaks - 1)
    return Page(first, rows, text=lot.rows)


def _one_by_one(
    path: Path, way: _Way, block: Block, *, careful: bool
) -> tuple[Page, BadFileError | None]:
    """A block's rows up to the first that is wrong, and what is."""
    first, rows, twice = block.line, list[Values](), dict[int, str]()
    wrong: BadFileError | None = None
    for number, line in enumerate(_LINE.findall(block.text), block.line):
        try:
            text = way.row(number, line)
            if not text:
                continue
            values = _values(path, number, text)
        except BadFileError as error:
            wrong = error
            break
        if not rows:
            first = number
        if careful and (name := _given_twice(text, len(values))):
            twice[len(rows)] = name
        rows.append(values)
    return Page(first, rows, twice=twice), wrong


def _values(path: Path, number: int, text: bytes) -> Values:
    try:
        values: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        what = "it isn't UTF-8" if "UTF-8" in str(error) else "it isn't one row as a JSON object"
        raise bad_line(path, number, what) from None
    if not isinstance(values, dict):
        raise bad_line(path, number, "it isn't one row as a JSON object")
    return cast("dict[str, object]", values)


def _given_twice(text: bytes, members: int) -> str:
    """The name of a member that an object has more than once, '' for none.

    `members`: how many it has by different names.
    """
    if _surely_once(text, members):
        return ""
    try:
        pairs = json.loads(
            text, object_pairs_hook=list, parse_int=str, parse_float=str, parse_constant=str
        )
    except RecursionError:  # no row of a table is so deep: its reader says that it is wrong
        return ""
    counts = Counter(name for name, _ in pairs)
    return next((name for name, count in counts.items() if count > 1), "")


def _surely_once(text: bytes, members: int) -> bool:
    """Whether `text` has no more ends of names than `members`; where unsure, False."""
    # Within a string a quotation mark has a backslash before it, so what is left are ends of names.
    ends = text.count(b'":') - text.count(b'\\":')
    return ends == members and b'\\\\":' not in text and _SPACED.search(text) is None
