"""Comparing two values: only where D1's comparison of their stored forms is PostgreSQL's."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from streamer.translate.expressions import constants, decimals, forms, moments, numbers
from streamer.translate.expressions.values import Form, UntranslatableError, Value

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NUMBERS = frozenset({Form.INTEGER, Form.NUMBER, Form.DECIMAL})
_FLOATS = frozenset({Form.FLOAT4, Form.FLOAT8})
_UNLIKE = "values of different types are compared"


def condition(sql: str, *, atomic: bool = False) -> Value:
    """SQL that is 1, 0 or NULL."""
    return Value(sql, Form.BOOLEAN, "bool", atomic=atomic)


def compare(op: str, left: Value, right: Value) -> Value:
    """`left op right`, op one of = <> < <= > >=."""
    if Form.NULL in (left.form, right.form):
        raise UntranslatableError("a comparison with NULL is always NULL")
    if op in ("=", "<>"):
        one, other = equal_sides(left, right)
        return condition(f"{one} {op} {other}")
    if left.form in _NUMBERS and right.form in _NUMBERS:
        return _order_numbers(op, left, right)
    if left.form in _FLOATS and right.form in _FLOATS:
        return _order_floats(op, left, right)
    left, right = _same_spelling(left, right)
    kind = forms.common((left, right))
    match kind.form:
        case Form.TEXT | Form.CHARACTER:
            if not (left.byte_order and right.byte_order):
                raise UntranslatableError("D1 sorts text by its bytes, PostgreSQL by a collation")
        case Form.MOMENT:
            one, other = moments.sortable(left, right), moments.sortable(right, left)
            return condition(f"{one} {op} {other}")
        case Form.PLAIN if kind.type in forms.ORDERED_PLAIN:
            pass
        case Form.BOOLEAN | Form.BYTES:
            pass
        case _:
            raise UntranslatableError(f"the order of {kind.type} values isn't D1's")
    return condition(f"{left.part} {op} {right.part}")


def distinct(left: Value, right: Value, *, negated: bool) -> Value:
    """`left IS DISTINCT FROM right`; negated: IS NOT DISTINCT FROM."""
    one, other = equal_sides(left, right)
    return condition(f"{one} {'IS' if negated else 'IS NOT'} {other}")


def among(subject: Value, choices: Sequence[Value], *, negated: bool) -> Value:
    """`subject IN (choices)`."""
    if not choices:
        raise UntranslatableError("an empty list of values isn't translated")
    if any(numbers.may_fail(choice) for choice in choices):
        raise UntranslatableError("D1 doesn't compute all of a list, PostgreSQL does")
    sides = [equal_sides(subject, choice) for choice in choices]
    (one,) = {one for one, _ in sides}
    listed = ", ".join(other for _, other in sides)
    return condition(f"{one} {'NOT IN' if negated else 'IN'} ({listed})")


def equal_sides(left: Value, right: Value) -> tuple[str, str]:
    """The SQL of both, equal (by =, IS and IN) just where PostgreSQL calls the values equal.

    The left side's SQL depends on its own form only.
    """
    if Form.NULL in (left.form, right.form):
        known = right if left.form is Form.NULL else left
        _check_comparable(known)
        return _spelled(left), _spelled(right)
    if {left.form, right.form} <= _NUMBERS:
        return _equal_numbers(left, right)
    if {left.form, right.form} <= _FLOATS:
        _check_floats(left, right)
        return left.part, right.part
    left, right = _same_spelling(left, right)
    _check_comparable(forms.common((left, right)))
    return left.part, right.part


def _check_comparable(value: Value) -> None:
    if value.folded:
        raise UntranslatableError(forms.FOLDED)
    if value.form in (Form.OPAQUE, Form.JSON, Form.NULL):
        raise UntranslatableError(f"values of type {value.type} can't be compared in D1")


def _spelled(value: Value) -> str:
    return f"({decimals.equality(value)})" if value.form is Form.DECIMAL else value.part


def _same_spelling(left: Value, right: Value) -> tuple[Value, Value]:
    """A uuid constant follows the column, which may hold 16 bytes."""
    if left.blob and right.constant is not None and right.type == "uuid":
        return left, constants.hidden(right)
    if right.blob and left.constant is not None and left.type == "uuid":
        return constants.hidden(left), right
    return left, right


def _equal_numbers(left: Value, right: Value) -> tuple[str, str]:
    if Form.DECIMAL in (left.form, right.form):
        if not all(v.form is Form.DECIMAL or _is_decimal(v) for v in (left, right)):
            raise UntranslatableError(_UNLIKE)
        return f"({decimals.equality(left)})", f"({decimals.equality(right)})"
    return left.part, right.part


def _is_decimal(value: Value) -> bool:
    return isinstance(value.constant, (Decimal, str))


def _order_numbers(op: str, left: Value, right: Value) -> Value:
    if left.form is Form.DECIMAL and right.constant is not None:
        return condition(decimals.order(op, left, right))
    if right.form is Form.DECIMAL and left.constant is not None:
        return condition(decimals.order(_MIRRORED[op], right, left))
    if Form.DECIMAL in (left.form, right.form):
        raise UntranslatableError("numerics kept as text are compared with numbers only")
    if "-Infinity" in (left.constant, right.constant):
        raise UntranslatableError("-Infinity is text in D1, and sorts otherwise")
    return condition(f"{left.part} {op} {right.part}")


def _check_floats(left: Value, right: Value) -> None:
    """A FLOAT4 is kept by its shortest decimal, which isn't what PostgreSQL compares as float8."""
    if left.form is right.form:
        return
    for value in (left, right):
        constant = value.constant if value.form is Form.FLOAT8 else None
        if isinstance(constant, str):
            return
        if isinstance(constant, Decimal) and constants.is_float4(constant):
            return
    raise UntranslatableError(_UNLIKE)


def _order_floats(op: str, left: Value, right: Value) -> Value:
    _check_floats(left, right)
    if isinstance(left.constant, Decimal):
        left, right, op = right, left, _MIRRORED[op]
    finite = left.type == FINITE
    if isinstance(right.constant, Decimal):
        sql = f"{left.part} {op} {right.part}"
        if not finite and op in (">", ">="):
            sql += f" AND {left.part} <> '-Infinity'"
        elif not finite:
            sql += f" OR {left.part} = '-Infinity'"
        return condition(sql)
    return condition(f"{_sortable(left)} {op} {_sortable(right)}")


FINITE = "finite float8"  # a FLOAT8 that was an integer or a numeric: never an infinity


def _sortable(value: Value) -> str:
    """The infinities as numbers; NaN stays text, which is greater than all numbers."""
    if value.constant in ("Infinity", "-Infinity"):
        return "9e999" if value.constant == "Infinity" else "-9e999"
    if value.constant is not None or value.type == FINITE:
        return value.part
    text = value.part
    return f"CASE {text} WHEN '-Infinity' THEN -9e999 WHEN 'Infinity' THEN 9e999 ELSE {text} END"
