"""Constants of DEFAULTs as the column stores them, where that isn't the text PostgreSQL prints."""

from __future__ import annotations

import json
import re
from decimal import Decimal

from streamer.model import PgType, TypeKind
from streamer.translate.expressions import decimals, forms
from streamer.translate.expressions.arrays import array_texts
from streamer.translate.expressions.syntax import Node, TypeName
from streamer.translate.expressions.values import (
    WIDTHS,
    Form,
    Operand,
    UntranslatableError,
    Value,
    text_literal,
)

# What these types' constants are printed as is what their columns hold.
_AS_PRINTED = frozenset(
    {"json", "jsonb", "xml", "inet", "cidr", "timetz", "pg_lsn", "tsvector", "point", "line"}
    | {"lseg", "box", "path", "polygon", "circle"}
)
_NUMERIC_HEADER = 4  # VARHDRSZ, src/include/utils/numeric.h: typmod = (precision << 16 | scale) + 4
_ISO = re.compile(r"P(?:-?\d+[YMD])*(?:T(?:-?\d+(?:\.\d+)?[HMS])+)?")
_INTERVAL = re.compile(
    r"(?:(\d+) years? ?)?(?:(\d+) mons? ?)?(?:(\d+) days? ?)?(?:(\d\d+):(\d\d):(\d\d(?:\.\d+)?))?"
)


def constant(node: Node, operand: Operand) -> str | None:
    """A constant of a type whose text needs care, as SQL; None for the types that don't.

    Raises:
        UntranslatableError: it is of such a type, but no such constant.
    """
    kind = operand.type.base
    text, printed = _literal(node)
    array = kind.kind is TypeKind.ARRAY
    if not array and not _needs_care(kind):
        return None
    if not forms.is_usual(operand):
        raise UntranslatableError("the column is stored in another form by an option")
    if array and kind.inner is not None:
        return text_literal(_array(node, kind.inner.base))
    if text is None or not _is_type(printed, kind):
        raise UntranslatableError(f"it isn't a constant of type {kind.name}")
    if kind.name == "interval":
        return text_literal(_interval(text))
    if kind.extension == "hstore":
        if text:
            raise UntranslatableError("a constant of type hstore isn't translated")
        return "'{}'"
    return text_literal(text)


def decimal(value: Value, operand: Operand) -> str:
    """A numeric that is kept as text, with the digits that PostgreSQL prints."""
    number = value.constant
    if isinstance(number, str):
        return text_literal(number)
    number = Decimal(str(number))
    size = parameters(operand.type.base)
    if operand.mapping.template != "{c}::text":  # without trailing zeros
        return decimals.equality(Value("", Form.NUMBER, "numeric", constant=number))
    if size:
        precision, scale = size
        if scale < 0 or number != round(number, scale) or abs(number) >= 10 ** (precision - scale):
            raise UntranslatableError("a constant that the column's type changes isn't translated")
        return text_literal(f"{number:.{scale}f}")
    return text_literal(format(number, "f"))


def parameters(kind: PgType) -> tuple[int, ...]:
    """What stands in parentheses behind the type: (precision, scale), (length,), or nothing."""
    if kind.modifier < 0 or kind.schema != "pg_catalog":
        return ()
    if kind.name == "numeric":
        packed = kind.modifier - _NUMERIC_HEADER
        scale = ((packed & 0x7FF) ^ 0x400) - 0x400  # 11 bits with a sign since PostgreSQL 15
        return packed >> 16 & 0xFFFF, scale
    if kind.name in ("varchar", "bpchar"):
        return (kind.modifier - _NUMERIC_HEADER,)
    return (kind.modifier,)


def _literal(node: Node) -> tuple[str | None, TypeName | None]:
    if node.op == "cast" and node.parts[0].op == "string" and not node.parts[0].bits:
        return node.parts[0].text, node.type
    return None, None


def _needs_care(kind: PgType) -> bool:
    if kind.kind in (TypeKind.RANGE, TypeKind.MULTIRANGE) or kind.extension == "hstore":
        return True
    return kind.schema == "pg_catalog" and (kind.name in _AS_PRINTED or kind.name == "interval")


def _is_type(printed: TypeName | None, kind: PgType) -> bool:
    schema = "" if kind.schema == "pg_catalog" else kind.schema
    return printed == TypeName(kind.name, schema)


def _interval(text: str) -> str:
    """The interval in ISO 8601, as PostgreSQL prints it with IntervalStyle = iso_8601."""
    if _ISO.fullmatch(text) and text != "P":
        return text
    found = _INTERVAL.fullmatch(text)
    if not text or found is None:
        raise UntranslatableError("this interval isn't a plain one")
    *parts, seconds = found.groups(default="0")
    days = "".join(f"{int(n)}{unit}" for n, unit in zip(parts[:3], "YMD", strict=True) if int(n))
    clock = "".join(f"{int(n)}{unit}" for n, unit in zip(parts[3:], "HM", strict=True) if int(n))
    if Decimal(seconds):
        clock += f"{Decimal(seconds).normalize():f}S"
    if not days and not clock:
        return "PT0S"
    return f"P{days}" + (f"T{clock}" if clock else "")


def _array(node: Node, element: PgType) -> str:
    """A one-dimensional array of texts, integers or booleans as PostgreSQL's to_json prints it."""
    while node.op == "cast" and node.type is not None and node.type.array:
        node = node.parts[0]
    if node == Node("array"):
        return "[]"
    texts: list[str | None]
    if node.op == "array":
        texts = [_literal(part)[0] if part.op == "cast" else None for part in node.parts]
        if None in texts:
            raise UntranslatableError("this array isn't a plain one")
    elif node.op == "string" and not node.bits:
        texts = array_texts(node.text)
    else:
        raise UntranslatableError("it isn't a constant array")
    return "[" + ",".join("null" if one is None else _json(one, element) for one in texts) + "]"


def _json(text: str, element: PgType) -> str:
    if element.kind is TypeKind.ENUM:
        return json.dumps(text, ensure_ascii=False)
    if element.schema == "pg_catalog" and element.name in ("text", "varchar", "uuid"):
        return json.dumps(text, ensure_ascii=False)
    if element.schema == "pg_catalog" and element.name in WIDTHS and re.fullmatch(r"-?\d+", text):
        return text
    if element.schema == "pg_catalog" and element.name == "bool" and text in ("t", "f"):
        return "true" if text == "t" else "false"
    raise UntranslatableError(f"an array of type {element.name} isn't translated")
