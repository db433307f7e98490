"""Addresses and networks: inet, cidr, macaddr, macaddr8."""

from __future__ import annotations

from dataclasses import replace

from streamer.model import PgType, Storage
from streamer.translate.types.asked import Asked, Maker, text
from streamer.translate.types.mapping import Counted, Mapping
from streamer.translate.types.numbers import beyond_javascript

_LENGTHS = 64  # more than an IPv4 network's prefix is long
_SIGN = "80:00:00:00:00:00:00:00"
_BITS = "('x' || translate({c}::text, ':', ''))"


def _inet(_kind: PgType, asked: Asked) -> Mapping:
    # A cast of inet to text adds /32 or /128 to an address; its output function doesn't.
    if asked.options.inet == "plain":
        return text("inet", template="textin(inet_out({c}))")
    return text("inet masked", "with the length of its mask")


def _cidr(_kind: PgType, asked: Asked) -> Mapping:
    if asked.options.cidr == "text":
        return text("cidr")
    number = f"((host({{c}})::inet - '0.0.0.0'::inet) * {_LENGTHS} + masklen({{c}}))"
    six = Counted(
        "family({c}) = 6",
        "IPv6 networks in {rows} of the rows take more than 64 bits",
        'Move the column with cidr = "text"',
        refuses=True,
    )
    return Mapping(
        Storage.INTEGER,
        f"CASE WHEN family({{c}}) = 4 THEN {number}::text ELSE {{c}}::text END",
        "cidr integer",
        note=f"address * {_LENGTHS} + length of the prefix",
        counted=(six,),
    )


def _macaddr(_kind: PgType, asked: Asked) -> Mapping:
    if asked.options.macaddr == "text":
        return text("macaddr")
    return Mapping(
        Storage.INTEGER,
        f"{_BITS}::bit(48)::bigint::text",
        "macaddr integer",
        note="the number that its 48 bits are",
    )


def _macaddr8(_kind: PgType, asked: Asked) -> Mapping:
    if asked.options.macaddr == "text":
        return text("macaddr8")
    number = f"{_BITS}::bit(64)::bigint"
    negative = Counted(
        f"{{c}} >= '{_SIGN}'::macaddr8",
        f"addresses from {_SIGN} on in {{rows}} of the rows become negative numbers: SQLite's have"
        " a sign",
    )
    mapped = Mapping(
        Storage.INTEGER,
        f"{number}::text",
        "macaddr8 integer",
        note="the number that its 64 bits are, the first of them its sign",
    )
    return replace(mapped, counted=(beyond_javascript(number), negative))


MAKERS: dict[str, Maker] = {
    "inet": _inet,
    "cidr": _cidr,
    "macaddr": _macaddr,
    "macaddr8": _macaddr8,
}
"""By the name in pg_catalog."""
