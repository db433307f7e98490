"""Casts of values that aren't constants: those that change nothing of what is stored, and a few more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from streamer.model import PgType, TypeKind
from streamer.translate.expressions import constants, forms, numbers
from streamer.translate.expressions.comparisons import FINITE
from streamer.translate.expressions.syntax import Node, TypeName
from streamer.translate.expressions.values import WIDTHS, Form, UntranslatableError, Value

_TEXTS = frozenset({"text", "varchar"})


class Casts:
    """The casts that an expression over columns of these types may contain."""

    def __init__(self, types: Sequence[PgType], *, guarded: bool) -> None:
        kinds = [base for kind in types for base in _all(kind)]
        named = {f"{kind.schema}.{kind.name}": kind for kind in kinds}
        self._enums = frozenset(n for n, kind in named.items() if kind.kind is TypeKind.ENUM)
        self._domains = {n: kind for n, kind in named.items() if kind.kind is TypeKind.DOMAIN}
        self._guarded = guarded
        self._own = {forms.type_key(kind): kind.casts for kind in kinds if kind.casts}

    def cast(self, node: Node, kind: TypeName | None, value: Callable[[Node], Value]) -> Value:
        """`node` as `kind`; None: as it is. `value` translates what isn't a constant."""
        if kind is None:
            return value(node)
        if node.op == "null":
            return forms.null()
        if node.op == "string" and not node.bits:
            return constants.typed(node.text, kind, self._enums)
        inner = value(node)
        if inner.form is Form.NULL:
            return inner
        if inner.constant is not None and (made := constants.recast(inner, kind)) is not None:
            return made
        if kind.array or kind.parameters:
            raise UntranslatableError("a cast that may change values isn't translated")
        name = f"{kind.schema}.{kind.name}" if kind.schema else kind.name
        made = self._changed(inner, name)
        if made is None:
            raise UntranslatableError(f"a cast from {inner.type} to {name} isn't translated")
        return made

    def _changed(self, value: Value, name: str) -> Value | None:
        if name == value.type and value.form is not Form.OPAQUE:
            return value
        if name in self._own.get(value.type, ()):
            raise UntranslatableError(f"the database has a cast of its own from {value.type}")
        if name in _TEXTS:
            return _as_text(value)
        if name in WIDTHS:
            return self._as_integer(value, name)
        if name == "bpchar" and value.form is Form.CHARACTER:
            return value
        if name == "numeric":
            return _as_numeric(value)
        return _as_double(value) if name == "float8" else None

    def _as_integer(self, value: Value, name: str) -> Value | None:
        if value.form is Form.BOOLEAN and name == "int4":
            return replace(value, form=Form.INTEGER, type=name)
        if value.form is not Form.INTEGER:
            return None
        made = replace(value, type=name, constant=None)
        narrower = WIDTHS[name] < WIDTHS[value.type]
        return numbers.in_range(made) if narrower and self._guarded else made


def _as_text(value: Value) -> Value | None:
    made = None
    match value.form:
        case Form.TEXT if value.operand is not None and value.operand.mapping.nocase:
            if value.operand.deterministic:
                sql = f"{value.sql} COLLATE BINARY"
                made = Value(sql, Form.TEXT, "text", atomic=False)
        case Form.TEXT | Form.CHARACTER:
            made = replace(value, form=Form.TEXT, type="text")
        case Form.INTEGER if value.type in WIDTHS:
            made = Value(f"CAST({value.sql} AS TEXT)", Form.TEXT, "text")
        case Form.BOOLEAN:
            sql = f"CASE {value.part} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
            made = Value(sql, Form.TEXT, "text", atomic=False)
        case Form.PLAIN if not value.blob and value.type != "time":
            made = Value(value.sql, Form.TEXT, "text", atomic=value.atomic)
        case _:
            pass
    return made


def _as_numeric(value: Value) -> Value | None:
    if value.form is Form.INTEGER:
        return replace(value, form=Form.NUMBER, type="numeric", constant=None)
    return value if value.form in (Form.NUMBER, Form.DECIMAL) else None


def _as_double(value: Value) -> Value | None:
    if value.form is Form.INTEGER and value.type in ("int2", "int4"):
        return replace(value, form=Form.FLOAT8, type=FINITE, constant=None)
    if value.form is Form.NUMBER and value.operand is not None:
        return replace(value, form=Form.FLOAT8, type=FINITE)
    return None


def _all(kind: PgType) -> list[PgType]:
    """The type itself, and those that it is made of."""
    kinds = [kind]
    while kinds[-1].inner is not None:
        kinds.append(kinds[-1].inner)
    return kinds
