"""How a name is written in SQL; every identifier of every statement passes through here."""

from __future__ import annotations

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
