"""Constants and casts: what PostgreSQL prints as `'…'::type`, in the form that D1 stores."""

from __future__ import annotations

import re
import struct
from decimal import Decimal, InvalidOperation

from streamer.translate.expressions import forms
from streamer.translate.expressions.syntax import TypeName
from streamer.translate.expressions.values import (
    WIDTHS,
    Constant,
    Form,
    UntranslatableError,
    Value,
)

_DIGITS = 15  # DBL_DIG: decimals of so many digits stay apart as doubles
_SMALLEST, _LARGEST = Decimal("1e-20"), Decimal("1e20")  # SQLite reads decimals in between exactly
_INT64 = 2**63

_DATE = r"\d{4}-\d\d-\d\d"
_PLAIN_SHAPES = {
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "time": re.compile(r"\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?"),
    "bit": re.compile(r"[01]*"),
    "varbit": re.compile(r"[01]*"),
    "macaddr": re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}"),
    "macaddr8": re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){7}"),
    '"char"': re.compile(r"[!-~]"),
}
_MOMENT_SHAPES = {
    "date": re.compile(f"({_DATE})"),
    "timestamp": re.compile(rf"({_DATE} \d\d:\d\d:\d\d(?:\.\d{{0,5}}[1-9])?)"),
    "timestamptz": re.compile(rf"({_DATE} \d\d:\d\d:\d\d(?:\.\d{{0,5}}[1-9])?)\+00"),
}
_SPECIAL = frozenset({"NaN", "Infinity", "-Infinity"})
_INFINITE = frozenset({"infinity", "-infinity"})


def number(text: str) -> Value:
    """A numeric literal, by PostgreSQL's rules for its type."""
    if text.isdecimal():
        value = int(text)
        if value < _INT64:
            return _integer(value, "int4" if value < 2**31 else "int8")
    return _decimal(Decimal(text))


def negative(value: Value) -> Value | None:
    """The negative of a constant number; None for anything else."""
    if isinstance(value.constant, int) and value.form is Form.INTEGER:
        return _integer(-value.constant, value.type)
    if isinstance(value.constant, Decimal) and value.form is Form.NUMBER:
        return _decimal(-value.constant)
    return None


def typed(text: str, kind: TypeName, user_types: frozenset[str] = frozenset()) -> Value:
    """`'text'::kind`; `user_types` are the enums that are known by `schema.name`."""
    name = f"{kind.schema}.{kind.name}" if kind.schema else kind.name
    if kind.array:
        raise UntranslatableError("arrays aren't translated here")
    if name in user_types:
        return forms.literal(Form.PLAIN, name, text)
    value = _built_in(text, name)
    return resized(value, kind) if kind.parameters else value


def _built_in(text: str, name: str) -> Value:
    made = None
    if name in ("text", "varchar", "name"):
        made = forms.literal(Form.TEXT, name, text)
    elif name == "bpchar":
        made = forms.literal(Form.CHARACTER, name, text.rstrip(" "))
    elif name in WIDTHS and re.fullmatch(r"-?\d+", text):
        made = _integer(int(text), name)
    elif name in ("numeric", "float8", "float4"):
        made = _number_of(text, name)
    elif name == "bool" and text in ("true", "false"):
        made = boolean(true=text == "true")
    elif name in _MOMENT_SHAPES:
        made = _moment(text, name)
    elif name in _PLAIN_SHAPES and _PLAIN_SHAPES[name].fullmatch(text):
        made = forms.literal(Form.PLAIN, name, text)
    elif name == "bytea" and re.fullmatch(r"\\x([0-9a-f]{2})*", text):
        made = Value(f"x'{text[2:]}'", Form.BYTES, name, constant=bytes.fromhex(text[2:]))
    if made is None:
        raise UntranslatableError(f"constants of type {name} aren't translated")
    return made


def _moment(text: str, name: str) -> Value:
    found = _MOMENT_SHAPES[name].fullmatch(text)
    if text not in _INFINITE and found is None:
        raise UntranslatableError(f"this {name} isn't one of the years 1 to 9999")
    return forms.literal(Form.MOMENT, name, found[1] if found else text)


def _number_of(text: str, name: str) -> Value:
    if text in _SPECIAL:
        return forms.literal(_number_form(name), name, text)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise UntranslatableError(f"constants of type {name} aren't translated") from None
    return _decimal(value) if name == "numeric" else _float(value, name)


def _number_form(name: str) -> Form:
    return {"numeric": Form.NUMBER, "float8": Form.FLOAT8, "float4": Form.FLOAT4}[name]


def boolean(*, true: bool) -> Value:
    """TRUE or FALSE."""
    return Value("1" if true else "0", Form.BOOLEAN, "bool", constant=int(true))


def _integer(value: int, name: str) -> Value:
    if not -_INT64 <= value < _INT64:
        raise UntranslatableError("this number doesn't fit 64 bits")
    return Value(str(value), Form.INTEGER, name, atomic=value >= 0, constant=value)


def _decimal(value: Decimal) -> Value:
    return Value(decimal_sql(value), Form.NUMBER, "numeric", atomic=value >= 0, constant=value)


def _float(value: Decimal, name: str) -> Value:
    if len(value.normalize().as_tuple().digits) > _DIGITS or not _readable(value):
        raise UntranslatableError("this number has too many digits to be compared exactly")
    if name == "float4" and len(value.normalize().as_tuple().digits) > 6:  # FLT_DIG
        raise UntranslatableError("this number has too many digits to be compared exactly")
    return Value(decimal_sql(value), _number_form(name), name, atomic=value >= 0, constant=value)


def decimal_sql(value: Decimal) -> str:
    """A number as SQLite reads it without loss, without trailing zeros."""
    if value == value.to_integral_value():
        if abs(value) < _INT64:
            return str(int(value))
        raise UntranslatableError("this number doesn't fit 64 bits")
    digits = value.normalize()
    if len(digits.as_tuple().digits) > _DIGITS or not _readable(value):
        raise UntranslatableError("this number has too many digits to be compared exactly")
    return format(digits, "f")


def _readable(value: Decimal) -> bool:
    return value == 0 or _SMALLEST < abs(value) < _LARGEST


def is_float4(value: Decimal) -> bool:
    """Whether a float4 holds exactly this number, so that its shortest decimal is the number."""
    (held,) = struct.unpack("<f", struct.pack("<f", float(value)))
    return Decimal(held) == value


def resized(value: Value, kind: TypeName) -> Value:
    """A constant under a type with a length, or precision and scale: only where it fits as it is."""
    constant, parameters = value.constant, [*kind.parameters, 0]
    fits = False
    if isinstance(constant, str) and value.form in (Form.TEXT, Form.CHARACTER):
        fits = len(constant) <= parameters[0]
    elif isinstance(constant, str) and value.form is Form.PLAIN:
        fits = len(constant) == parameters[0] and kind.name == "bit"
        fits = fits or (len(constant) <= parameters[0] and kind.name == "varbit")
    elif kind.name == "numeric" and constant == "NaN":
        fits = True
    elif isinstance(constant, Decimal) and kind.name == "numeric":
        scale = parameters[1]
        fits = constant == round(constant, scale) and abs(constant) < 10 ** (parameters[0] - scale)
    if not fits:
        raise UntranslatableError("a constant that a cast changes isn't translated")
    return value


def recast(value: Value, kind: TypeName) -> Value | None:
    """A constant number or text under another built-in type; None where that isn't simple."""
    constant: Constant | None = value.constant
    if constant is None or kind.schema or kind.array:
        return None
    made: Value | None = None
    if value.form is Form.INTEGER or (value.form is Form.NUMBER and isinstance(constant, Decimal)):
        made = _renumbered(Decimal(str(constant)), kind.name)
    elif value.form is Form.TEXT and kind.name in ("text", "varchar", "bpchar", "name"):
        made = _built_in(str(constant), kind.name)
    elif value.form is Form.CHARACTER and kind.name in ("text", "varchar"):
        made = forms.literal(Form.TEXT, kind.name, str(constant))
    elif value.form is Form.PLAIN and {kind.name, value.type} <= {"bit", "varbit"}:
        made = forms.literal(Form.PLAIN, kind.name, str(constant))
    elif value.form is Form.PLAIN and kind.name == value.type:
        made = value
    if made is not None and kind.parameters:
        return resized(made, kind)
    return made


def _renumbered(value: Decimal, name: str) -> Value | None:
    if name in WIDTHS:
        bound = 2 ** (WIDTHS[name] - 1)
        whole = value == value.to_integral_value() and -bound <= value < bound
        return _integer(int(value), name) if whole else None
    if name == "numeric":
        return _decimal(value)
    return _float(value, name) if name in ("float8", "float4") else None


def hidden(value: Value) -> Value:
    """A uuid constant as 16 bytes."""
    digits = str(value.constant).replace("-", "")
    return Value(f"x'{digits}'", value.form, value.type, constant=value.constant, blob=True)
