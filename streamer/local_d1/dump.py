"""A database as SQL text, with what the hosted export loses: all numbers go through doubles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from streamer.local_d1.database import Database
from streamer.local_d1.engine import Value
from streamer.local_d1.values import number_text


def dump(database: Database, options: Mapping[str, object]) -> str:
    """All tables, or those of `tables`; without the schema, or the data, where `no_…` says so."""
    return "\n".join(_lines(database, options)) + "\n"


def _lines(database: Database, options: Mapping[str, object]) -> Iterator[str]:
    yield "PRAGMA defer_foreign_keys=TRUE;"
    wanted = cast("list[object]", options.get("tables") or [])
    objects = database.ask(
        """SELECT name, type, sql FROM sqlite_schema WHERE sql NOT NULL
        AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
        ORDER BY type = 'table' DESC, rowid"""
    )
    for name, kind, sql in objects:
        if wanted and name not in wanted:
            continue
        if not options.get("no_schema"):
            yield f"{sql};"
        if kind == "table" and not options.get("no_data"):
            yield from _inserts(database, str(name))


def _inserts(database: Database, table: str) -> Iterator[str]:
    # Generated columns (hidden 2 and 3) can't be inserted into.
    listed = database.ask("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", (table,))
    columns = ",".join(_name(str(name)) for (name,) in listed)
    for row in database.ask(f"SELECT {columns} FROM {_name(table)}"):
        values = ",".join(map(_literal, row))
        yield f"INSERT INTO {_name(table)} ({columns}) VALUES({values});"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: Value) -> str:
    match value:
        case None:
            return "NULL"
        case bytes():
            return f"X'{value.hex()}'"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case _:
            return number_text(float(value))
