"""Names that something between PostgreSQL and D1 could stumble over, and a database full of them."""

from __future__ import annotations

from itertools import pairwise

from tests.stories.compare import quoted

_KEYWORDS = """
abort action add after all alter always analyze and as asc attach autoincrement before begin between
by cascade case cast check collate column commit conflict constraint create cross current
current_date current_time current_timestamp database default deferrable deferred delete desc detach
distinct do drop each else end escape except exclude exclusive exists explain fail filter first
following for foreign from full generated glob group groups having if ignore immediate in index
indexed initially inner insert instead intersect into is isnull join key last left like limit match
materialized natural no not nothing notnull null nulls of offset on or order others outer over
partition plan pragma preceding primary query raise range recursive references regexp reindex
release rename replace restrict returning right rollback row rows savepoint select set table temp
temporary then ties to transaction trigger unbounded union unique update using vacuum values view
virtual when where window with without true false"""
KEYWORDS = _KEYWORDS.split()  # sqlite.org/lang_keywords.html, 2026-11-22

SIGNS = [
    *('a"b', "a'b", "a`b", "[a]b", "a]b", "'", "''", '"', '""', "`", "E'x'", "x'00'"),
    *("new\nline", "carriage\rreturn", "tab\tname", "back\\slash", "\x01", "\x7f", "\x1b[31m"),
    *("100%", "100%s", "%(x)s", "{0}", "{x}", "{", "}", "$1", "?1", "?", ":name", "@x", "#", "~"),
    *("--comment", "/*c*/", ";", "a;b", "a.b", "a..b", ".", "a,b", "a(b)", ")", "(", "*", "a=b"),
    *(" lead", "trail ", " ", "  ", "\n", "a b", "a\u00a0b", "1", "1e5", "-1", "0x10", "NULL"),
    *(
        "😀",
        "שלום",
        "日本語",
        "a\u200bb",
        "\u202eoverride",
        "\u2028",
        "\ufeffbom",
        "\u00e9",
        "e\u0301",
    ),
    *("É", "\u017f", "İ", "\u212a", "ß", "x" * 63, "é" * 31, "http://x/y?z=1#f", "<b>&amp;</b>"),
]
OURS = [
    *("rowid", "_rowid_", "oid", "key", "value", "excluded", "s", "v", "t", "o", "c", "n", "x"),
    *("new", "old", "json_tree", "main", "row", "rows", "found", "ledger", "owner", "epoch"),
    *("pragma_table_info", "sqlite", "streamer", "generate_series", "json", "jsonb", "index"),
]
COLUMNS_ONLY = ["sqlite_x", "_cf_x", "c0", "c1", "id", "parent", "batch", "run", "name", "size"]
RESERVED = ["sqlite_mine", "SQLITE_X", "_cf_KV", "_CF_x", "_streamer_ledger", "_STREAMER_x"]


def names_database() -> str:
    """A script: a chain of tables, each of which refers to the one before, and tables of columns.

    Each table's key, constraint and index are called like the table.
    """
    tables = [*SIGNS, *OURS]
    script = [_linked(None, tables[0]), *(_linked(*pair) for pair in pairwise(tables))]
    columns = [*SIGNS, *OURS, *COLUMNS_ONLY]
    for number in range(0, len(columns), 90):
        some = columns[number:][:90]
        script += [_of_columns(f"columns {number} {keys}", some, keys) for keys in (0, 1, 3)]
    for number in range(0, len(KEYWORDS), 80):
        script += [_of_columns(f"keywords {number}", KEYWORDS[number:][:80], 2)]
    return "\n".join(script)


def literal(text: str) -> str:
    """A string constant whatever standard_conforming_strings is."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


def _linked(parent: str | None, name: str) -> str:
    table, value = quoted(name), literal(name)
    refers = f", up integer REFERENCES {quoted(parent)}" if parent else ", up integer"
    index = quoted(f"{name.encode()[:55].decode(errors='ignore')} by")
    return f"""
CREATE TABLE {table} ({table} integer PRIMARY KEY, "text of" text UNIQUE DEFAULT {value}{refers},
    CONSTRAINT {table} CHECK ("text of" <> {literal("not " + name)}));
CREATE INDEX {index} ON {table} ("text of") WHERE {table} > 0;
INSERT INTO {table} VALUES (1, {value}, 1), (2, NULL, NULL);"""


def _of_columns(table: str, names: list[str], keys: int) -> str:
    """Integers and texts by turns, of which the first are the key."""
    kinds = [("integer", "text")[number % 2] for number in range(len(names))]
    columns = [f"{quoted(name)} {kind}" for name, kind in zip(names, kinds, strict=True)]
    if keys:
        columns.append(f"PRIMARY KEY ({', '.join(map(quoted, names[:keys]))})")
    rows = [
        [literal(f"{name}{row}") if kind == "text" else str(row) for name, kind in zip(names, kinds, strict=True)]
        for row in (1, 2, 3)
    ]  # fmt: skip
    values = ", ".join(f"({', '.join(row)})" for row in rows)
    return f"CREATE TABLE {quoted(table)} ({', '.join(columns)}); INSERT INTO {quoted(table)} VALUES {values};"
