"""Texts, bytes, UUIDs, bits, JSON and what else is text or bytes."""

from __future__ import annotations

from dataclasses import replace

from streamer.model import PgType, Storage, Wire
from streamer.translate.types import json_depth
from streamer.translate.types.asked import Asked, Maker, always, opaque, text
from streamer.translate.types.mapping import Counted, Mapping

_LENGTH_HEADER = 4  # VARHDRSZ, src/backend/utils/adt/varchar.c: typmod = length + 4
_BIT_MAX = 63  # so many bits are an integer without a sign in SQLite


def _varchar(kind: PgType, asked: Asked) -> Mapping:
    length = kind.modifier - _LENGTH_HEADER
    if asked.options.varchar == "checked" and length > 0:
        return replace(text("text"), check=f"length({{c}}) <= {length}")
    return text("text")


def _bpchar(kind: PgType, asked: Asked) -> Mapping:
    # The cast to text cuts the padding off, the output function keeps it.
    if asked.options.char == "trim":
        return text("bpchar", "without padding")
    length = kind.modifier - _LENGTH_HEADER
    # Without a length there is no padding, and blanks at the end don't count.
    family = f"bpchar {length}" if length > 0 else ""
    return text(family, "with padding", "textin(bpcharout({c}))")


def _bytea(_kind: PgType, asked: Asked) -> Mapping:
    match asked.options.bytea:
        case "blob":
            return Mapping(Storage.BLOB, "encode({c}, 'hex')", "bytea", Wire.HEX, note="bytes")
        case "hex":
            return Mapping(Storage.TEXT, "encode({c}, 'hex')", "bytea hex", note="hex digits")
        case "base64":
            # PostgreSQL breaks the lines after 76 characters.
            template = "translate(encode({c}, 'base64'), chr(10), '')"
            return Mapping(Storage.TEXT, template, "bytea base64", note="base64")


def _uuid(_kind: PgType, asked: Asked) -> Mapping:
    if asked.options.uuid == "text":
        return text("uuid", "lower case, 36 characters")
    template = "replace({c}::text, '-', '')"
    return Mapping(Storage.BLOB, template, "uuid blob", Wire.HEX, note="16 bytes")


def _bit(kind: PgType, asked: Asked) -> Mapping:
    plain = text("bit", "digits 0 and 1")
    if asked.options.bits == "text":
        return plain
    if not 0 < kind.modifier <= _BIT_MAX:
        return replace(
            plain, announce=f'bits = "integer" needs a bit(n) of at most {_BIT_MAX}: it stays text'
        )
    # All have the same length, so no leading zero is lost.
    return Mapping(
        Storage.INTEGER,
        "({c}::bigint)::text",
        f"bit integer {kind.modifier}",
        note=f"the number that the {kind.modifier} bits are",
    )


def _json(_kind: PgType, asked: Asked) -> Mapping:
    deep = json_depth.TOO_DEEP
    if asked.options.json == "exact":
        return replace(opaque("JSON, the exact text"), counted=(deep,))
    kept = Counted(
        json_depth.NOT_JSONB,
        "JSON in {rows} of the rows may be more than jsonb holds: it stays as it is written",
    )
    return replace(opaque("JSON, as jsonb prints it", json_depth.CANONICAL), counted=(deep, kept))


def _jsonb(_kind: PgType, _asked: Asked) -> Mapping:
    return replace(opaque("JSON"), counted=(json_depth.TOO_DEEP_JSONB,))


def _reg(kind: PgType, asked: Asked) -> Mapping:
    if asked.options.regs == "name":
        mapped = opaque("the object's qualified name")
        # Functions and operators of one name differ in their arguments, which the name doesn't tell.
        return replace(mapped, distinct=kind.name not in {"regproc", "regoper"})
    return Mapping(
        Storage.INTEGER, "{c}::oid::text", "integer", keyable=False, note="the object's number"
    )


REGS = frozenset(
    {
        *("regclass", "regtype", "regproc", "regprocedure", "regoper", "regoperator"),
        *("regrole", "regnamespace", "regconfig", "regdictionary", "regcollation"),
        "regdatabase",
    }
)
"""The types of pg_catalog whose values are other objects."""

_OPAQUE = (
    *("xml", "tsvector", "tsquery", "jsonpath", "refcursor", "pg_snapshot", "txid_snapshot"),
    *("tid", "aclitem", "char"),
)

MAKERS: dict[str, Maker] = {
    "text": always(text("text")),
    "varchar": _varchar,
    "name": always(text("name")),
    "bpchar": _bpchar,
    "bytea": _bytea,
    "uuid": _uuid,
    "bit": _bit,
    "varbit": always(text("varbit", "digits 0 and 1")),
    "json": _json,
    "jsonb": _jsonb,
    "xid8": always(text("xid8")),
    "pg_lsn": always(text("pg_lsn")),
    **{name: always(opaque()) for name in _OPAQUE},
    **dict.fromkeys(REGS, _reg),
}
"""By the name in pg_catalog."""
