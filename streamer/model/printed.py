"""Rows that the server printed as JSON, as bytes of which single ones are taken apart when need be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import overload

_SLICE_BYTES = 128 * 1024  # what the processor's cache holds, and malloc needn't ask the system for

_BEFORE, _BETWEEN, _BEHIND = b" [[", b"],[", b"]]"  # what rows have between their brackets

# A text in either kind of quotes; what is behind a backslash belongs to it.
_TEXTS = r"""(?s)"[^"\\]*(?:\\.[^"\\]*)*"|'([^'\\]*(?:\\.[^'\\]*)*)'"""
_ROWS = rb"""(?s)\[((?:[^"'\]]++|"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*')*)\]"""


class PrintedRows(Sequence[tuple[str]]):
    """Rows, each with nothing but its text: a JSON array.

    Together they are an array of these, in UTF-8 and without control characters. Its texts may be in
    single quotes, as JSON5 has them (spec.json5.org/#strings): a request that carries them as a
    string needs an escape for each double one. A row that is looked at singly is JSON.
    """

    def __init__(self, pieces: Sequence[bytes], count: int, last: bytes) -> None:
        """An array of `count` rows cut up somehow, and the last one without brackets; see `of_lines`."""
        self._pieces = pieces
        self._count = count
        self._last = last
        self._split: list[bytes] | None = None

    @classmethod
    def of_lines(cls, lines: bytes) -> PrintedRows:
        """Rows of which each line, at least one, is what stands between the brackets of its array."""
        pieces = [part.replace(b"\n", _BETWEEN) for part in slices(lines)]
        grown = sum(map(len, pieces)) - len(lines)
        pieces[0] = _BEFORE + pieces[0]
        pieces[-1] = pieces[-1].removesuffix(_BETWEEN) + _BEHIND
        last = lines[lines.rfind(b"\n", 0, -1) + 1 : -1]
        return cls(pieces, grown // (len(_BETWEEN) - 1), last)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> tuple[str]: ...

    @overload
    def __getitem__(self, at: slice) -> list[tuple[str]]: ...

    def __getitem__(self, at: int | slice) -> tuple[str] | list[tuple[str]]:
        if isinstance(at, slice):
            return [_row(row) for row in self._each()[at]]
        return _row(self._last if at in {-1, self._count - 1} else self._each()[at])

    @property
    def json_bytes(self) -> int:
        """How long the JSON array of these rows is, the space left out."""
        return sum(map(len, self._pieces)) - len(" ")

    @cached_property
    def parameter_bytes(self) -> int:
        """How long they are as the only one of a request's parameters; both packing and sending ask."""
        return self.json_bytes + sum(map(_escapes, self._pieces)) + len('[""]')

    def part(self, start: int, end: int) -> PrintedRows:
        """Rows [start, end), at least one."""
        if (start, end) == (0, self._count):
            return self
        rows = self._each()[start:end]
        return PrintedRows((_BEFORE + _BETWEEN.join(rows) + _BEHIND,), end - start, rows[-1])

    def standard(self) -> PrintedRows:
        """The same rows with all texts in double quotes."""
        whole, last = (double_quoted(t.decode()).encode() for t in (self.as_json(), self._last))
        return PrintedRows((whole,), self._count, last)

    def as_json(self) -> bytes:
        """The JSON array of these rows, behind a space."""
        return b"".join(self._pieces)

    def as_parameter(self) -> Iterator[bytes]:
        """A JSON array with one string in it, which is the array of these rows, in pieces."""
        yield b'["'
        for at, piece in enumerate(self._pieces):
            yield piece[at == 0 :].replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        yield b'"]'

    def _each(self) -> list[bytes]:
        if self._split is None:
            self._split = re.compile(_ROWS).findall(self.as_json(), len(_BEFORE) - 1)
        return self._split


def slices(lines: bytes) -> Iterator[bytes]:
    """`lines` in pieces of whole lines, of about _SLICE_BYTES each."""
    start = 0
    while start < len(lines):
        end = lines.find(b"\n", start + _SLICE_BYTES) + 1 or len(lines)
        yield lines[start:end]
        start = end


def _escapes(piece: bytes) -> int:
    """How many more bytes a piece takes within a JSON string."""
    # Nearly no piece has a backslash, and looking for one is quicker than counting.
    return piece.count(b'"') + (piece.count(b"\\") if b"\\" in piece else 0)


def double_quoted(text: str) -> str:
    """JSON whose texts may be in single quotes, in JSON's own spelling."""
    return re.sub(_TEXTS, _in_double_quotes, text)


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


def _row(cells: bytes) -> tuple[str]:
    return (f"[{double_quoted(cells.decode())}]",)


def _text(cell: object) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    raise ValueError(f"the server printed a cell as a JSON {type(cell).__name__}, not as text")
