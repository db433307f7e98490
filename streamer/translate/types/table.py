"""What each PostgreSQL type becomes: its storage class, and the SQL that prints its values.

PostgreSQL prints every value itself, in a session with TimeZone=UTC, DateStyle='ISO, YMD',
IntervalStyle=iso_8601, bytea_output=hex, extra_float_digits=1, xmlbinary=base64 and
search_path=pg_catalog. What isn't listed here is refused by name; nothing is guessed.
"""

from __future__ import annotations

from dataclasses import replace

from streamer.model import PgType, Storage, TypeKind, Wire
from streamer.model.shaping import TypeOptions
from streamer.translate.names import quote
from streamer.translate.types.mapping import Mapping, Unsupported

_DEFAULTS = TypeOptions()
_AS_TEXT = "{c}::text"
_NUMERIC_HEADER = 4  # VARHDRSZ, src/include/utils/numeric.h: typmod = (precision << 16 | scale) + 4
_INTEGER_DIGITS = 18  # every integer of 18 digits fits 64 bits
_DOUBLE_DIGITS = 15  # DBL_DIG: so many decimal digits survive a double
_REAL_SCALE = 20  # SQLite reads decimals exactly within 1e-20..1e20 (40,000 random doubles)
_TRIM_SCALE_VERSION = 130_000  # postgresql.org/docs/release/13.0: trim_scale() is new


def _integer(note: str = "") -> Mapping:
    return Mapping(Storage.INTEGER, _AS_TEXT, "integer", exact=True, note=note)


def _real(family: str) -> Mapping:
    note = "double; NaN and infinities as text, -0 as 0"
    return Mapping(Storage.REAL, _AS_TEXT, family, exact=True, note=note)


def _text(family: str, note: str = "", template: str = _AS_TEXT) -> Mapping:
    return Mapping(Storage.TEXT, template, family, exact=True, note=note)


def _opaque(note: str = "", template: str = _AS_TEXT) -> Mapping:
    """Text that is kept as PostgreSQL spells it, in columns that can't be read by."""
    return Mapping(Storage.TEXT, template, "", keyable=False, note=note)


_BIGINT_NOTE = "exact; JavaScript rounds above 2^53, read with CAST(… AS TEXT)"
_NAME_NOTE = "the object's qualified name"

_BUILT_IN: dict[str, Mapping] = {
    "int2": _integer(),
    "int4": _integer(),
    "int8": _integer(_BIGINT_NOTE),
    "oid": _integer(),
    "xid": replace(_integer(), keyable=False),
    "cid": replace(_integer(), keyable=False),
    "bool": Mapping(Storage.INTEGER, "{c}::int::text", "bool", note="1 or 0"),
    "float4": _real("float4"),
    "float8": _real("float8"),
    "text": _text("text"),
    "varchar": _text("text"),
    "name": _text("name"),
    "bpchar": _text("bpchar", "without padding"),
    "char": _opaque(),
    "bytea": Mapping(Storage.BLOB, "encode({c}, 'hex')", "bytea", Wire.HEX, note="bytes"),
    "uuid": _text("uuid", "lower case, 36 characters"),
    "date": _text("date", "YYYY-MM-DD"),
    "timestamp": _text("timestamp", "YYYY-MM-DD HH:MM:SS[.ffffff]"),
    "timestamptz": Mapping(
        Storage.TEXT,
        "({c} AT TIME ZONE 'UTC')::text",
        "timestamptz",
        note="UTC, YYYY-MM-DD HH:MM:SS[.ffffff]",
    ),
    "time": _text("time", "HH:MM:SS[.ffffff]"),
    "timetz": _text("timetz", "HH:MM:SS[.ffffff]±HH[:MM]"),
    "interval": _text("", "ISO 8601"),
    "json": _opaque("JSON, the exact text"),
    "jsonb": _opaque("JSON"),
    "money": Mapping(
        Storage.TEXT, "{c}::numeric::text", "money", keyable=False, note="decimal text"
    ),
    # A cast of inet to text adds /32 or /128 to an address; its output function doesn't.
    "inet": _text("inet", template="textin(inet_out({c}))"),
    "cidr": _text("cidr"),
    "macaddr": _text("macaddr"),
    "macaddr8": _text("macaddr8"),
    "bit": _text("bit", "digits 0 and 1"),
    "varbit": _text("varbit", "digits 0 and 1"),
    "xid8": _text("xid8"),
    "pg_lsn": _text("pg_lsn"),
    **{
        name: _opaque()
        for name in (
            *("xml", "tsvector", "tsquery", "jsonpath", "refcursor", "pg_snapshot"),
            *("txid_snapshot", "tid", "aclitem"),
            *("point", "line", "lseg", "box", "path", "polygon", "circle"),
        )
    },
    **{
        name: _opaque(_NAME_NOTE)
        for name in (
            *("regclass", "regtype", "regproc", "regprocedure", "regoper", "regoperator"),
            *("regrole", "regnamespace", "regconfig", "regdictionary", "regcollation"),
        )
    },
}

# Reading by an extension's type would need its own operators: with search_path=pg_catalog, a
# plain `>` over citext means text's, and rows would be skipped. So none of them is keyable.
_EXTENSIONS: dict[tuple[str, str], Mapping] = {
    ("citext", "citext"): Mapping(
        Storage.TEXT,
        _AS_TEXT,
        "citext",
        keyable=False,
        nocase=True,
        note="compared ignoring the case of ASCII letters",
    ),
    ("hstore", "hstore"): _opaque("JSON object", "{s}.hstore_to_json({c})::text"),
    ("ltree", "ltree"): replace(_opaque(), family="ltree"),
    ("ltree", "lquery"): _opaque(),
    ("ltree", "ltxtquery"): _opaque(),
    ("cube", "cube"): _opaque(),
    ("seg", "seg"): _opaque(),
    **{
        ("isn", name): replace(_opaque(), family=name)
        for name in ("ean13", "isbn", "isbn13", "ismn", "ismn13", "issn", "issn13", "upc")
    },
    ("vector", "vector"): _opaque("JSON array"),
    ("vector", "halfvec"): _opaque("JSON array"),
    ("postgis", "geometry"): _opaque("hex EWKB"),
    ("postgis", "geography"): _opaque("hex EWKB"),
}

# to_json() prints an element by its output function, or by a cast to json where its type has one.
_NO_ELEMENTS = frozenset({"money"})
_EXTENSION_ELEMENTS = frozenset({"citext", "hstore", "ltree"})


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
    mapped: Mapping | Unsupported = _unsupported(kind)
    match kind.kind:
        case TypeKind.DOMAIN:
            if kind.inner is not None:
                mapped = map_type(
                    kind.inner, options, numeric_text=numeric_text, server_version=server_version
                )
        case TypeKind.ARRAY:
            mapped = _array(kind)
        case TypeKind.ENUM:
            mapped = _text(f"enum {kind.oid}", "the label; sorts as text")
        case TypeKind.COMPOSITE:
            mapped = _opaque("JSON object", "to_json({c})::text")
        case TypeKind.RANGE | TypeKind.MULTIRANGE:
            mapped = _opaque("PostgreSQL's text")
        case TypeKind.BASE:
            mapped = _base(kind, numeric_text=numeric_text, server_version=server_version)
        case TypeKind.PSEUDO:
            pass
    return mapped


def option_applies(kind: PgType, name: str) -> bool:
    """Whether the option `name` of TypeOptions has a say in columns of this type."""
    return bool(kind and name)


def is_numeric(kind: PgType) -> bool:
    """Whether the type is numeric, or a domain over it."""
    base = kind.base
    return base.schema == "pg_catalog" and base.name == "numeric"


def numeric_storage(modifier: int) -> Storage:
    """What a numeric with this typmod (-1: none) is stored as, when nothing asks for text."""
    if modifier < _NUMERIC_HEADER:
        return Storage.TEXT
    precision = (modifier - _NUMERIC_HEADER) >> 16 & 0xFFFF
    scale = (modifier - _NUMERIC_HEADER) & 0x7FF
    scale = (scale ^ 0x400) - 0x400  # 11 bits with a sign since PostgreSQL 15
    if scale == 0 and precision <= _INTEGER_DIGITS:
        return Storage.INTEGER
    if 0 <= scale <= _REAL_SCALE and precision <= _DOUBLE_DIGITS:
        return Storage.REAL
    return Storage.TEXT


def _unsupported(kind: PgType) -> Unsupported:
    return Unsupported(f"the type {kind.formatted} can't be moved")


def _base(kind: PgType, *, numeric_text: bool, server_version: int) -> Mapping | Unsupported:
    if kind.schema != "pg_catalog":
        found = _EXTENSIONS.get((kind.extension, kind.name))
        if found is None:
            return _unsupported(kind)
        return replace(found, template=found.template.replace("{s}", quote(kind.schema)))
    if kind.name == "numeric":
        return _numeric(kind.modifier, as_text=numeric_text, server_version=server_version)
    return _BUILT_IN.get(kind.name) or _unsupported(kind)


def _numeric(modifier: int, *, as_text: bool, server_version: int) -> Mapping:
    storage = numeric_storage(modifier)
    if as_text and storage is not Storage.INTEGER:
        return _text("numeric", "decimal text without trailing zeros", _trimmed(server_version))
    if storage is Storage.INTEGER:
        return _integer("exact")
    if storage is Storage.REAL:
        return Mapping(
            storage, _AS_TEXT, "numeric real", exact=True, note="exact double; NaN as text"
        )
    return _text("numeric", "decimal text: compares and sorts as text")


def _trimmed(server_version: int) -> str:
    if server_version >= _TRIM_SCALE_VERSION:
        return "trim_scale({c})::text"
    return (
        "CASE WHEN {c}::text LIKE '%.%' THEN rtrim(rtrim({c}::text, '0'), '.') ELSE {c}::text END"
    )


def _array(kind: PgType) -> Mapping | Unsupported:
    if kind.inner is None:
        return _unsupported(kind)
    element = kind.inner.base
    mapped = _array(element) if element.kind is TypeKind.ARRAY else map_type(element)
    foreign = element.kind is TypeKind.BASE and element.schema != "pg_catalog"
    if (
        isinstance(mapped, Unsupported)
        or (element.schema == "pg_catalog" and element.name in _NO_ELEMENTS)
        or (foreign and element.name not in _EXTENSION_ELEMENTS)
    ):
        return _unsupported(kind)
    return _opaque("JSON array, without lower bounds", "to_json({c})::text")
