"""About JSON values: which nest too deep for SQLite, and which a jsonb can't hold.

Conditions over `{c}` that never raise. What is costly is only asked of values that could be meant,
and never of NULLs, which no comparison of sizes would keep out: the order of evaluation is that of
CASE.
"""

from __future__ import annotations

from streamer.translate.types.mapping import Counted

SQLITE_DEPTH = 1000  # JSON_MAX_DEPTH, sqlite.org/json1.html, 2026-11-22
WHAT = (
    f"JSON in {{rows}} of the rows nests deeper than {SQLITE_DEPTH:,} levels: its text is kept, but"
    " for D1 json_valid() of it is 0 and its JSON functions fail"
)


def _pattern(regex: str) -> str:
    """The regular expression as an SQL literal, whatever standard_conforming_strings is."""
    return "E'" + regex.replace("\\", "\\\\").replace("'", "''") + "'"


# Strings go, with the brackets in them; then only brackets stay, each a step down or up.
_STRING = _pattern(r'"([^"\\]|\\.)*"')
_BRACKETS = f"regexp_replace(regexp_replace(v.j, {_STRING}, '', 'g'), '[^][{{}}]', '', 'g')"
_DEPTH = (
    "(SELECT max(s.depth) FROM (SELECT sum(CASE WHEN b.x IN ('[', '{') THEN 1 ELSE -1 END)"
    " OVER (ORDER BY b.n) AS depth FROM"
    f" unnest(string_to_array({_BRACKETS}, NULL)) WITH ORDINALITY AS b (x, n)) AS s)"
)


def _deeper_than(levels: int) -> str:
    """SQL over the text `v.j`: has it more levels than these."""
    opening = "length(v.j) - length(translate(v.j, '[{', ''))"
    return (
        f"CASE WHEN coalesce(octet_length(v.j), 0) <= {2 * levels} THEN false"
        f" WHEN {opening} <= {levels} THEN false ELSE {_DEPTH} > {levels} END"
    )


def _of_text(condition: str, json: str = "{c}") -> str:
    """A condition over `v.j`, as one over SQL of a json or jsonb, which is printed once."""
    return f"(SELECT {condition} FROM (SELECT {json}::text AS j OFFSET 0) AS v)"


# A level of jsonb takes 8 bytes that differ from those of the next: 1,001 levels still take 3,269
# bytes as pglz compresses them, 4,019 as lz4 does (PostgreSQL 15).
_LARGE = "pg_column_size({c}) >= 1000"


def _of_jsonb(condition: str) -> str:
    """The same, where all json in `{c}` is jsonb: what is small can't be deep."""
    return f"CASE WHEN {_LARGE} THEN {condition} ELSE false END"


_WITHIN = _of_text(_deeper_than(SQLITE_DEPTH), "to_json({c})")

# What must be true of such values is asked first: it has no subquery, so PostgreSQL's parallel workers
# can ask it, which makes the scan of a million rows 0.08 s for 0.19.
TOO_DEEP = Counted(
    _of_text(_deeper_than(SQLITE_DEPTH)),
    WHAT,
    necessary=f"octet_length({{c}}::text) > {2 * SQLITE_DEPTH}",
)
"""Where a json is too deep for SQLite."""

TOO_DEEP_JSONB = Counted(_of_jsonb(TOO_DEEP.condition), WHAT, necessary=_LARGE)
"""Where a jsonb is too deep for SQLite."""

TOO_DEEP_WITHIN = Counted(_WITHIN, WHAT)
"""Where JSON of an array or a composite is too deep, by the json that lies in it."""

TOO_DEEP_JSONB_WITHIN = Counted(_of_jsonb(_WITHIN), WHAT, necessary=_LARGE)
"""The same, where what lies in it is jsonb."""

# jsonb holds neither NUL nor half a pair of surrogates, nor characters that the database's encoding
# lacks, nor numbers beyond numeric's limits (131,072 digits before the point, 16,383 behind it), nor
# what is too deep for the server's stack. This asks for less of each. Escaped backslashes go first:
# what follows them is no escape.
_BACKSLASHES = _pattern("\\\\")
_ESCAPE = _pattern(r"\\u")
_ESCAPES = f"replace(v.j, {_BACKSLASHES}, '--')"
_PAIR = _pattern(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..")
_HALF = _pattern(r"\\u(0000|[dD][89a-fA-F])")
_NOT_JSONB = (
    f"CASE WHEN regexp_replace({_ESCAPES}, {_PAIR}, '', 'g') ~ {_HALF} THEN true"
    f" WHEN getdatabaseencoding() <> 'UTF8' AND {_ESCAPES} ~ {_ESCAPE} THEN true"
    " WHEN v.j ~ '[0-9][eE][+-]?[0-9]{5}' THEN true"
    " WHEN octet_length(v.j) > 4000 AND position(repeat('9', 4000)"
    " in translate(v.j, '012345678', '999999999')) > 0 THEN true"
    f" ELSE {_deeper_than(SQLITE_DEPTH)} END"
)
NOT_JSONB = _of_text(_NOT_JSONB)
"""SQL, true where a cast of the json to jsonb might raise."""

CANONICAL = (
    f"(SELECT CASE WHEN {_NOT_JSONB} THEN v.j ELSE v.j::jsonb::text END"
    " FROM (SELECT {c}::text AS j OFFSET 0) AS v)"
)
"""The json as jsonb prints it, or as it is where it can't be jsonb."""
