"""Types of extensions, wherever these are installed.

Reading by such a type needs its own operators: with search_path=pg_catalog a plain `>` over citext
means text's, and rows would be skipped. Those whose text casts back to the very key, and whose
operators order it, say where these are.
"""

from __future__ import annotations

from dataclasses import replace

from streamer.model import PgType, Storage, Wire
from streamer.translate.names import quote
from streamer.translate.types.asked import AS_TEXT, Asked, Maker, always, opaque
from streamer.translate.types.mapping import Counted, Mapping

_LOWER, _UPPER = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NOT_ASCII = Counted(
    "octet_length({c}::text) <> length({c}::text) AND"
    f" (lower({{c}}::text) <> translate({{c}}::text, '{_UPPER}', '{_LOWER}')"
    f" OR upper({{c}}::text) <> translate({{c}}::text, '{_LOWER}', '{_UPPER}'))",
    "letters other than ASCII in {rows} of the rows: citext takes 'É' and 'é' for equal, D1 doesn't",
)


def _ordered(kind: PgType, mapping: Mapping) -> Mapping:
    return replace(mapping, keyable=True, exact=True, operator_schema=kind.schema)


def _citext(kind: PgType, _asked: Asked) -> Mapping:
    mapped = Mapping(
        Storage.TEXT,
        AS_TEXT,
        "citext",
        nocase=True,
        note="compared ignoring the case of ASCII letters",
        counted=(_NOT_ASCII,),
    )
    return _ordered(kind, mapped)


def _ltree(kind: PgType, _asked: Asked) -> Mapping:
    return _ordered(kind, replace(opaque(), family="ltree"))


def _isn(kind: PgType, _asked: Asked) -> Mapping:
    return replace(opaque(), family=kind.name)


def _hstore(kind: PgType, asked: Asked) -> Mapping:
    if asked.options.hstore == "postgres":
        return opaque("PostgreSQL's text")
    return opaque("JSON object", f"{quote(kind.schema)}.hstore_to_json({{c}})::text")


def _geometry(kind: PgType, asked: Asked) -> Mapping:
    """postgis.net/docs/ST_AsEWKT.html, ST_AsGeoJSON.html, 2026-11-22."""
    match asked.options.geometry:
        case "ewkb":
            return opaque("hex EWKB")
        case "ewkt":
            return replace(
                opaque("EWKT", f"{quote(kind.schema)}.st_asewkt({{c}})"),
                distinct=False,
                announce="EWKT keeps 15 digits of each coordinate",
            )
        case "geojson":
            return replace(
                opaque("GeoJSON", f"{quote(kind.schema)}.st_asgeojson({{c}}, 15)"),
                distinct=False,
                announce="GeoJSON keeps neither the SRID nor M, and 15 decimals of each coordinate",
            )
        case "blob":  # the text is the hex digits of the EWKB
            return Mapping(
                Storage.BLOB, "lower({c}::text)", "", Wire.HEX, keyable=False, note="EWKB"
            )


# An element at a time, in SQL that knows only networks' order of bytes. All dimensions are there.
_FLOATS = (
    "(SELECT string_agg(substr(f.h, 7, 2) || substr(f.h, 5, 2) || substr(f.h, 3, 2)"
    " || substr(f.h, 1, 2), '' ORDER BY f.n)"
    " FROM (SELECT encode(float4send(u.v), 'hex') AS h, u.n"
    " FROM unnest(({c})::real[]) WITH ORDINALITY AS u(v, n)) AS f)"
)


def _vector(_kind: PgType, asked: Asked) -> Mapping:
    if asked.options.vectors == "text":
        return opaque("JSON array")
    note = "4 bytes a dimension: float32, little endian"
    return Mapping(Storage.BLOB, _FLOATS, "", Wire.HEX, keyable=False, note=note)


def _plain(extension: str, *names: str, note: str = "") -> dict[tuple[str, str], Maker]:
    """Types whose own text is all there is to them."""
    return {(extension, name): always(opaque(note)) for name in names}


GEOMETRIES = frozenset({"geometry", "geography"})
VECTORS = (("vector", "vector"), ("vector", "halfvec"))

MAKERS: dict[tuple[str, str], Maker] = {
    ("citext", "citext"): _citext,
    ("hstore", "hstore"): _hstore,
    ("ltree", "ltree"): _ltree,
    **_plain("ltree", "lquery", "ltxtquery"),
    **_plain("cube", "cube"),
    **_plain("seg", "seg"),
    **_plain("intarray", "query_int"),
    **{
        ("isn", name): _isn
        for name in ("ean13", "isbn", "isbn13", "ismn", "ismn13", "issn", "issn13", "upc")
    },
    **dict.fromkeys(VECTORS, _vector),
    **_plain("vector", "sparsevec", note="{index:value,…}/dimensions"),
    **{("postgis", name): _geometry for name in GEOMETRIES},
    **_plain("postgis", "box2d", "box3d", "spheroid"),
    **_plain("postgis", "raster", note="hex WKB"),
    **_plain("postgis_raster", "raster", note="hex WKB"),
}
"""By the extension's name and the type's."""

INTERNAL = frozenset(
    {
        ("hstore", "ghstore"),
        ("intarray", "intbig_gkey"),
        ("ltree", "ltree_gist"),
        ("pg_trgm", "gtrgm"),
        ("postgis", "box2df"),
        ("postgis", "gidx"),
        *(("btree_gist", f"gbtreekey{size}") for size in (2, 4, 8, 16, 32, "_var")),
    }
)
"""Keys within indexes, which have no text of their own."""
