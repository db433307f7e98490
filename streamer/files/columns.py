"""Many values of a column at once: what `derived` makes of each, and JSON tokens of cells (pure).

A whole column of a page goes through a few calls that C carries out. Whatever isn't as almost all
values are ends it with None: then the values are made one by one, which is what says exactly which
one is wrong, and why. Where something comes back, it is what one by one would give.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import TypeAlias, cast

import orjson

from streamer.files import derived
from streamer.files.derived import Derivation, WrongValueError
from streamer.model import Storage

Cells: TypeAlias = Sequence["str | None"]
Quick: TypeAlias = Callable[[Sequence[object]], "Cells | None"]

_INT64 = 1 << 63
_NONE = type(None)
_TEXTS, _WHOLE, _TRUTHS, _NUMBERS = {str, _NONE}, {int, _NONE}, {bool, _NONE}, {int, float, _NONE}
_BOOLEANS: Mapping[object, str | None] = {True: "1", False: "0", None: None}

# Each matches any number of lines, and gives nothing back.
_DECIMALS = re.compile(rf"(?:{derived.DECIMAL}\n)*+", re.ASCII)
_HEX = re.compile(r"(?:\\x(?:[0-9a-fA-F]{2})*+\n)*+", re.ASCII)
# Of so few digits that none has more than 64 bits.
_INTEGER_TOKENS = re.compile(r"(?:-?(?:0|[1-9]\d{0,17}|[1-8]\d{18})\n)*+", re.ASCII)
# Of so few digits that none is too large for a double.
_REAL_TOKENS = re.compile(
    r"(?:-?(?:0|[1-9]\d{0,200})(?:\.\d{1,200})?(?:e[+-]?\d\d)?\n)*+", re.ASCII
)

_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_DATE_SHAPES = frozenset({b"0000-00-00", b""})
_FRACTIONS = (b"", *(b"." + b"0" * digits for digits in range(1, 7)))
_LOCAL, _ZONED = (
    frozenset({b"", *(b"0000-00-00T00:00:00%b%b" % (some, zone) for some in _FRACTIONS)})
    for zone in (b"", b"+00:00")
)
_UTC = "+00:00\n"
_ZERO_AT_THE_END = re.compile(r"\.\d*0[+\n]")

_UUID_LINE, _UUID_DASHES = 37, (8, 13, 18, 23)
_HEX_DIGITS = b"0123456789abcdef"

_BETWEEN, _MARK = ',"\u00b7next\u00b7",', "\u00b7next\u00b7"


def many(make: Derivation) -> Quick:
    """What makes the cells of many values as `make` makes each; a value of None is NULL."""
    return _QUICK.get(make) or _each(make)


def _each(make: Derivation) -> Quick:
    def cells(values: Sequence[object]) -> Cells | None:
        try:
            return [None if value is None else make(value) for value in values]
        except WrongValueError:
            return None

    return cells


def _texts(values: Sequence[object]) -> Cells | None:
    if not _TEXTS.issuperset(map(type, values)):
        return None
    texts = cast("Cells", values)
    return None if "\0" in "".join(filter(None, texts)) else texts


def _integers(values: Sequence[object]) -> Cells | None:
    kinds = set(map(type, values))
    if not kinds <= _WHOLE:
        return None
    whole = cast("Sequence[int | None]", values)
    numbers = [value for value in whole if value is not None] if _NONE in kinds else values
    numbers = cast("Sequence[int]", numbers)
    if max(numbers, default=0) >= _INT64 or min(numbers, default=0) < -_INT64:
        return None
    if len(numbers) == len(values):
        return [*map(str, numbers)]
    return [None if value is None else str(value) for value in whole]


def _booleans(values: Sequence[object]) -> Cells | None:
    if not _TRUTHS.issuperset(map(type, values)):
        return None
    return [_BOOLEANS[value] for value in values]


def _doubles(values: Sequence[object]) -> Cells | None:
    if not _NUMBERS.issuperset(map(type, values)):
        return None
    return [None if value is None else repr(value) for value in values]


def _lines(values: Sequence[object]) -> str | None:
    """The texts that aren't NULL, a line each; None where others than these are among them."""
    if not _TEXTS.issuperset(map(type, values)):
        return None
    texts = [value for value in cast("Cells", values) if value is not None]
    joined = "\n".join([*texts, ""])
    return joined if joined.count("\n") == len(texts) else None


def _decimals(values: Sequence[object]) -> Cells | None:
    joined = _lines(values)
    if joined is None or _DECIMALS.fullmatch(joined) is None:
        return None
    return cast("Cells", values)


def _hex_digits(values: Sequence[object]) -> Cells | None:
    joined = _lines(values)
    if joined is None or _HEX.fullmatch(joined) is None:
        return None
    return [None if value is None else value[2:].lower() for value in cast("Cells", values)]


def _uuids(values: Sequence[object]) -> Cells | None:
    joined = _lines(values)
    if joined is None or not joined.isascii():
        return None
    count = len(joined) // _UUID_LINE
    others = joined.encode().translate(None, _HEX_DIGITS)
    dashes = all(joined[place::_UUID_LINE] == "-" * count for place in _UUID_DASHES)
    breaks = joined[_UUID_LINE - 1 :: _UUID_LINE] == "\n" * count
    if others != b"----\n" * count or not dashes or not breaks:
        return None
    return cast("Cells", values)


def _dates(values: Sequence[object]) -> Cells | None:
    joined = _lines(values)
    if joined is None or not _shapes(joined) <= _DATE_SHAPES:
        return None
    return cast("Cells", values) if _are(date.fromisoformat, joined) else None


def _moments(shapes: frozenset[bytes], *, to: Mapping[str, str]) -> Quick:
    """Timestamps as PostgreSQL prints them, with each of `to` replaced."""

    def cells(values: Sequence[object]) -> Cells | None:
        joined = _lines(values)
        if joined is None or not _shapes(joined) <= shapes or "T24" in joined:
            return None
        if shapes is _ZONED and joined.count(_UTC) != joined.count("\n"):
            return None
        if _ZERO_AT_THE_END.search(joined) or not _are(datetime.fromisoformat, joined):
            return None
        for was, becomes in to.items():
            joined = joined.replace(was, becomes)
        made = joined.split("\n")
        if len(made) == len(values) + 1:
            return made[:-1]
        texts = iter(made)
        return [None if value is None else next(texts) for value in values]

    return cells


def _shapes(joined: str) -> set[bytes]:
    """The different lines, with 0 for every digit; as if they were ASCII where they are more."""
    return set(joined.encode().translate(_AS_ZEROS).split(b"\n"))


def _are(parse: Callable[[str], object], joined: str) -> bool:
    """Whether there are such moments or days."""
    try:
        for _ in map(parse, joined.splitlines()):
            pass
    except ValueError:
        return False
    return True


_QUICK: Mapping[Derivation, Quick] = {
    derived.text: _texts,
    derived.integer: _integers,
    derived.boolean: _booleans,
    derived.double: _doubles,
    derived.no_special(derived.double): _doubles,
    derived.decimal: _decimals,
    derived.no_special(derived.decimal): _decimals,
    derived.uuid: _uuids,
    derived.hex_digits: _hex_digits,
    derived.date: _dates,
    derived.moment("exact", zoned=True): _moments(_ZONED, to={"T": " ", _UTC: "\n"}),
    derived.moment("exact", zoned=False): _moments(_LOCAL, to={"T": " "}),
    derived.moment("iso", zoned=True): _moments(_ZONED, to={_UTC: "Z\n"}),
    derived.moment("iso", zoned=False): _moments(_LOCAL, to={}),
}


def all_json(cells: Cells) -> bool:
    """Whether each cell surely is JSON; where unsure, False."""
    texts = [cell for cell in cells if cell is not None]
    joined = _BETWEEN.join(texts)
    marks = max(0, len(texts) - 1)
    if joined.count(_MARK) != marks:
        return False
    try:
        found = orjson.loads(f"[{joined}]")
    except orjson.JSONDecodeError:
        return False
    # All marks are ours and stand between two values, so nothing but one value is between them.
    return len(found) == len(texts) + marks and found[1::2] == [_MARK] * marks


class Lines:
    """Makes a transformed file's text of many rows: a JSON object each.

    `names` and `storages` are the columns'; `makers` make the JSON token of one cell.
    """

    def __init__(
        self,
        names: Sequence[str],
        storages: Sequence[Storage],
        makers: Sequence[Callable[[str | None], str]],
    ) -> None:
        members = [f"{orjson.dumps(name).decode()}:" for name in names]
        self._first = "{" + members[0]
        self._members = [self._first, *(f",{member}" for member in members[1:])]
        self._columns = [*zip(storages, makers, strict=True)]

    def text(self, columns: Sequence[Cells], between: str) -> str:
        """The rows of these columns of cells, with `between` between their lines."""
        count, step = len(columns[0]), 2 * len(columns)
        parts = [""] * (count * step)
        for place, ((storage, make), cells) in enumerate(zip(self._columns, columns, strict=True)):
            parts[2 * place :: step] = [self._members[place]] * count
            parts[2 * place + 1 :: step] = tokens(storage, cells) or [*map(make, cells)]
        parts[step::step] = [f"}}{between}{self._first}"] * (count - 1)
        return "".join([*parts, "}"])


def tokens(storage: Storage, cells: Cells) -> Sequence[str] | None:
    """The JSON tokens of a column's cells; None where they must be made one by one."""
    match storage:
        case Storage.INTEGER:
            return _number_tokens(cells, _INTEGER_TOKENS)
        case Storage.REAL:
            return _number_tokens(cells, _REAL_TOKENS)
        case Storage.TEXT | Storage.BLOB:
            # Within a JSON text no line break stands as it is.
            document = orjson.dumps(cells, option=orjson.OPT_INDENT_2).decode()
            return document[len("[\n  ") : -len("\n]")].split(",\n  ")


def _number_tokens(cells: Cells, lines: re.Pattern[str]) -> Sequence[str] | None:
    joined = _lines(cells)
    if joined is None or lines.fullmatch(joined) is None:
        return None
    return ["null" if cell is None else cell for cell in cells]
