"""Arrays, composites, enums, ranges, and types that nobody here knows."""

from __future__ import annotations

from dataclasses import replace

from streamer.model import PgType, Storage, TypeKind
from streamer.translate.types.asked import Asked, opaque, text
from streamer.translate.types.mapping import Counted, Mapping

_AS_JSON = "to_json({c})::text"
# int2vector and oidvector count from 0 by nature.
_FROM_ZERO = frozenset({"int2vector", "oidvector"})
# '[0:1][1:2]': a dimension that doesn't begin with 1.
_BOUNDS = Counted(
    "array_dims({c}) ~ '[[](?!1:)'",
    "arrays in {rows} of the rows don't begin with element 1: JSON arrays have no bounds",
    'arrays = "postgres" keeps them',
)


def array(kind: PgType, element: PgType, asked: Asked) -> Mapping:
    """An array whose elements, under any number of domains and arrays, are `element`."""
    if asked.options.arrays == "postgres":
        return opaque("PostgreSQL's text")
    mapped = opaque("JSON array, without lower bounds", _json_of(element))
    if kind.name in _FROM_ZERO:
        return mapped
    return replace(mapped, counted=(_BOUNDS,), distinct=False)


def _json_of(element: PgType) -> str:
    """SQL of the array as JSON.

    to_json() prints an element by its output function, or by a cast to json where its type has one.
    """
    if element.schema == "pg_catalog" and element.name == "money":
        return "to_json({c}::numeric[])::text"  # its text depends on the locale
    if element.extension == "postgis" and element.kind is TypeKind.BASE:
        return "to_json({c}::text[])::text"  # its cast to json is GeoJSON, without SRID and M
    return _AS_JSON


def composite(asked: Asked) -> Mapping:
    """A row type."""
    if asked.options.composites == "postgres":
        return opaque("PostgreSQL's text")
    return opaque("JSON object", _AS_JSON)


def enum(kind: PgType, asked: Asked) -> Mapping:
    """An enum: by its label, or by where the label stands."""
    choice = asked.options.enums
    if choice == "integer" and kind.labels:
        labels = ", ".join(_literal(label) for label in kind.labels)
        place = f"array_position(ARRAY[{labels}]::{kind.formatted}[], {{c}}::{kind.formatted})"
        return Mapping(
            Storage.INTEGER,
            # A label added since then stays a text, which the CHECK doesn't let in.
            f"coalesce({place}::text, {{c}}::text)",
            f"enum integer {kind.oid}",
            note="where the label stands: "
            + ", ".join(f"{n} {x}" for n, x in enumerate(kind.labels, 1)),
            check=f"{{c}} BETWEEN 1 AND {len(kind.labels)}",
        )
    mapped = text(f"enum {kind.oid}", "the label; sorts as text")
    if choice == "checked" and kind.labels:
        return replace(mapped, check=f"{{c}} IN ({', '.join(map(_literal, kind.labels))})")
    return mapped


def _literal(label: str) -> str:
    return "'" + label.replace("'", "''") + "'"


def in_range() -> Mapping:
    """A range or a multirange."""
    return opaque("PostgreSQL's text")


def unknown(kind: PgType) -> Mapping:
    """A type that nothing is known of but its output function."""
    return replace(
        opaque("PostgreSQL's text", f"textin({kind.output}({{c}}))"),
        announce=f"of type {kind.formatted}, which isn't known: moved as PostgreSQL text",
    )
