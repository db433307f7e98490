"""The options that say how things are stored, as `--help` shows them in a group of their own."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.cli.parser import Parser
from streamer.config.values import one_of
from streamer.model import TypeOptions

TITLE = "how things are stored"
DESCRIPTION = "For single tables and columns: [tables] in --config; docs/types.md tells all."

TYPES = {
    "timestamps": "timestamp, timestamptz",
    "dates": "date",
    "intervals": "interval",
    "bigint": "bigint",
    "numeric": "numeric",
    "money": "money",
    "nan": "NaN and infinities among numbers",
    "booleans": "boolean",
    "varchar": "varchar(n)",
    "char": "char(n)",
    "bytea": "bytea",
    "uuid": "uuid",
    "json": "json, jsonb",
    "arrays": "arrays",
    "composites": "composite types",
    "enums": "enums",
    "ranges": "ranges",
    "bits": "bit(n)",
    "inet": "inet",
    "cidr": "cidr",
    "macaddr": "macaddr, macaddr8",
    "points": "point",
    "shapes": "line, lseg, box, path, polygon, circle",
    "hstore": "hstore",
    "geometry": "PostGIS",
    "vectors": "pgvector's vector, halfvec",
    "regs": "regclass and its like",
}


def add_stored(parser: Parser) -> None:
    """Add the options, except those that the command has added itself."""
    group = parser.add_argument_group(TITLE, DESCRIPTION)
    for option, metavar, text in _with_values():
        if not parser.knows(option):
            group.add_argument(option, metavar=metavar, help=text)
    for option, metavar, text in (
        ("--rename", "OLD=NEW", "new name of schema.table or schema.table.column (repeatable)"),
        ("--exclude-columns", "COLUMN", "leave out schema.table.column (repeatable)"),
    ):
        group.add_argument(option, metavar=metavar, help=text, action="append")
    for option, text in (
        ("--autoincrement", "AUTOINCREMENT on keys that PostgreSQL numbers: never used twice"),
        ("--strict", "STRICT tables"),
        ("--comments", "comments of tables and columns as SQL comments"),
    ):
        group.add_argument(option, help=text, action="store_true")


def _with_values() -> Iterator[tuple[str, str, str]]:
    """Option, metavar and help of those that take one of several words."""
    for name, what in TYPES.items():
        option = "--json-text" if name == "json" else f"--{name}"
        first, *others = TypeOptions.choices(name)
        yield option, "HOW", f"{what}: {one_of([f'{first} (default)', *others])}"
    for option, text in (
        ("--without-rowid", "WITHOUT ROWID tables: auto (default), always or never"),
        ("--checks", "CHECK constraints: auto (default; what means the same) or none"),
        ("--defaults", "defaults of columns: auto (default; what means the same) or none"),
        ("--views", "views: skip (default) or create (what means the same)"),
        ("--matviews", "materialized views: skip (default) or as-tables"),
        ("--foreign-tables", "foreign tables: skip (default) or as-tables"),
    ):
        yield option, "HOW", text
