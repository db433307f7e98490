"""Rows that the server printed as JSON, as bytes of which single ones are taken apart when need be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

_SLICE_BYTES = 128 * 1024  # what the processor's cache holds, and malloc needn't ask the system for


# A text in either kind of quotes; what is behind a backslash belongs to it.
_TEXTS = re.compile(r"\"[^\"\\]*(?:\\.[^\"\\]*)*\"|'([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL)


class PrintedRows(Sequence[tuple[str]]):
    """Rows, each with nothing but its text: a JSON array.

    `lines` are `count` lines, at least one, in UTF-8, each with its end and otherwise without control
    characters: a line is what stands between the brackets of a row's array. Its texts may be in single
    quotes, as JSON5 has them (spec.json5.org/#strings): a request that carries them as a string needs
    an escape for each double one. A row that is looked at singly is JSON.
    """

    def __init__(self, lines: bytes, count: int) -> None:
        self._lines = lines
        self._count = count
        self._split: list[bytes] | None = None

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> tuple[str]: ...

    @overload
    def __getitem__(self, at: slice) -> list[tuple[str]]: ...

    def __getitem__(self, at: int | slice) -> tuple[str] | list[tuple[str]]:
        if isinstance(at, slice):
            return [_row(line) for line in self._each()[at]]
        if at in {-1, self._count - 1}:
            end = len(self._lines) - 1
            return _row(self._lines[self._lines.rfind(b"\n", 0, end) + 1 : end])
        return _row(self._each()[at])

    @property
    def json_bytes(self) -> int:
        """How long the JSON array of these rows is."""
        return len(self._lines) + 2 * self._count + 1

    def part(self, start: int, end: int) -> PrintedRows:
        """Rows [start, end), at least one."""
        if (start, end) == (0, self._count):
            return self
        return PrintedRows(b"\n".join((*self._each()[start:end], b"")), end - start)

    def standard(self) -> PrintedRows:
        """The same rows with all texts in double quotes."""
        return PrintedRows(double_quoted(self._lines.decode()).encode(), self._count)

    def as_parameter(self) -> bytes:
        """A JSON array with one string in it, which is the array of these rows."""
        escaped = [
            part.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"],[")
            for part in slices(self._lines)
        ]
        escaped[-1] = escaped[-1][: -len(b",[")]
        return b"".join((b'["[[', *escaped, b']"]'))

    def _each(self) -> list[bytes]:
        if self._split is None:
            self._split = self._lines.split(b"\n")[:-1]
        return self._split


def slices(lines: bytes) -> Iterator[bytes]:
    """`lines` in pieces of whole lines, of about _SLICE_BYTES each."""
    start = 0
    while start < len(lines):
        end = lines.find(b"\n", start + _SLICE_BYTES) + 1 or len(lines)
        yield lines[start:end]
        start = end


def double_quoted(text: str) -> str:
    """JSON whose texts may be in single quotes, in JSON's own spelling."""
    return _TEXTS.sub(_in_double_quotes, text)


def _in_double_quotes(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[0]
    # Within single quotes each of these stands behind a backslash of its own.
    inner = found[1].replace('"', '\\"').replace("\\'", "'")
    return f'"{inner}"'


def sent_rows(text: str) -> list[list[object]]:
    """The rows of a JSON array as they are sent, texts in either kind of quotes; numbers stay text."""
    return json.loads(double_quoted(text), parse_int=str, parse_float=str, parse_constant=str)


def printed_cells(text: str) -> list[str | None]:
    """The cells of a row that the server printed as a JSON array; numbers keep their digits.

    Raises:
        ValueError: a cell is neither text nor a number, a boolean or NULL.
    """
    return parsed_cells(json.loads(text, parse_int=str, parse_float=str, parse_constant=str))


def parsed_cells(cells: Iterable[object]) -> list[str | None]:
    """The cells of a row that was parsed with its numbers left as text."""
    return [str(int(cell)) if isinstance(cell, bool) else _text(cell) for cell in cells]


def _row(line: bytes) -> tuple[str]:
    return (f"[{double_quoted(line.decode())}]",)


def _text(cell: object) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    raise ValueError(f"the server printed a cell as a JSON {type(cell).__name__}, not as text")
