"""Names: how they are quoted, and what a source's names become in the target."""

from __future__ import annotations


def quote(name: str) -> str:
    """`name` as a quoted identifier; SQLite and PostgreSQL share the rule."""
    return '"' + name.replace('"', '""') + '"'
