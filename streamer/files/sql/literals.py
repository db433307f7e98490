"""Cells as SQL literals (pure): what D1 reads is what was written, to the last bit.

wrangler takes `BEGIN TRANSACTION;` and `COMMIT;` out of a file wherever they stand, in texts too, once
the former is in it (4.164, d1-trimmer.ts): so these words never stand in a literal side by side.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from streamer.model import ColumnPlan, Storage, Wire
from streamer.pack.doubles import exact_cell

Literal: TypeAlias = Callable[[str], str]

NULL = "NULL"
FORBIDDEN = "BEGIN TRANSACTION"
"""What no file may hold: wrangler takes it for the work of another tool."""

_INTEGER = re.compile(r"-?(0|[1-9]\d{0,18})", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,4})?", re.ASCII)
_INT64 = 1 << 63


def literal_of(column: ColumnPlan) -> Literal:
    """What makes a literal of a cell of `column` that isn't NULL."""
    if column.wire is Wire.HEX:
        return blob
    match column.storage:
        case Storage.INTEGER:
            return integer
        case Storage.REAL:
            return real
        case Storage.TEXT | Storage.BLOB:
            return text


def text(cell: str) -> str:
    """A text; one with NULs, or with what wrangler takes out of files, is put together by D1."""
    literal = "'" + cell.replace("'", "''") + "'"
    if FORBIDDEN in literal:
        literal = _replaced(literal, FORBIDDEN, "'BEGIN' || ' TRANSACTION'", "~")
    if "\0" in literal:
        literal = _replaced(literal, "\0", "char(0)", "^")
    return literal


def blob(cell: str) -> str:
    """Bytes, of their hex digits."""
    return f"x'{cell}'"


def integer(cell: str) -> str:
    """A whole number of 64 bits; anything else as the text that its column keeps."""
    if _INTEGER.fullmatch(cell) and -_INT64 <= int(cell) < _INT64:
        return cell
    return text(cell)


def real(cell: str) -> str:
    """A double: in decimal where every SQLite reads that exactly, else as mantissa and exponent."""
    if not _NUMBER.fullmatch(cell):
        return text(cell)
    exact = exact_cell(cell)
    assert exact is not None
    if exact.startswith("["):
        mantissa, exponent = exact[1:-1].split(",")
        return f"{mantissa}*pow(2,{exponent})"
    # Digits beyond all doubles become what SQLite makes of such a text, as they do in a run.
    return text(cell) if cell.lstrip("-").isdigit() and len(cell) > 308 else cell


def _replaced(literal: str, what: str, by: str, letter: str) -> str:
    """SQL that puts `by` where `what` is in `literal`; no deeper than a call, however often.

    The mark that holds the place has no end that is a beginning of it, so it is found nowhere else;
    each use has a `letter` of its own.
    """
    mark = letter
    while mark in literal:
        mark += f"{letter}0"
    return f"replace({literal.replace(what, mark)},'{mark}',{by})"
