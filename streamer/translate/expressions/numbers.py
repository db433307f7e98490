"""Arithmetic on integers, with PostgreSQL's errors where a result is out of its type's range."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.translate.expressions.values import WIDTHS, Form, UntranslatableError, Value

# SQLite's only way to raise an error from within an expression: "integer overflow".
_ERROR = "abs(-9223372036854775808)"
_LONGEST = 4_000  # characters: every guard writes its operand twice


def calculate(op: str, left: Value, right: Value, *, guarded: bool) -> Value:
    """`left op right`, op one of + - * / %; `guarded`: errors are kept, not only results."""
    kind = _wider(left, right)
    sql = f"{left.part} {op} {right.part}"
    value = Value(sql, Form.INTEGER, kind, atomic=False)
    if op in "+-*":
        return in_range(value) if guarded else value
    if right.constant == 0:
        raise UntranslatableError("it divides by zero")
    if isinstance(right.constant, int) and right.constant != -1:
        return value
    if op == "/" and guarded:
        value = in_range(value)
    if guarded and right.constant is None:
        return _guarded(f"{right.part} = 0 AND {left.part} IS NOT NULL", value)
    return value


def negated(value: Value, *, guarded: bool) -> Value:
    """`- value`."""
    kind = _wider(value)
    made = Value(f"-{value.part}", Form.INTEGER, kind, atomic=False)
    return in_range(made) if guarded else made


def absolute(value: Value, *, guarded: bool) -> Value:
    """`abs(value)`; for the smallest bigint SQLite raises an error too."""
    kind = _wider(value)
    made = Value(f"abs({value.sql})", Form.INTEGER, kind)
    return in_range(made) if guarded and kind != "int8" else made


def in_range(value: Value) -> Value:
    """`value`, or an error where it doesn't fit its type."""
    if value.type == "int8":
        return _guarded(f"typeof({value.sql}) = 'real'", value)
    bound = 2 ** (WIDTHS[value.type] - 1)
    return _guarded(f"{value.part} NOT BETWEEN {-bound} AND {bound - 1}", value)


def extreme(name: str, values: Sequence[Value]) -> Value:
    """Greatest or least, which pass over NULLs: SQLite's max and min are NULL for any NULL.

    Each argument stands in for the NULLs before it, so that no NULL is left unless all are.
    """
    kind = _wider(*values)
    parts = [value.sql for value in values]
    turns = [f"coalesce({', '.join(parts[n:] + parts[:n])})" for n in range(len(parts))]
    function = "max" if name == "greatest" else "min"
    return short(Value(f"{function}({', '.join(turns)})", Form.INTEGER, kind))


def _guarded(failing: str, value: Value) -> Value:
    sql = f"CASE WHEN {failing} THEN {_ERROR} ELSE {value.sql} END"
    return short(Value(sql, value.form, value.type, atomic=False))


def may_fail(value: Value) -> bool:
    """Whether computing the value may raise an error."""
    return "abs(" in value.sql


def short(value: Value) -> Value:
    """`value`, where its SQL isn't too long."""
    if len(value.sql) > _LONGEST:
        raise UntranslatableError("it would be too long in D1's SQL")
    return value


def _wider(*values: Value) -> str:
    """The type of integers put together."""
    for value in values:
        if value.form is not Form.INTEGER:
            raise UntranslatableError("D1 calculates exactly with integers only")
    return max((value.type for value in values), key=WIDTHS.__getitem__)
