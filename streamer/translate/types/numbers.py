"""Integers, floats, numeric, money and boolean."""

from __future__ import annotations

from dataclasses import replace

from streamer.model import PgType, Storage
from streamer.translate.types.asked import AS_TEXT, Asked, Maker, always, text
from streamer.translate.types.mapping import Counted, Mapping

_NUMERIC_HEADER = 4  # VARHDRSZ, src/include/utils/numeric.h: typmod = (precision << 16 | scale) + 4
_INTEGER_DIGITS = 18  # every integer of 18 digits fits 64 bits
_DOUBLE_DIGITS = 15  # DBL_DIG: so many decimal digits survive a double
_REAL_SCALE = 20  # SQLite reads decimals exactly within 1e-20..1e20 (40,000 random doubles)
_TRIM_SCALE_VERSION = 130_000  # postgresql.org/docs/release/13.0: trim_scale() is new
_INFINITY_VERSION = 140_000  # postgresql.org/docs/release/14.0: numeric knows infinity
# numeric to double raises beyond these: DBL_MAX, and a little above DBL_MIN.
_DOUBLE_MAX = "1.7976931348623157e308"
_DOUBLE_MIN = "2.3e-308"

_JAVASCRIPT_SAFE = 2**53
_ROUNDED = (
    "integers beyond 2^53 in {rows} of the rows: stored exactly, but JavaScript readers will see"
    " rounded numbers"
)
_SPECIAL_TEXT = (
    "NaN or infinity in {rows} of the rows: stored as the texts 'NaN', 'Infinity' and '-Infinity'"
)
_SPECIAL_NULL = "NaN or infinity in {rows} of the rows: stored as NULL"
_SPECIAL_REFUSED = 'NaN or infinity in {rows} of the rows, and nan = "refuse"'
_SPECIAL_IN_TEXT = "NaN or infinity in {rows} of the rows: texts among the texts of numbers"
_NOT_SCALED = 'numeric = "scaled" needs a numeric(p, s) of at most 18 digits: it stays text'
_NAN_OPTION = 'nan = "null" stores them as NULL, nan = "refuse" stops'


# What is no number has no digits: it takes a header's 8 bytes at most (NUMERIC_HDRSZ of PostgreSQL's numeric.c), and
# comparing sizes is three times as quick as comparing numbers.
_IS_SHORT = "pg_column_size({c}) <= 8"


def integer(note: str = "") -> Mapping:
    """A number that fits 64 bits, exactly."""
    return Mapping(Storage.INTEGER, AS_TEXT, "integer", exact=True, note=note)


def beyond_javascript(value: str, hint: str = "") -> Counted:
    """Integers that a double can't hold; `value` is SQL with `{c}`."""
    condition = f"{value} NOT BETWEEN -{_JAVASCRIPT_SAFE} AND {_JAVASCRIPT_SAFE}"
    read = "Read them with CAST(col AS TEXT)"
    told = f"{read}, or {hint}" if hint else read
    return Counted(condition, _ROUNDED, told, ranges=value == "{c}")


def modifier_of_numeric(modifier: int) -> tuple[int, int] | None:
    """Precision and scale of a numeric's typmod, None where it has none."""
    if modifier < _NUMERIC_HEADER:
        return None
    precision = (modifier - _NUMERIC_HEADER) >> 16 & 0xFFFF
    scale = (modifier - _NUMERIC_HEADER) & 0x7FF
    return precision, (scale ^ 0x400) - 0x400  # 11 bits with a sign since PostgreSQL 15


def numeric_storage(modifier: int, choice: str = "auto") -> Storage:
    """What a numeric with this typmod (-1: none) is stored as, by the option `numeric`."""
    known = modifier_of_numeric(modifier)
    if choice == "real":
        return Storage.REAL
    if choice == "text" or known is None:
        return Storage.TEXT
    precision, scale = known
    if precision <= _INTEGER_DIGITS and (scale == 0 or choice == "scaled"):
        return Storage.INTEGER
    if 0 <= scale <= _REAL_SCALE and precision <= _DOUBLE_DIGITS:
        return Storage.REAL
    return Storage.TEXT


def _bigint(_kind: PgType, asked: Asked) -> Mapping:
    if asked.options.bigint == "text":
        return text("bigint text", "decimal text: compares and sorts as text")
    mapped = integer("exact; JavaScript rounds above 2^53, read with CAST(… AS TEXT)")
    hint = 'move the column as text: bigint = "text"'
    return replace(mapped, counted=(beyond_javascript("{c}", hint),))


def _bool(_kind: PgType, asked: Asked) -> Mapping:
    check = "{c} IN (0, 1)" if asked.options.booleans == "checked" else ""
    return Mapping(Storage.INTEGER, "{c}::int::text", "bool", note="1 or 0", check=check)


def _specials(mapping: Mapping, condition: str, choice: str, *, first: str = "") -> Mapping:
    """`mapping`, whose values that no number column can hold are treated as `nan` asks.

    `first` is what to look at before the condition where rows are counted: quicker, and true for all such values.
    """
    counted = f"{first} AND {condition}" if first else condition
    match choice:
        case "null":
            return replace(
                mapping,
                template=f"CASE WHEN {condition} THEN NULL ELSE {mapping.template} END",
                distinct=False,
                note=mapping.note.replace("as text", "as NULL"),
                counted=(*mapping.counted, Counted(counted, _SPECIAL_NULL, nulls=True)),
            )
        case "refuse":
            told = Counted(counted, _SPECIAL_REFUSED, 'nan = "text" or "null"', refuses=True)
        case _:
            told = Counted(counted, _SPECIAL_TEXT, _NAN_OPTION)
    return replace(mapping, counted=(*mapping.counted, told))


def _float(name: str) -> Maker:
    literals = ", ".join(f"'{value}'::{name}" for value in ("NaN", "Infinity", "-Infinity"))
    special = "{c} IN (" + literals + ")"
    zero = Counted("{c} = 0 AND {c}::text = '-0'", "-0 in {rows} of the rows: stored as 0")
    mapped = Mapping(
        Storage.REAL,
        AS_TEXT,
        name,
        exact=True,
        note="double; NaN and infinities as text, -0 as 0",
        counted=(zero,),
    )

    def make(_kind: PgType, asked: Asked) -> Mapping:
        return _specials(mapped, special, asked.options.nan)

    return make


def _numeric_special(modifier: int, server_version: int) -> str:
    """SQL: is it no number? A numeric with a precision holds NaN at most."""
    if modifier < _NUMERIC_HEADER and server_version >= _INFINITY_VERSION:
        return "{c} IN ('NaN'::numeric, 'Infinity'::numeric, '-Infinity'::numeric)"
    return "{c} = 'NaN'::numeric"


def _numeric(kind: PgType, asked: Asked) -> Mapping:
    choice = asked.options.numeric
    storage = numeric_storage(kind.modifier, choice)
    known = modifier_of_numeric(kind.modifier)
    special = _numeric_special(kind.modifier, asked.server_version)
    by_text = asked.numeric_text and choice != "real" and storage is Storage.REAL
    if storage is Storage.TEXT or by_text:
        return _numeric_text(kind, asked, special)
    if storage is Storage.INTEGER:
        assert known is not None
        return _specials(_numeric_integer(*known), special, asked.options.nan, first=_IS_SHORT)
    fits = (
        numeric_storage(kind.modifier) is not Storage.TEXT
        and known is not None
        and known[0] <= _DOUBLE_DIGITS
    )
    mapped = _numeric_real() if fits else _numeric_lossy()
    return _specials(mapped, special, asked.options.nan, first=_IS_SHORT)


def _numeric_text(kind: PgType, asked: Asked, special: str) -> Mapping:
    """Decimal text: in keys without trailing zeros, so that equal numbers are equal texts."""
    known = modifier_of_numeric(kind.modifier)
    if asked.numeric_text:
        template = _trimmed(asked.server_version)
        mapped = text("numeric", "decimal text without trailing zeros", template)
    else:
        family = f"numeric text {max(known[1], 0)}" if known is not None else ""
        mapped = text(family, "decimal text: compares and sorts as text")
    return replace(
        mapped,
        counted=(Counted(f"{_IS_SHORT} AND {special}", _SPECIAL_IN_TEXT),),
        announce=_NOT_SCALED if asked.options.numeric == "scaled" else "",
    )


def _numeric_integer(precision: int, scale: int) -> Mapping:
    """The value times 10^scale, for at most 18 digits."""
    if scale == 0:
        mapped = integer("exact")
    else:
        mapped = Mapping(
            Storage.INTEGER,
            f"trunc({{c}} * 1e{scale})::text",
            f"numeric scaled {scale}",
            note=f"exact, times 10^{scale}",
        )
    if precision > _DOUBLE_DIGITS:
        value = "{c}" if scale == 0 else f"{{c}} * 1e{scale}"
        # NaN is greater than all numbers; it is counted by itself.
        big = beyond_javascript(value)
        condition = f"{big.condition} AND {{c}} <> 'NaN'::numeric"
        mapped = replace(mapped, counted=(replace(big, condition=condition, ranges=False),))
    return mapped


def _numeric_real() -> Mapping:
    note = "exact double; NaN as text"
    return Mapping(Storage.REAL, AS_TEXT, "numeric real", exact=True, note=note)


def _numeric_lossy() -> Mapping:
    """The nearest double, where digits may be lost: counted, and refused where there is none."""
    printed = (
        f"CASE WHEN abs({{c}}) < {_DOUBLE_MIN} THEN '0'"
        f" WHEN abs({{c}}) <= {_DOUBLE_MAX} THEN {{c}}::float8::text ELSE {{c}}::text END"
    )
    inexact = (
        f"CASE WHEN abs({{c}}) < {_DOUBLE_MIN} THEN {{c}} <> 0"
        f" WHEN abs({{c}}) <= {_DOUBLE_MAX} THEN {{c}}::float8::text::numeric <> {{c}}"
        " ELSE false END"
    )
    # The text of NaN and of the infinities has a letter in it, that of a number hasn't.
    beyond = (
        f"abs({{c}}) > {_DOUBLE_MAX} AND {{c}}::text NOT LIKE '%N%' AND {{c}}::text NOT LIKE '%I%'"
    )
    return Mapping(
        Storage.REAL,
        printed,
        "numeric real",
        distinct=False,
        note="nearest double; NaN as text",
        counted=(
            Counted(
                inexact,
                "digits are lost in {rows} of the rows: no double is the same number",
                'numeric = "text" keeps them',
            ),
            Counted(
                beyond,
                "numbers in {rows} of the rows are beyond the range of doubles",
                'Move the column with numeric = "text"',
                refuses=True,
            ),
        ),
    )


def _trimmed(server_version: int) -> str:
    if server_version >= _TRIM_SCALE_VERSION:
        return "trim_scale({c})::text"
    return (
        "CASE WHEN {c}::text LIKE '%.%' THEN rtrim(rtrim({c}::text, '0'), '.') ELSE {c}::text END"
    )


def _money(_kind: PgType, asked: Asked) -> Mapping:
    if asked.options.money == "text":
        return Mapping(
            Storage.TEXT, "{c}::numeric::text", "money", keyable=False, note="decimal text"
        )
    cents = "{c}::numeric * 100"
    # Where lc_monetary has another number of decimals than two.
    lost = f"{cents} <> trunc({cents}) OR abs({cents}) > {2**63 - 1}"
    return Mapping(
        Storage.INTEGER,
        f"trunc({cents})::text",
        "money cents",
        keyable=False,
        note="cents",
        counted=(
            beyond_javascript(cents, 'move the column as text: money = "text"'),
            Counted(
                lost,
                "amounts in {rows} of the rows are no whole cents of 64 bits",
                'Move the column with money = "text"',
                refuses=True,
            ),
        ),
    )


MAKERS: dict[str, Maker] = {
    "int2": always(integer()),
    "int4": always(integer()),
    "int8": _bigint,
    "oid": always(integer()),
    "xid": always(replace(integer(), keyable=False)),
    "cid": always(replace(integer(), keyable=False)),
    "bool": _bool,
    "float4": _float("float4"),
    "float8": _float("float8"),
    "numeric": _numeric,
    "money": _money,
}
"""By the name in pg_catalog."""
