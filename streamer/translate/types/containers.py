"""Arrays, composites, enums, ranges, and types that nobody here knows."""

from __future__ import annotations

from dataclasses import replace

from streamer.model import PgType, Storage, TypeKind
from streamer.translate.types.asked import Asked, opaque, text
from streamer.translate.types.mapping import Mapping
from streamer.translate.types.within import (
    GEOMETRY,
    MONEY,
    Loss,
    is_geometry,
    is_money,
    lost_in_json,
    lost_in_text,
)


def array(kind: PgType, element: PgType, asked: Asked) -> Mapping:
    """An array whose elements, under any number of domains and arrays, are `element`."""
    if asked.options.arrays == "postgres":
        return replace(opaque("PostgreSQL's text"), counted=lost_in_text(kind))
    hint = 'arrays = "postgres" keeps them'
    if kind.inner is not None and kind.inner.base.kind is not TypeKind.ARRAY:
        if is_money(element):  # its text depends on the locale
            return _json(kind, hint, "to_json({c}::numeric[])::text", but=MONEY)
        if is_geometry(element):  # its cast to json is GeoJSON, without SRID and M
            return _json(kind, hint, "to_json({c}::text[])::text", but=GEOMETRY)
    return _json(kind, hint)


def _json(
    kind: PgType, hint: str, template: str = "to_json({c})::text", *, but: Loss | None = None
) -> Mapping:
    """Printed by to_json(): by output functions, or by a cast to json where a type has one."""
    note = "JSON array, without lower bounds" if kind.kind is TypeKind.ARRAY else "JSON object"
    counted = lost_in_json(kind, hint, but=but)
    return replace(opaque(note, template), counted=counted, distinct=not counted)


def composite(kind: PgType, asked: Asked) -> Mapping:
    """A row type."""
    if asked.options.composites == "postgres":
        return replace(opaque("PostgreSQL's text"), counted=lost_in_text(kind))
    return _json(kind, 'composites = "postgres" keeps them')


POSITIONS = "enum integer"
"""What the families of enums begin with whose labels' positions are stored."""


def enum(kind: PgType, asked: Asked) -> Mapping:
    """An enum: by its label, or by where the label stands."""
    choice = asked.options.enums
    if choice in {"integer", "lookup"} and kind.labels:
        labels = ", ".join(_literal(label) for label in kind.labels)
        listed = ": " + ", ".join(f"{n} {x}" for n, x in enumerate(kind.labels, 1))
        place = f"array_position(ARRAY[{labels}]::{kind.formatted}[], {{c}}::{kind.formatted})"
        return Mapping(
            Storage.INTEGER,
            # A label added since then stays a text, which the CHECK doesn't let in.
            f"coalesce({place}::text, {{c}}::text)",
            f"{POSITIONS} {kind.oid}",
            note=f"where the label stands{listed if choice == 'integer' else ', as its table says'}",
            check=f"{{c}} BETWEEN 1 AND {len(kind.labels)}",
        )
    mapped = text(f"enum {kind.oid}", "the label; sorts as text")
    if choice == "checked" and kind.labels:
        return replace(mapped, check=f"{{c}} IN ({', '.join(map(_literal, kind.labels))})")
    return mapped


def _literal(label: str) -> str:
    return "'" + label.replace("'", "''") + "'"


def in_range(kind: PgType) -> Mapping:
    """A range or a multirange."""
    return replace(opaque("PostgreSQL's text"), counted=lost_in_text(kind))


def unknown(kind: PgType) -> Mapping:
    """A type that nothing is known of but its output function."""
    return replace(
        opaque("PostgreSQL's text", f"textin({kind.output}({{c}}))"),
        announce=f"of type {kind.formatted}, which isn't known: moved as PostgreSQL text",
    )
