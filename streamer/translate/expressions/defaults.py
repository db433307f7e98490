"""DEFAULTs: constants in the form that the column stores, the clock, and random UUIDs."""

from __future__ import annotations

from dataclasses import replace

from streamer.model import PgType, TypeKind
from streamer.translate.expressions import constants, forms, stored
from streamer.translate.expressions.syntax import Node, TypeName, parse
from streamer.translate.expressions.translator import CLOCKS, Rules, Translator
from streamer.translate.expressions.values import (
    Form,
    Operand,
    Scope,
    Translated,
    UntranslatableError,
    Value,
)

_NOW = CLOCKS - {"current_date", "current_time", "localtime"}
_CLOCKS = {
    "timestamp": (_NOW, "CURRENT_TIMESTAMP", "the time is UTC, in whole seconds"),
    "timestamptz": (_NOW, "CURRENT_TIMESTAMP", "the time is in whole seconds"),
    "date": (_NOW | {"current_date"}, "CURRENT_DATE", "the date is UTC's"),
    "time": (
        _NOW | {"localtime", "current_time"},
        "CURRENT_TIME",
        "the time is UTC, in whole seconds",
    ),
}
_RANDOM = frozenset({"gen_random_uuid", "uuid_generate_v4"})
_HEX = (
    "hex(randomblob(4)) || {dash} || hex(randomblob(2)) || {dash} || '4'"
    " || substr(hex(randomblob(2)), 2) || {dash} || substr('89AB', 1 + (random() & 3), 1)"
    " || substr(hex(randomblob(2)), 2) || {dash} || hex(randomblob(6))"
)
_UUID = f"(lower({_HEX.format(dash=chr(39) + '-' + chr(39))}))"
_UUID_BLOB = f"(unhex({_HEX.format(dash=chr(39) * 2)}))"


def default(sql: str, operand: Operand) -> Translated:
    """See the package."""
    if sql.startswith("nextval("):
        raise UntranslatableError(f"{sql} draws from a sequence, which D1 doesn't have")
    node = _without_domains(parse(sql), operand.type)
    if _is_null(node):
        return Translated("NULL")
    kind = operand.type.base
    if (clock := _clock(node, kind.name)) is not None:
        return _of_clock(clock, operand)
    if (random := _random(node)) is not None:
        return _of_random(random, operand)
    if (text := stored.constant(node, operand)) is not None:
        return Translated(text)
    return Translated(_expression(node, operand))


def _is_null(node: Node) -> bool:
    while node.op == "cast":
        node = node.parts[0]
    return node.op == "null"


def _without_domains(node: Node, kind: PgType) -> Node:
    """The expression without casts to the column's own domains."""
    while node.op == "cast" and node.type is not None and kind.kind is TypeKind.DOMAIN:
        if (node.type.schema, node.type.name) == (kind.schema, kind.name) and kind.inner:
            base = kind.base
            inner = node.parts[0]
            if inner.op != "string":
                node = inner
            else:
                schema = "" if base.schema == "pg_catalog" else base.schema
                return Node("cast", (inner,), type=TypeName(base.name, schema))
        else:
            break
    return node


def _clock(node: Node, column: str) -> tuple[str, str] | None:
    """The function that asks for the time, and the type that the answer is cast to."""
    kind = column
    while node.op == "cast" and node.type is not None and not node.type.parameters:
        if node.parts[0] == Node("cast", (Node("string", text="now"),), type=TypeName("text")):
            return "now", node.type.name
        kind, node = node.type.name, node.parts[0]
    if node.op in ("at time zone", "timezone") and len(node.parts) == 2:
        zone, time = node.parts if node.op == "timezone" else node.parts[::-1]
        utc = zone.op == "cast" and zone.parts[0].text.lower() == "utc"
        if not utc or time.op not in _NOW - {"localtimestamp"}:
            return None
        node = time
    return (node.op, kind) if node.op in CLOCKS and not node.parts else None


def _of_clock(clock: tuple[str, str], operand: Operand) -> Translated:
    function, cast = clock
    name = operand.type.base.name
    whole = operand.type.base.schema == "pg_catalog" and name in _CLOCKS
    if not whole or not forms.is_usual(operand) or cast not in (name, "timestamp", "timestamptz"):
        raise UntranslatableError(f"{function}() doesn't give the form that the column has in D1")
    functions, sql, note = _CLOCKS[name]
    if function not in functions:
        raise UntranslatableError(f"{function} in a column of type {name} isn't translated")
    return Translated(sql, note)


def _random(node: Node) -> str | None:
    while (
        node.op == "cast"
        and node.type is not None
        and node.type in (TypeName("text"), TypeName("uuid"))
    ):
        node = node.parts[0]
    return node.op if node.op in _RANDOM and not node.parts else None


def _of_random(function: str, operand: Operand) -> Translated:
    column = forms.column(operand)
    note = f"{function}() becomes random UUIDs that D1 makes"
    if column.form is Form.PLAIN and column.type == "uuid":
        return Translated(_UUID_BLOB if column.blob else _UUID, note)
    if column.form is Form.TEXT and operand.type.base.modifier < 0:
        return Translated(_UUID, note)
    raise UntranslatableError(f"{function}() doesn't give the form that the column has in D1")


def _expression(node: Node, operand: Operand) -> str:
    """A constant number or text, or a calculation with such."""
    translator = Translator.of(Scope({operand.target: operand}), Rules(guarded=False))
    if _names(node):
        raise UntranslatableError("its SQL isn't understood")
    value = translator.value(node)
    column = forms.column(operand)
    if value.constant is not None:
        return _constant(value, column, operand)
    same = value.form is column.form and value.type == column.type
    if not same or operand.type.base.modifier >= 0 or column.form is not Form.INTEGER:
        raise UntranslatableError("it isn't a constant")
    return f"({value.sql})"


def _names(node: Node) -> bool:
    return node.op == "name" or any(_names(part) for part in node.parts)


def _constant(value: Value, column: Value, operand: Operand) -> str:
    kind = operand.type.base
    name = TypeName(column.type)
    if value.form in (Form.INTEGER, Form.NUMBER) and column.form is Form.DECIMAL:
        return stored.decimal(value, operand)
    if value.type != column.type and not (value.form is column.form is Form.TEXT):
        recast = constants.recast(value, name)
        if recast is None:
            raise UntranslatableError(f"a constant of type {value.type} isn't translated here")
        value = recast
    if value.form is Form.DECIMAL or value.form is not column.form:
        raise UntranslatableError(f"a constant of type {value.type} isn't translated here")
    parameters = stored.parameters(kind)
    if parameters:
        value = constants.resized(value, replace(name, parameters=parameters))
    return constants.hidden(value).sql if column.blob and column.type == "uuid" else value.sql
