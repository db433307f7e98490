"""What a client sees of a row: everything goes through a JavaScript double (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import orjson

from streamer.local_d1.engine import Row, Value

Seen = None | int | float | str | list[int] | orjson.Fragment

_EXACT = 2**53  # integers beyond lose digits in a double
_PLAIN = {str, type(None)}


def seen_rows(rows: Iterable[Row]) -> list[tuple[object, ...]]:
    """Rows as the API prints them: big integers rounded, ±Inf null, 819.0 as 819, blobs as numbers."""
    return [row if _PLAIN.issuperset(map(type, row)) else tuple(map(seen, row)) for row in rows]


def seen(value: Value) -> Seen:
    """One value as the API prints it."""
    match value:
        case int():
            return value if -_EXACT <= value <= _EXACT else _number(float(value))
        case float():
            return _number(value)
        case bytes():
            return list(value)
        case _:
            return value


def _number(value: float) -> Seen:
    if not math.isfinite(value):
        return None
    if not value.is_integer() or abs(value) >= 1e21:
        return value
    if abs(value) <= _EXACT:
        return int(value)
    return orjson.Fragment(number_text(value))


def number_text(value: float) -> str:
    """A double as JavaScript prints it; shortest digits, without an exponent below 1e21."""
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if not value.is_integer() or abs(value) >= 1e21:
        return repr(value)
    sign = "-" if value < 0 else ""
    digits, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = digits.partition(".")
    places = int(exponent or 0)
    return sign + (whole + fraction.rstrip("0")[:places].ljust(places, "0")).lstrip("0") or "0"
