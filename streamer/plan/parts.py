"""What a value is split into: a composite's fields, a range's bounds, a point's coordinates. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from streamer.frozen import frozen
from streamer.model import PgType, Table, TypeKind, TypeOptions
from streamer.translate.names import quote

COLUMNS = "columns"
"""The choice of an option that splits values."""

_TEXT = PgType(25, "pg_catalog", "text", "text", TypeKind.BASE, output="textout")
_DOUBLE = PgType(701, "pg_catalog", "float8", "double precision", TypeKind.BASE, output="float8out")


@frozen
class Part:
    """What becomes a column of its own: its name within the whole, and the SQL of its value.

    `present`: it is NULL only where the whole is.
    """

    name: str
    type: PgType
    value: str
    present: bool = False


def option_of(kind: PgType) -> str:
    """The option by which values of the type may be split; '' where none can."""
    base = kind.base
    match base.kind:
        case TypeKind.COMPOSITE:
            return "composites" if base.fields else ""
        case TypeKind.RANGE:
            return "ranges" if base.inner is not None else ""
        case TypeKind.BASE:
            return "points" if (base.schema, base.name) == ("pg_catalog", "point") else ""
        case _:
            return ""


def parts_of(kind: PgType, value: str, options: TypeOptions) -> tuple[Part, ...]:
    """What `value`, SQL of the type `kind`, is split into; nothing where it stays whole."""
    option = option_of(kind)
    if not option or getattr(options, option) != COLUMNS:
        return ()
    plain = value if kind.kind is not TypeKind.DOMAIN else f"({value})::{kind.base.formatted}"
    return tuple(_SPLITTING[option](kind.base, plain))


def part_names(table: Table) -> list[str]:
    """What the parts of all columns that can be split would be called."""
    return [
        name
        for column in table.columns
        for name in _names(column.name, column.type)
        if option_of(column.type)
    ]


def _names(whole: str, kind: PgType) -> Iterator[str]:
    option = option_of(kind)
    for part in _SPLITTING[option](kind.base, "") if option else ():
        yield f"{whole}.{part.name}"
        yield from _names(f"{whole}.{part.name}", part.type)


def _fields(kind: PgType, value: str) -> Iterator[Part]:
    for field in kind.fields:
        yield Part(field.name, field.type, f"({value}).{quote(field.name)}")


def _bounds(kind: PgType, value: str) -> Iterator[Part]:
    """A bound is NULL where the range is infinite or empty; `bounds` tells which."""
    assert kind.inner is not None
    yield Part("lower", kind.inner, f"lower({value})")
    yield Part("upper", kind.inner, f"upper({value})")
    left = f"CASE WHEN lower_inc({value}) THEN '[' ELSE '(' END"
    right = f"CASE WHEN upper_inc({value}) THEN ']' ELSE ')' END"
    yield Part(
        "bounds",
        _TEXT,
        f"(CASE WHEN ({value}) IS NULL THEN NULL WHEN isempty({value}) THEN 'empty'"
        f" ELSE {left} || {right} END)",
        present=True,
    )


def _coordinates(_kind: PgType, value: str) -> Iterator[Part]:
    for number, name in enumerate("xy"):
        yield Part(name, _DOUBLE, f"({value})[{number}]", present=True)


_SPLITTING: Mapping[str, Callable[[PgType, str], Iterator[Part]]] = {
    "composites": _fields,
    "ranges": _bounds,
    "points": _coordinates,
}
