"""Random columns: PostgreSQL types, values for them, and how what is stored leads back to them.

The way back is written by hand, type by type, and knows nothing of how the product stores values.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
_HOSTILE = st.sampled_from(
    ["", " ", "007", "1e5", "NULL", "null", "'", '"', "\\", "\\N", "?1", "é", "e\u0301", "İ", "\n"]
)
_TEXTS = _TEXT | _HOSTILE
_WORDS = st.text("abcXYZ 09éß'\"?", max_size=8)
_I8 = st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 0]) | st.integers(
    -(2**63), 2**63 - 1
)
_DIGITS = st.integers(-(10**30), 10**30)
_DOUBLES = st.floats(width=64).map(repr) | st.sampled_from(
    ["5e-324", "1.7976931348623157e308", "1e23", "-0.0", "7.654927133881691e-231"]
)
_DAYS = st.dates().map(str) | st.sampled_from(
    ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01", "0001-01-01"]
)
_TIMES = st.datetimes().map(str) | st.sampled_from(
    ["infinity", "-infinity", "0044-03-15 12:00:00.5 BC", "294276-12-31 23:59:59.999999"]
)
_CLOCK = st.times().map(str) | st.just("24:00:00")
_ZONES = st.sampled_from(["+00", "-03:30", "+05:30", "+14", "-15:59"])
_JSON = st.recursive(
    st.none() | st.booleans() | _I8 | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=8,
)
_SPANS = st.builds(
    "{} mons {} days {} secs".format,
    st.integers(-5000, 5000),
    st.integers(-5000, 5000),
    st.decimals(-100_000, 100_000, places=6),
)
_BITS = st.text("01", max_size=9)


def _json_text(value: object) -> str:
    import json  # noqa: PLC0415 (for this one strategy)

    return json.dumps(value, ensure_ascii=False)


def _array(items: list[str | None]) -> str:
    def quoted(item: str | None) -> str:
        if item is None:
            return "NULL"
        return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return "{" + ",".join(map(quoted, items)) + "}"


@dataclass(frozen=True)
class Kind:
    """A type, literals of it (PostgreSQL judges them), and SQL that makes its value of the text `{x}`.

    `same` compares the value of old (`t.c`) with the one made anew; both may be NULL.
    """

    type: str
    literals: st.SearchStrategy[str]
    back: str
    same: str = "{new} IS NOT DISTINCT FROM {old}"


_PRINTED = "({new})::text IS NOT DISTINCT FROM ({old})::text"


def _numeric(type_: str, scale: int | None) -> Kind:
    literals = st.builds("{}e{}".format, _DIGITS, st.integers(-32, 4)) | st.just("NaN")
    back = "{x}::numeric" if scale is None else f"round({{x}}::numeric, {scale})"
    return Kind(type_, literals, back)


def _as_is(type_: str, literals: st.SearchStrategy[str]) -> Kind:
    return Kind(type_, literals, f"{{x}}::{type_}", _PRINTED)


KINDS = (
    *(Kind(type_, _I8.map(str), f"{{x}}::{type_}") for type_ in ("bigint", "oid")),
    Kind("integer", st.integers(-(2**31), 2**31 - 1).map(str), "{x}::integer"),
    Kind("smallint", st.integers(-(2**15), 2**15 - 1).map(str), "{x}::smallint"),
    Kind("boolean", st.sampled_from(["true", "false"]), "({x}::integer)::boolean"),
    _numeric("numeric", None),
    _numeric("numeric(10,2)", 2),
    _numeric("numeric(15,15)", 15),
    _numeric("numeric(18,0)", 0),
    _numeric("numeric(38,10)", 10),
    _numeric("trip.price", 2),
    Kind("double precision", _DOUBLES, "{x}::double precision"),
    Kind("real", st.floats(width=32).map(repr), "{x}::double precision::real"),
    Kind("text", _TEXTS, "{x}"),
    Kind("varchar(8)", _TEXTS, "{x}::varchar(8)"),
    Kind("trip.word", _TEXTS, "{x}::trip.word"),
    Kind('"char"', st.sampled_from(["a", "Z", "\\377", ""]), '{x}::"char"'),
    Kind("char(5)", _TEXTS, "{x}::char(5)"),
    Kind("bytea", st.binary(max_size=20).map(lambda b: "\\x" + b.hex()), "decode({x}, 'hex')"),
    Kind("uuid", st.uuids().map(str), "{x}::uuid"),
    _as_is("date", _DAYS),
    _as_is("timestamp", _TIMES),
    _as_is("timestamp(0)", st.datetimes().map(str)),
    Kind(
        "timestamptz",
        st.builds("{}{}".format, st.datetimes(), _ZONES) | _TIMES,
        "({x}::timestamp AT TIME ZONE 'UTC')",
    ),
    _as_is("time", _CLOCK),
    _as_is("timetz", st.builds("{}{}".format, _CLOCK, _ZONES)),
    _as_is("interval", _SPANS),
    Kind("json", _JSON.map(_json_text), "{x}::json", _PRINTED),
    Kind("jsonb", _JSON.map(_json_text), "{x}::jsonb", _PRINTED),
    _as_is("inet", st.ip_addresses().map(str) | st.just("10.1.2.3/8")),
    _as_is("cidr", st.ip_addresses().map(str)),
    _as_is("macaddr", st.binary(min_size=6, max_size=6).map(bytes.hex)),
    _as_is("bit(3)", _BITS),
    _as_is("varbit", _BITS),
    Kind(
        "money", st.integers(-(10**15), 10**15).map(lambda n: f"{n / 100}"), "{x}::numeric::money"
    ),
    _as_is("trip.mood", st.sampled_from(["ok", "it's", 'qu"ote', "", "OK", "é\n"])),
    _as_is("int4range", st.builds("[{},{})".format, st.integers(-9, 9), st.integers(10, 99))),
    _as_is("tsrange", st.builds("[{},)".format, st.datetimes()) | st.just("empty")),
    _as_is("point", st.builds("({},{})".format, st.floats(width=64), st.floats(width=64))),
    _as_is("tsvector", _WORDS.map(lambda word: "'" + word.replace("'", "''") + "':1A")),
    Kind(
        "int[]",
        st.lists(st.none() | st.integers(-9, 9).map(str), max_size=4).map(_array),
        "CASE WHEN {x} IS NOT NULL THEN ARRAY(SELECT json_array_elements_text({x}::json)::int) END",
    ),
    Kind(
        "text[]",
        st.lists(st.none() | _TEXTS, max_size=4).map(_array),
        "CASE WHEN {x} IS NOT NULL THEN ARRAY(SELECT json_array_elements_text({x}::json)) END",
    ),
    Kind(
        "trip.pair",
        st.builds('({},"{}")'.format, st.integers(-9, 9), st.text("ab c", max_size=3)),
        "json_populate_record(NULL::trip.pair, {x}::json)",
        _PRINTED,
    ),
)

MADE = """
CREATE SCHEMA trip;
CREATE DOMAIN trip.price AS numeric(8,2) CHECK (VALUE IS NULL OR VALUE <> 13);
CREATE DOMAIN trip.word AS text;
CREATE TYPE trip.mood AS ENUM ('ok', 'it''s', 'qu"ote', '', 'OK', E'é\\n');
CREATE TYPE trip.pair AS (a int, b text);
"""
"""The types that the columns use; tables are in the schema public."""
