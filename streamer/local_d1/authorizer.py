"""What D1 lets a statement do. Measured on workerd 1.20261117.1, which decides likewise."""

from __future__ import annotations

import re

import apsw


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\S+", text))


_FUNCTIONS = _words(
    """
    abs changes char coalesce concat concat_ws format glob hex ifnull iif instr
    last_insert_rowid length like likelihood likely load_extension lower ltrim nullif
    octet_length printf quote random randomblob replace round rtrim sign substr substring
    total_changes trim typeof unhex unicode unlikely upper zeroblob date time datetime julianday
    unixepoch strftime timediff current_date current_time current_timestamp avg count
    group_concat max min string_agg sum total row_number rank dense_rank percent_rank cume_dist
    ntile lag lead first_value last_value nth_value acos acosh asin asinh atan atan2 atanh ceil
    cos cosh degrees exp floor ln log log2 mod pi pow radians sin sinh sqrt tan tanh trunc json
    json_array json_array_length json_extract -> ->> json_insert json_object json_patch
    json_remove json_replace json_set json_type json_valid json_quote json_group_array
    json_group_object json_each json_tree jsonb jsonb_array jsonb_extract jsonb_insert
    jsonb_object jsonb_patch jsonb_remove jsonb_replace jsonb_set jsonb_group_array
    jsonb_group_object match highlight bm25 snippet rtreecheck sqlite_rename_column
    sqlite_rename_table sqlite_rename_test sqlite_drop_column sqlite_rename_quotefix
    """
)

# Functions of this SQLite that D1's doesn't have at all: it says so, rather than that it refuses.
ABSENT_FUNCTIONS = _words(
    """
    fts3_tokenizer geopoly_area geopoly_bbox geopoly_blob geopoly_ccw geopoly_contains_point
    geopoly_debug geopoly_group_bbox geopoly_json geopoly_overlap geopoly_regular geopoly_svg
    geopoly_within geopoly_xform matchinfo median offsets optimize percentile percentile_cont
    percentile_disc soundex sqlite_offset regexp
    """
)

_SWITCHES = frozenset(
    [
        "case_sensitive_like",
        "foreign_keys",
        "defer_foreign_keys",
        "ignore_check_constraints",
        "legacy_alter_table",
        "recursive_triggers",
        "reverse_unordered_selects",
    ]
)
_SWITCH_VALUES = re.compile(r"""["']?(true|false|yes|no|on|off|1|0)""", re.IGNORECASE)
_ABOUT_AN_OBJECT = frozenset(
    [
        "table_info",
        "table_xinfo",
        "foreign_key_list",
        "foreign_key_check",
        "index_info",
        "index_list",
        "index_xinfo",
        "quick_check",
    ]
)
_WITHOUT_VALUE = frozenset(
    ["foreign_key_check", "quick_check", "optimize", "data_version", "page_size", "table_list"]
)
_MODULES = frozenset(["fts5", "fts5vocab", "rtree"])

# Actions whose first, or first two, arguments are names of the database's objects.
_ON_ONE_NAME = frozenset(
    [
        apsw.SQLITE_CREATE_TABLE,
        apsw.SQLITE_DELETE,
        apsw.SQLITE_DROP_TABLE,
        apsw.SQLITE_INSERT,
        apsw.SQLITE_CREATE_VIEW,
        apsw.SQLITE_DROP_VIEW,
        apsw.SQLITE_REINDEX,
        apsw.SQLITE_READ,
        apsw.SQLITE_UPDATE,
        apsw.SQLITE_ALTER_TABLE,
    ]
)
_ON_TWO_NAMES = frozenset(
    [
        apsw.SQLITE_CREATE_INDEX,
        apsw.SQLITE_DROP_INDEX,
        apsw.SQLITE_CREATE_TRIGGER,
        apsw.SQLITE_DROP_TRIGGER,
    ]
)
_SECOND = {  # what the second argument may be
    apsw.SQLITE_FUNCTION: _FUNCTIONS,
    apsw.SQLITE_CREATE_VTABLE: _MODULES,
    apsw.SQLITE_DROP_VTABLE: _MODULES,
}
_ALWAYS = frozenset([apsw.SQLITE_SELECT, apsw.SQLITE_ANALYZE, apsw.SQLITE_RECURSIVE])


def authorize(
    action: int, first: str | None, second: str | None, schema: str | None, _trigger: str | None
) -> int:
    """SQLite's authorizer: SQLITE_OK or SQLITE_DENY for what a client's statement wants to do."""
    if action == apsw.SQLITE_ALTER_TABLE:  # SQLite passes the schema first here
        first, schema = second, first
    allowed = _allowed(action, first or "", second, schema)
    return apsw.SQLITE_OK if allowed else apsw.SQLITE_DENY


def _allowed(action: int, first: str, second: str | None, schema: str | None) -> bool:
    if schema == "temp":
        return action in (apsw.SQLITE_READ, apsw.SQLITE_UPDATE) and _open_name(first)
    if schema not in (None, "main"):
        return False
    if action in _ON_ONE_NAME:
        return _open_name(first)
    if action in _ON_TWO_NAMES:
        return _open_name(first) and _open_name(second or "")
    if action == apsw.SQLITE_PRAGMA:
        return _allowed_pragma(first.lower(), second)
    return action in _ALWAYS or (second or "").lower() in _SECOND.get(action, ())


def _open_name(name: str) -> bool:
    return not name.lower().startswith("_cf_")


def _allowed_pragma(pragma: str, value: str | None) -> bool:
    if value is None:
        return pragma in _SWITCHES or pragma in _WITHOUT_VALUE
    if pragma in _SWITCHES:
        return _SWITCH_VALUES.match(value) is not None
    if pragma in _ABOUT_AN_OBJECT:
        return _open_name(value)
    return pragma == "table_list" or (pragma == "optimize" and value.lstrip("-").isdecimal())
