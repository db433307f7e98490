"""count, sum, min and max, where SQLite's give PostgreSQL's results."""

from __future__ import annotations

from streamer.translate.expressions import comparisons
from streamer.translate.expressions.values import Form, UntranslatableError, Value

AGGREGATES = frozenset({"count", "sum", "min", "max"})


def aggregate(name: str, value: Value, *, distinct: bool = False) -> Value:
    """`name(value)` over the rows of a group; distinct: each value once."""
    inner = f"DISTINCT {value.sql}" if distinct else value.sql
    if distinct or name == "count":
        if distinct:
            check_groupable(value)
        elif not value.nullable:
            raise UntranslatableError("NULL isn't the same for these values in D1")
    if name == "count":
        return Value(f"count({inner})", Form.INTEGER, "int8")
    if name == "sum":
        if value.form is not Form.INTEGER or value.type not in ("int2", "int4"):
            raise UntranslatableError("D1 adds up exactly only smallint and integer")
        return Value(f"sum({inner})", Form.INTEGER, "int8")
    if value.form not in (Form.INTEGER, Form.NUMBER, Form.TEXT):
        raise UntranslatableError(f"the order of {value.type} values isn't D1's")
    check_sortable(value)
    return Value(f"{name}({inner})", value.form, value.type, byte_order=value.byte_order)


def check_groupable(value: Value) -> None:
    """Refuse values that D1 may keep apart although they are equal, or the other way round."""
    if value.form is Form.DECIMAL:
        raise UntranslatableError("equal numerics may be different texts in D1")
    comparisons.equal_sides(value, value)


def check_sortable(value: Value) -> None:
    """Refuse values that D1 sorts otherwise than PostgreSQL."""
    compared = comparisons.compare("<", value, value)
    if compared.sql != f"{value.part} < {value.part}":
        raise UntranslatableError(f"the order of {value.type} values isn't D1's")
