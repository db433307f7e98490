"""Makes D1's cells of exported values (pure): the same text that PostgreSQL would print.

Each function takes a JSON value that isn't null and returns the cell, None for NULL. What can't be a
value of the type is a `WrongValueError`, whose text says why and never what.
"""

from __future__ import annotations

import base64 as base64_codec
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date as calendar
from datetime import datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import TypeAlias

from streamer.frozen import frozen

Derivation: TypeAlias = Callable[[object], "str | None"]

LENGTH_HEADER = 4  # VARHDRSZ: the typmod of char(n) is n + 4
_NUMERIC_HEADER = 4  # the same of numeric(p, s): (p << 16 | s) + 4
SPECIALS = frozenset({"NaN", "Infinity", "-Infinity"})
_INT64 = 1 << 63
_DOUBLE_MAX = Decimal("1.7976931348623157e308")
_DOUBLE_MIN = Decimal("2.3e-308")  # as PostgreSQL casts: smaller numbers are 0
_EXACT = Context(prec=140_000, Emax=999_999, Emin=-999_999)  # numeric's digits, both sides
DECIMAL = r"-?(?:0|[1-9]\d*)(?:\.\d+)?"
"""What a numeric is printed as, NaN and infinity aside."""
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_DECIMAL = re.compile(DECIMAL, re.ASCII)
_NUMBER = re.compile(rf"{DECIMAL}(?:[eE][+-]?\d+)?", re.ASCII)
_HEX = re.compile(r"\\x([0-9a-fA-F]{2})*", re.ASCII)
_UUID = re.compile(UUID, re.ASCII)
_BITS = re.compile(r"[01]+", re.ASCII)
_DATE = re.compile(r"(\d{4,7})-(\d\d)-(\d\d)( BC)?", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4,7}-\d\d-\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d(?::?\d\d)?)?( BC)?",
    re.ASCII,
)
_INFINITE = frozenset({"infinity", "-infinity"})
_EPOCH_DAY = 719_163  # date(1970, 1, 1).toordinal()
_LAST_YEAR = 9999
_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097  # the Gregorian calendar repeats


class WrongValueError(ValueError):
    """A value that isn't one of its type, as the end of a sentence: `it isn't a whole number`."""


def text(value: object) -> str:
    """A text as it is."""
    if isinstance(value, str):
        if "\0" in value:
            raise WrongValueError("it holds the character NUL, which no text in PostgreSQL does")
        return value
    raise WrongValueError("it isn't a string")


def integer(value: object) -> str:
    """A whole number of 64 bits."""
    if isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64:
        return str(value)
    raise WrongValueError("it isn't a whole number of 64 bits")


def boolean(value: object) -> str:
    """1 or 0."""
    if isinstance(value, bool):
        return "1" if value else "0"
    raise WrongValueError("it isn't true or false")


def double(value: object) -> str:
    """A double, or the text of what is no number."""
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value) if isinstance(value, int) else repr(value)
    if isinstance(value, str) and value in SPECIALS:
        return value
    raise WrongValueError("it isn't a number")


@cache
def no_special(make: Derivation) -> Derivation:
    """`make`, with NULL for what is no number."""
    return lambda value: None if isinstance(value, str) and value in SPECIALS else make(value)


def decimal(value: object) -> str:
    """The exact text of a number."""
    if isinstance(value, str) and is_decimal(value):
        return value
    raise WrongValueError("it isn't the text of a decimal number")


def is_decimal(printed: str) -> bool:
    """Whether a text is a number's exact text, or NaN or infinity."""
    return printed in SPECIALS or _DECIMAL.fullmatch(printed) is not None


def trimmed(value: object) -> str:
    """The same without zeros at the end of its fraction."""
    printed = decimal(value)
    return printed.rstrip("0").rstrip(".") if "." in printed else printed


def scale_of(modifier: int) -> int | None:
    """The scale of a numeric(p, s) by its typmod; None where it has none."""
    if modifier < _NUMERIC_HEADER:
        return None
    return (((modifier - _NUMERIC_HEADER) & 0x7FF) ^ 0x400) - 0x400


def scaled(scale: int) -> Derivation:
    """The number times 10^scale, what is left behind the point cut off."""

    def make(value: object) -> str:
        printed = decimal(value)
        if printed in SPECIALS:
            return printed
        whole = _EXACT.scaleb(_EXACT.create_decimal(printed), scale)
        return str(int(whole))

    return make


def nearest_double(value: object) -> str:
    """The double that PostgreSQL casts the number to; its own text beyond their range."""
    printed = decimal(value)
    if printed in SPECIALS:
        return printed
    try:
        number = _EXACT.create_decimal(printed)
    except InvalidOperation:
        raise WrongValueError("it has more digits than a numeric") from None
    if abs(number) < _DOUBLE_MIN:
        return "0"
    return repr(float(number)) if abs(number) <= _DOUBLE_MAX else printed


def padded(length: int) -> Derivation:
    """A char(length), with its blanks."""
    return lambda value: text(value).ljust(length)


def bits(value: object) -> str:
    """The number that the bits are."""
    printed = text(value)
    if not _BITS.fullmatch(printed):
        raise WrongValueError("it isn't a string of 0 and 1")
    return str(int(printed, 2))


def position(labels: Sequence[str]) -> Derivation:
    """Where an enum's label stands, from 1; the label itself where it isn't one of these."""
    places = {label: str(place) for place, label in enumerate(labels, 1)}
    return lambda value: places.get(text(value), text(value))


def uuid(value: object) -> str:
    """A UUID as PostgreSQL prints it."""
    printed = text(value)
    if not _UUID.fullmatch(printed):
        raise WrongValueError("it isn't a UUID of 36 characters in lower case")
    return printed


def uuid_digits(value: object) -> str:
    """The hex digits of a UUID's 16 bytes."""
    return uuid(value).replace("-", "")


def hex_digits(value: object) -> str:
    """The hex digits of bytes."""
    if isinstance(value, str) and _HEX.fullmatch(value):
        return value[2:].lower()
    raise WrongValueError('it isn\'t "\\x" and two hex digits a byte')


def base64(value: object) -> str:
    """Bytes in base64, in one line."""
    return base64_codec.b64encode(bytes.fromhex(hex_digits(value))).decode()


def date(value: object) -> str:
    """A date's text."""
    printed = text(value)
    if printed not in _INFINITE:
        _day(printed)
    return printed


def date_days(value: object) -> str:
    """Days since 1970-01-01; infinity's own text."""
    printed = text(value)
    return printed if printed in _INFINITE else str(_day(printed) - _EPOCH_DAY)


def date_seconds(value: object) -> str:
    """Seconds since 1970-01-01; infinity's own text."""
    printed = text(value)
    return printed if printed in _INFINITE else str((_day(printed) - _EPOCH_DAY) * 86_400)


@lru_cache(maxsize=4_096)  # days come again and again
def _day(printed: str) -> int:
    """The proleptic Gregorian ordinal of a date, 1 for 0001-01-01."""
    found = _DATE.fullmatch(printed)
    if found is None:
        raise WrongValueError("it isn't a date (YYYY-MM-DD)")
    if (year := int(found[1])) == 0:
        raise WrongValueError("there is no year 0")
    year = 1 - year if found[4] else year
    cycles = (year - 1) // _CYCLE_YEARS if not 1 <= year <= _LAST_YEAR else 0
    try:
        ordinal = calendar(year - cycles * _CYCLE_YEARS, int(found[2]), int(found[3])).toordinal()
    except ValueError:
        raise WrongValueError("there is no such day") from None
    return ordinal + cycles * _CYCLE_DAYS


@frozen
class _Moment:
    """A timestamp in UTC: `day` as PostgreSQL prints it, `fraction` up to six digits without zeros
    at the end, `era` is ` BC` or nothing.
    """

    day: str
    clock: str
    fraction: str
    era: str

    @property
    def odd(self) -> bool:
        """Whether the year isn't one of 1 to 9999."""
        return bool(self.era) or len(self.day) > len("9999-12-31")

    def printed(self, between: str = " ", zone: str = "") -> str:
        point = f".{self.fraction}" if self.fraction else ""
        return f"{self.day}{between}{self.clock}{point}{zone}{self.era}"


def _moment(value: object, *, zoned: bool) -> _Moment | str:
    """The parts of a timestamp; infinity as it is."""
    printed = text(value)
    if printed in _INFINITE:
        return printed
    found = _MOMENT.fullmatch(printed)
    if found is None:
        raise WrongValueError("it isn't a timestamp (ISO 8601)")
    day, hour, minute, second, fraction, zone, era = found.groups()
    _day(f"{day}{era or ''}")
    if not (int(hour) < 24 and int(minute) < 60 and int(second) < 60):
        raise WrongValueError("there is no such time of day")
    if zoned is (zone is None):
        said = "has no offset from UTC" if zoned else "has an offset, and its column no time zone"
        raise WrongValueError(f"it {said}")
    moment = _Moment(day, f"{hour}:{minute}:{second}", (fraction or "").rstrip("0"), era or "")
    return moment if zone in {None, "Z", "+00:00", "+00"} else _in_utc(moment, str(zone))


def _in_utc(moment: _Moment, zone: str) -> _Moment:
    """A moment that somebody wrote with another offset than PostgreSQL did."""
    digits = zone[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    try:
        local = datetime.fromisoformat(f"{moment.day} {moment.clock}")
        there = local + offset if zone[0] == "-" else local - offset
    except (ValueError, OverflowError):
        raise WrongValueError("its offset is only understood in the years 1 to 9999") from None
    return _Moment(there.date().isoformat(), there.time().isoformat(), moment.fraction, "")


def _exact(moment: _Moment, _zoned: bool) -> str:  # noqa: FBT001 (one of _MOMENTS)
    return moment.printed()


def _iso(moment: _Moment, zoned: bool) -> str:  # noqa: FBT001 (one of _MOMENTS)
    return moment.printed() if moment.odd else moment.printed("T", "Z" if zoned else "")


def _offset(moment: _Moment, zoned: bool) -> str:  # noqa: FBT001 (one of _MOMENTS)
    return moment.printed(zone="+00" if zoned else "")


def _seconds(moment: _Moment, _zoned: bool) -> str:  # noqa: FBT001 (one of _MOMENTS)
    return f"{moment.day} {moment.clock}{moment.era}"


def _milliseconds(moment: _Moment, _zoned: bool) -> str:  # noqa: FBT001 (one of _MOMENTS)
    return f"{moment.day} {moment.clock}.{_ms(moment)}{moment.era}"


def _unix_milliseconds(moment: _Moment, _zoned: bool) -> str:  # noqa: FBT001 (one of _MOMENTS)
    hour, minute, second = map(int, moment.clock.split(":"))
    days = _day(moment.day + moment.era) - _EPOCH_DAY
    return str((days * 86_400 + hour * 3600 + minute * 60 + second) * 1000 + int(_ms(moment)))


_MOMENTS: Mapping[str, Callable[[_Moment, bool], str]] = {
    "exact": _exact,
    "iso": _iso,
    "offset": _offset,
    "seconds": _seconds,
    "ms": _milliseconds,
    "unixms": _unix_milliseconds,
}


@cache
def moment(choice: str, *, zoned: bool) -> Derivation:
    """A timestamp as the option `timestamps` wants it; `zoned`: the type has a time zone."""
    make = _MOMENTS[choice]

    def derive(value: object) -> str:
        found = _moment(value, zoned=zoned)
        return found if isinstance(found, str) else make(found, zoned)

    return derive


def _ms(moment: _Moment) -> str:
    return moment.fraction[:3].ljust(3, "0")


def is_number(cell: str) -> bool:
    """Whether a cell of a REAL column is a JSON number, rather than the text of what is none."""
    return _NUMBER.fullmatch(cell) is not None and math.isfinite(float(cell))
