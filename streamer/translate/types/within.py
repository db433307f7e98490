"""What JSON can't say of the values within arrays and composites: conditions that count rows.

Values that lie deeper are reached by SQL that unnests arrays and selects fields; where nothing that
could be lost lies in a type, nothing is asked of its values.
"""

from __future__ import annotations

from collections.abc import Callable

from streamer.frozen import frozen
from streamer.model import PgType, TypeKind
from streamer.translate.names import quote
from streamer.translate.types import json_depth
from streamer.translate.types.mapping import Counted

Here = Callable[[PgType], str]
"""SQL with `{v}`, true of values of a type (no domain) that lose something; '' for none."""

# int2vector and oidvector count from 0 by nature.
_FROM_ZERO = frozenset({"int2vector", "oidvector"})


@frozen
class Loss:
    """Something that is lost of values where `here` says so; `what` is as in Counted."""

    here: Here
    what: str


def _bounds(kind: PgType) -> str:
    # '[0:1][1:2]': a dimension that doesn't begin with 1.
    counts = kind.kind is TypeKind.ARRAY and kind.name not in _FROM_ZERO
    return "array_dims({v}) ~ '[[](?!1:)'" if counts else ""


def _json_null(kind: PgType) -> str:
    return f"{kind.name}_typeof({{v}}) = 'null'" if _is_json(kind, "json", "jsonb") else ""


def _is_json(kind: PgType, *names: str) -> bool:
    return kind.schema == "pg_catalog" and kind.name in names


def _further_dimension(kind: PgType) -> str:
    if kind.kind is not TypeKind.ARRAY or kind.inner is None:
        return ""
    return "cardinality({v}) > 0" if kind.inner.base.kind is TypeKind.ARRAY else ""


def is_money(kind: PgType) -> bool:
    """Whether the type is money, whose text depends on the server's locale."""
    return kind.schema == "pg_catalog" and kind.name == "money"


def is_geometry(kind: PgType) -> bool:
    """Whether to_json() prints the type as GeoJSON, without its SRID and M.

    By a cast that PostGIS has for geometry alone; a geography is printed in hexadecimal digits.
    """
    return kind.extension == "postgis" and kind.name == "geometry"


def _money(kind: PgType) -> str:
    in_range = kind.kind in {TypeKind.RANGE, TypeKind.MULTIRANGE} and kind.inner is not None
    of = kind.inner.base if in_range and kind.inner is not None else kind
    found = is_money(of) or (of is not kind and bool(_money(of)))
    return "{v} IS NOT NULL" if found else ""


def _geometry(kind: PgType) -> str:
    return "{v} IS NOT NULL" if is_geometry(kind) else ""


def _own_json(kind: PgType) -> str:
    # Of arrays and composites no cast is asked: json_categorize_type() in utils/adt/jsonfuncs.c.
    asked = kind.kind not in {TypeKind.ARRAY, TypeKind.COMPOSITE}
    return "{v} IS NOT NULL" if asked and "json" in kind.casts else ""


MONEY = Loss(
    _money,
    "money in {rows} of the rows is written within it as PostgreSQL prints it, by the server's"
    " lc_monetary",
)
GEOMETRY = Loss(
    _geometry,
    "geometries within {rows} of the rows become GeoJSON, which keeps neither the SRID nor M",
)
_JSON = (
    Loss(
        _bounds,
        "arrays in {rows} of the rows don't begin with element 1: JSON arrays have no bounds",
    ),
    Loss(_json_null, "JSON null within {rows} of the rows: it can't be told from NULL any more"),
    Loss(
        _further_dimension,
        "arrays of arrays, by a domain, in {rows} of the rows: in JSON the elements look like one"
        " more dimension",
    ),
    Loss(
        _own_json,
        "values within {rows} of the rows are written by the database's own cast to json, and may"
        " not be what they are",
    ),
    MONEY,
    GEOMETRY,
)


def lost_in_json(kind: PgType, hint: str, *, but: Loss | None = None) -> tuple[Counted, ...]:
    """What is lost of the array or composite `kind` in JSON, `but` for what is printed otherwise."""
    told = (
        told
        for loss in _JSON
        if loss is not but
        for told in _counted(kind, loss, "" if loss is MONEY else hint)
    )
    return (*told, *_too_deep(kind))


def _too_deep(kind: PgType) -> tuple[Counted, ...]:
    """What is JSON for PostgreSQL and none for D1; what the json lies in is deep, too."""

    def holds(name: str) -> bool:
        return bool(_somewhere(kind, "{c}", lambda of: "true" if _is_json(of, name) else "", 0))

    if holds("json"):
        return (json_depth.TOO_DEEP_WITHIN,)
    return (json_depth.TOO_DEEP_JSONB_WITHIN,) if holds("jsonb") else ()


def lost_in_text(kind: PgType) -> tuple[Counted, ...]:
    """What is lost of any container where PostgreSQL prints it as its own text."""
    return _counted(kind, MONEY, "")


def _counted(kind: PgType, loss: Loss, hint: str) -> tuple[Counted, ...]:
    condition = _somewhere(kind, "{c}", loss.here, 0)
    return (Counted(condition, loss.what, hint),) if condition else ()


def _somewhere(kind: PgType, value: str, here: Here, depth: int) -> str:
    """SQL: is `here` true of `value`, or of anything in it; '' where it never is."""
    base = kind.base
    found = [sql.replace("{v}", value)] if (sql := here(base)) else []
    if base.kind is TypeKind.ARRAY and base.inner is not None:
        name = f"e{depth}"
        if inside := _somewhere(base.inner, f"{name}.v", here, depth + 1):
            rows = f"(SELECT unnest({value}) AS v) AS {name}"
            found.append(f"EXISTS (SELECT FROM {rows} WHERE {inside})")
    elif base.kind is TypeKind.COMPOSITE:
        inside = (
            _somewhere(field.type, f"({value}).{quote(field.name)}", here, depth)
            for field in base.fields
        )
        found += filter(None, inside)
    return f"({' OR '.join(found)})" if len(found) > 1 else "".join(found)
