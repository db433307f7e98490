"""What a cell should be in D1, strict where a choice would lose data, open where it is a choice.

I(5)        an integer, exactly                       S('x')     a text, exactly
N('1.50')   a number of the same decimal value, as    C('ab')    a text but for spaces at its end
            a text or, if that is exact, as a number  O('a', …)  a text of one of these spellings
F('0.1')    that double; NaN and infinity as texts    TS('…')    a moment, as a text
F4('0.1')   a double that rounds to that float4       J('…')     a text, the same JSON, exact numbers
B('00ff')   a blob of these bytes                     JX('…')    a text, exactly this JSON
None        NULL                                      ANY        whatever is there
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

SPECIAL = {"NaN", "Infinity", "-Infinity"}  # kept as texts
_MOMENT = re.compile(r"(-?\d{4,}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?)(?:\+00(?::00)?|Z)?")


@dataclass(frozen=True, slots=True)
class Cell:
    """One expectation: its kind, a name of the list above, and its arguments."""

    kind: str
    arguments: tuple[Any, ...]

    def __repr__(self) -> str:
        shown = ",".join(map(repr, self.arguments))
        return f"{self.kind}({shown if len(shown) < 80 else shown[:77] + '...'})"

    def fits(self, stored: tuple[str, Any]) -> bool:
        """Whether SQLite's type and the value (an integer exact, a blob in hex) are as expected."""
        if self.kind == "ANY":
            return True
        return stored[0] != "null" and _CHECKS[self.kind](self.arguments, *stored)


def _of(kind: str) -> Callable[..., Cell]:
    return lambda *arguments: Cell(kind, arguments)


I, N, F, F4, S, C, B, J, JX, TS, O = map(  # noqa: E741 (short, for there are thousands)
    _of, ("I", "N", "F", "F4", "S", "C", "B", "J", "JX", "TS", "O")
)
ANY = Cell("ANY", ())


def fits(expected: Cell | None, stored: tuple[str, Any]) -> bool:
    """Whether a stored cell is as expected."""
    return stored[0] == "null" if expected is None else expected.fits(stored)


def _number(wanted: tuple[str], kind: str, value: Any) -> bool:
    if wanted[0] in SPECIAL:
        return (kind, value) == ("text", wanted[0])
    try:
        found = Decimal(value) if kind in {"text", "integer"} else Decimal(repr(float(value)))
    except InvalidOperation:
        return False
    return kind != "blob" and found == Decimal(wanted[0])


def _float(wanted: tuple[str], kind: str, value: Any, *, size: str = "d") -> bool:
    if wanted[0] in SPECIAL:
        return (kind, value) == ("text", wanted[0])
    if kind not in {"real", "integer"}:
        return False
    stored, expected = float(value), float(wanted[0])
    return stored == expected or struct.pack(size, stored) == struct.pack(size, expected)


def _float4(wanted: tuple[str], kind: str, value: Any) -> bool:
    return _float(wanted, kind, value, size="f")


def _same_json(wanted: tuple[str], kind: str, value: Any) -> bool:
    if kind != "text":
        return False
    try:
        return _normal(_exact(value)) == _normal(_exact(wanted[0]))
    except (ValueError, RecursionError):
        return value == wanted[0]


def _exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def _normal(value: Any) -> Any:
    """Moments inside of JSON in one spelling."""
    match value:
        case list():
            return [_normal(item) for item in value]
        case dict():
            return {key: _normal(item) for key, item in value.items()}
        case str() if found := _MOMENT.fullmatch(value):
            return f"{found[1]} {found[2]}"
        case _:
            return value


_CHECKS: dict[str, Callable[[tuple[Any, ...], str, Any], bool]] = {
    "I": lambda wanted, kind, value: kind == "integer" and int(value) == wanted[0],
    "N": _number,
    "F": _float,
    "F4": _float4,
    "S": lambda wanted, kind, value: (kind, value) == ("text", wanted[0]),
    "C": lambda wanted, kind, value: kind == "text" and value.rstrip(" ") == wanted[0].rstrip(" "),
    "B": lambda wanted, kind, value: kind == "blob" and value.lower() == wanted[0].lower(),
    "J": _same_json,
    "JX": lambda wanted, kind, value: (kind, value) == ("text", wanted[0]),
    "TS": lambda wanted, kind, value: (kind, value) == ("text", wanted[0]),
    "O": lambda wanted, kind, value: kind == "text" and value in wanted,
}
