"""Numeric as text against a constant: signs, zeros, NaN and the infinities as PostgreSQL has them.

PostgreSQL prints a numeric as digits with an optional sign and fraction, without exponent and
never as a negative zero, or as NaN, Infinity or -Infinity; NaN is greater than all others.
"""

from __future__ import annotations

from decimal import Decimal

from streamer.translate.expressions.values import UntranslatableError, Value, text_literal

_LARGEST = 10**15


def equality(value: Value) -> str:
    """A text that is the same where the numbers are equal."""
    if isinstance(value.constant, Decimal):
        number = value.constant.normalize()
        return text_literal(format(number, "f") if number else "0")
    if value.constant is not None:
        return value.sql
    text = value.part
    return f"CASE WHEN instr({text}, '.') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"


def order(op: str, value: Value, constant: Value) -> str:
    """`value op constant`, op one of < <= > >=."""
    bound = constant.constant
    if not isinstance(bound, Decimal):
        raise UntranslatableError("numerics kept as text are compared with numbers only")
    if abs(bound) >= _LARGEST:
        raise UntranslatableError("this number is too large to compare text with")
    if op in ("<", "<="):
        return f"NOT ({order('>=' if op == '<' else '>', value, constant)})"
    text = value.part
    if bound == 0:
        return _not_negative(text) if op == ">=" else f"{_not_negative(text)} AND {_not_zero(text)}"
    if bound > 0:
        return (
            f"CASE WHEN {text} IN ('NaN', 'Infinity') THEN 1 WHEN {text} LIKE '-%' THEN 0"
            f" ELSE {_beyond(op, text, bound)} END"
        )
    size = f"substr({text}, 2)"
    beyond = _beyond(">" if op == ">=" else ">=", size, -bound)
    return (
        f"CASE WHEN {text} = '-Infinity' THEN 0 WHEN {text} NOT LIKE '-%' THEN 1"
        f" ELSE NOT ({beyond}) END"
    )


def _not_negative(text: str) -> str:
    return f"substr({text}, 1, 1) <> '-'"


def _not_zero(text: str) -> str:
    return f"trim({text}, '0.') <> ''"


def _beyond(op: str, text: str, bound: Decimal) -> str:
    """Digits against a positive bound: first the whole numbers, then the fractions as text."""
    whole = int(bound)
    fraction = format(bound.normalize(), "f").partition(".")[2]
    same = f"CAST({text} AS INTEGER) = {whole}"
    rest = f"rtrim(substr({text}, instr({text} || '.', '.') + 1), '0') {op} '{fraction}'"
    return f"CAST({text} AS INTEGER) > {whole} OR {same} AND {rest}"
