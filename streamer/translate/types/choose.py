"""Which mapping a type gets, and which options have a say in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from streamer.model import PgType, TypeKind
from streamer.model.shaping import TypeOptions
from streamer.model.sql import printed
from streamer.translate.types import (
    containers,
    extensions,
    geometric,
    networks,
    numbers,
    texts,
    times,
)
from streamer.translate.types.asked import Asked, Maker
from streamer.translate.types.equality import alike
from streamer.translate.types.mapping import Mapping, Unsupported

_DEFAULTS = TypeOptions()
_BUILT_IN: dict[str, Maker] = {
    **numbers.MAKERS,
    **times.MAKERS,
    **texts.MAKERS,
    **networks.MAKERS,
    **geometric.MAKERS,
}
# Parse trees and keys within indexes: nobody's data, and their texts aren't read back.
_INTERNAL = frozenset(
    {"pg_node_tree", "gtsvector", "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary"}
)


def map_type(
    kind: PgType,
    options: TypeOptions = _DEFAULTS,
    *,
    numeric_text: bool = False,
    server_version: int = 0,
) -> Mapping | Unsupported:
    """How a column of this type is read and stored.

    `numeric_text`: the column is a key or part of a foreign key with a numeric that must be text,
    so equal numbers must be the same text. `server_version` is server_version_num.
    """
    mapped = _map(kind.base, Asked(options, numeric_text, server_version))
    if isinstance(mapped, Unsupported):
        return mapped
    return replace(
        mapped,
        template=printed(mapped.template, "{c}", kind),
        alike=mapped.alike or alike(kind),
        keyable=mapped.keyable and not kind.base.changes_form,
    )


def _map(kind: PgType, asked: Asked) -> Mapping | Unsupported:
    mapped: Mapping | Unsupported = _unsupported(kind)
    match kind.kind:
        case TypeKind.ARRAY:
            mapped = _array(kind, asked)
        case TypeKind.ENUM:
            mapped = containers.enum(kind, asked)
        case TypeKind.COMPOSITE:
            mapped = containers.composite(kind, asked)
        case TypeKind.RANGE | TypeKind.MULTIRANGE:
            mapped = containers.in_range(kind)
        case TypeKind.BASE:
            mapped = _base(kind, asked)
        case TypeKind.DOMAIN | TypeKind.PSEUDO:
            pass
    return mapped


def _unsupported(kind: PgType) -> Unsupported:
    return Unsupported(f"the type {kind.formatted} cannot be moved")


def _base(kind: PgType, asked: Asked) -> Mapping | Unsupported:
    built_in = kind.schema == "pg_catalog"
    make = (
        _BUILT_IN.get(kind.name) if built_in else extensions.MAKERS.get((kind.extension, kind.name))
    )
    if make is not None:
        return make(kind, asked)
    internal = (
        kind.name in _INTERNAL if built_in else (kind.extension, kind.name) in extensions.INTERNAL
    )
    return _unsupported(kind) if internal or not kind.output else containers.unknown(kind)


def _array(kind: PgType, asked: Asked) -> Mapping | Unsupported:
    element = kind.inner
    while element is not None and element.base.kind is TypeKind.ARRAY:
        element = element.base.inner
    if element is None or isinstance(_map(element.base, asked), Unsupported):
        return _unsupported(kind)
    return containers.array(kind, element.base, asked)


def is_numeric(kind: PgType) -> bool:
    """Whether the type is numeric, or a domain over it."""
    return _is(kind.base, "numeric")


def _is(kind: PgType, *names: str) -> bool:
    return kind.kind is TypeKind.BASE and kind.schema == "pg_catalog" and kind.name in names


def _named(*names: str) -> Callable[[PgType], bool]:
    return lambda kind: _is(kind, *names)


def _of_kind(*wanted: TypeKind) -> Callable[[PgType], bool]:
    return lambda kind: kind.kind in wanted


_CONCERNS: dict[str, Callable[[PgType], bool]] = {
    "timestamps": _named("timestamp", "timestamptz"),
    "dates": _named("date"),
    "intervals": _named("interval"),
    "bigint": _named("int8"),
    "numeric": _named("numeric"),
    "money": _named("money"),
    "nan": _named("float4", "float8", "numeric"),
    "booleans": _named("bool"),
    "varchar": _named("varchar"),
    "char": _named("bpchar"),
    "bytea": _named("bytea"),
    "uuid": _named("uuid"),
    "json": _named("json", "jsonb"),
    "arrays": _of_kind(TypeKind.ARRAY),
    "composites": _of_kind(TypeKind.COMPOSITE),
    "enums": _of_kind(TypeKind.ENUM),
    "ranges": _of_kind(TypeKind.RANGE, TypeKind.MULTIRANGE),
    "bits": _named("bit"),
    "inet": _named("inet"),
    "cidr": _named("cidr"),
    "macaddr": _named("macaddr", "macaddr8"),
    "points": _named("point"),
    "shapes": _named(*geometric.SHAPES),
    "hstore": lambda kind: (kind.extension, kind.name) == ("hstore", "hstore"),
    "geometry": lambda kind: kind.extension == "postgis" and kind.name in extensions.GEOMETRIES,
    "vectors": lambda kind: (kind.extension, kind.name) in extensions.VECTORS,
    "regs": _named(*texts.REGS),
}


def option_applies(kind: PgType, name: str) -> bool:
    """Whether the option `name` of TypeOptions has a say in columns of this type.

    An array's elements follow no option but `arrays`, a composite's fields none but `composites`.

    Raises:
        KeyError: there is no such option.
    """
    return _CONCERNS[name](kind.base)
