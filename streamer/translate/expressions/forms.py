"""Which form a column's values have, and when two values are of one kind."""

from __future__ import annotations

from collections.abc import Iterable

from streamer.model import PgType, Storage, TypeKind
from streamer.translate.expressions.values import (
    ORDERED_AS_UTF8,
    Form,
    Operand,
    UntranslatableError,
    Value,
    text_literal,
)
from streamer.translate.names import quote
from streamer.translate.types import Mapping, Unsupported, map_type

MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
# Their text is the same where PostgreSQL calls them equal; the first three sort as text too.
ORDERED_PLAIN = frozenset({"uuid", "time"})
PLAIN = ORDERED_PLAIN | {"bit", "varbit", "macaddr", "macaddr8", '"char"'}
_TEXTS = frozenset({"text", "varchar", "name"})
_FORMS = {
    "int2": Form.INTEGER,
    "int4": Form.INTEGER,
    "int8": Form.INTEGER,
    "bool": Form.BOOLEAN,
    "float4": Form.FLOAT4,
    "float8": Form.FLOAT8,
    "bpchar": Form.CHARACTER,
    "bytea": Form.BYTES,
    "jsonb": Form.JSON,
    "numeric": Form.NUMBER,
    **dict.fromkeys(_TEXTS, Form.TEXT),
    **dict.fromkeys(MOMENTS, Form.MOMENT),
    **dict.fromkeys(PLAIN, Form.PLAIN),
}
_RANGED = frozenset({"numeric", "float4", "float8"})  # NaN may have become something else


def column(operand: Operand) -> Value:
    """The value of a column, in the form that it is stored in."""
    kind = operand.type.base
    name = type_key(kind)
    form = _form(kind, operand)
    usual = is_usual(operand)
    opaque = form is Form.OPAQUE
    return Value(
        sql=quote(operand.target),
        form=form,
        type=name,
        folded=operand.mapping.nocase or not operand.deterministic,
        byte_order=operand.byte_order or (name == "name" and operand.encoding in ORDERED_AS_UTF8),
        nullable=kind.kind is not TypeKind.COMPOSITE
        and "{c}" in operand.mapping.template
        and (usual or not opaque or kind.name not in _RANGED),
        blob=name == "uuid" and operand.mapping.storage is Storage.BLOB,
        operand=operand,
    )


def type_key(kind: PgType) -> str:
    """What tells types apart here: the bare name of a built-in one, else `schema.name`."""
    if kind.schema == "pg_catalog":
        return '"char"' if kind.name == "char" else kind.name
    return f"{kind.schema}.{kind.name}"


def literal(form: Form, kind: str, text: str) -> Value:
    """A text constant of this form."""
    return Value(text_literal(text), form, kind, constant=text, byte_order=True)


def null() -> Value:
    """NULL, of any type."""
    return Value("NULL", Form.NULL, "")


def common(values: Iterable[Value]) -> Value:
    """The first value that isn't NULL, all others being of its form and type.

    Raises:
        UntranslatableError: they aren't of one kind.
    """
    kinds = [value for value in values if value.form is not Form.NULL]
    if not kinds:
        raise UntranslatableError("NULL alone isn't translated")
    first = kinds[0]
    for other in kinds[1:]:
        if other.form is not first.form or not _same_type(first, other):
            raise UntranslatableError("values of different types meet in it")
    if any(value.folded for value in kinds):
        raise UntranslatableError(FOLDED)
    if any(value.blob != first.blob for value in kinds):
        raise UntranslatableError("values of different types meet in it")
    return first


FOLDED = "D1 compares this column's text in another way than PostgreSQL"


def _same_type(one: Value, other: Value) -> bool:
    loose = one.form not in (Form.MOMENT, Form.PLAIN, Form.OPAQUE, Form.JSON)
    return loose or one.type == other.type


def is_usual(operand: Operand) -> bool:
    """Whether the column is stored as its type is without options."""
    usual = map_type(operand.type)
    if isinstance(usual, Unsupported):
        return False
    return _essence(usual) == _essence(operand.mapping)


def _essence(mapping: Mapping) -> tuple[object, ...]:
    return mapping.storage, mapping.template, mapping.wire


def _form(kind: PgType, operand: Operand) -> Form:
    storage, name = operand.mapping.storage, type_key(kind)
    if name == "numeric" and storage is Storage.TEXT:
        return Form.DECIMAL
    if name == "uuid" and storage is Storage.BLOB:
        return Form.PLAIN
    if not is_usual(operand):
        return Form.OPAQUE
    if kind.kind is TypeKind.ENUM:
        return Form.PLAIN
    if kind.kind is not TypeKind.BASE:
        return Form.OPAQUE
    return Form.TEXT if kind.extension == "citext" else _FORMS.get(name, Form.OPAQUE)
