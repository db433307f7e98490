"""How a name is written in SQL; every identifier of every statement passes through here."""

from __future__ import annotations

from streamer.model.catalog import PgType

RESERVED_NAMES = ("_cf_", "sqlite_", "_streamer_")  # starts of names: D1's, SQLite's and ours, last


def operator(symbol: str, schema: str) -> str:
    """PostgreSQL's operator in `schema`; '' for its own, which need no schema."""
    return f"OPERATOR({quote_identifier(schema)}.{symbol})" if schema else symbol


def quote_identifier(name: str) -> str:
    """`name` as a quoted identifier, as SQLite and PostgreSQL both read it.

    Raises:
        ValueError: the name is empty or holds a NUL; neither database can have made it.
    """
    if not name or "\0" in name:
        raise ValueError(f"not a name that a database can hold: {name!r}")
    return '"' + name.replace('"', '""') + '"'


def printed(sql: str, value: str, kind: PgType) -> str:
    """`sql` with each `{value}::text` in it made by the type's output function, where need be.

    A cast to text may be a function of the database's own, and print what it likes.
    """
    base = kind.base
    if "text" not in base.casts or not base.output:
        return sql
    # Output functions of enums, ranges and composites don't look under domains.
    bare = value if kind is base else f"{value}::{base.formatted}"
    return sql.replace(f"{value}::text", f"textin({base.output}({bare}))")
