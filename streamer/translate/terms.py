"""A table's own words: how each of its columns is called, stored and compared in the target."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field

from streamer.frozen import frozen
from streamer.model import Column, Finding, Severity, Table
from streamer.translate.expressions import ORDERED_AS_UTF8, Operand, Scope, Translated
from streamer.translate.mentions import mentions

REFUSED = "D1 doesn't accept its translation"
BY_BYTES = frozenset({"C", "POSIX", "C.utf8", "C.UTF-8", "ucs_basic", "pg_c_utf8"})
"""Names of collations that order texts by their bytes."""


@frozen
class Terms:
    """What a table's SQL is translated by, and what the user decided about it.

    `table` holds the columns that are moved; `operands` are they in the target, by source name.
    `altered` says of columns whose stored value isn't PostgreSQL's own what is there instead, as a
    sentence's end. `transformed`: a function may change any row. `fixed_keys` are columns that a key
    or a foreign key is made of: they are written, never computed. `alias` is the column that
    becomes `INTEGER PRIMARY KEY`, or ''. `untranslatable` names what D1 turned out not to accept
    (`schema.table.column`, `schema.table.constraint`).
    """

    table: Table
    target: str
    operands: Mapping[str, Operand]
    altered: Mapping[str, str] = field(default_factory=dict[str, str])
    transformed: bool = False
    fixed_keys: Collection[str] = frozenset()
    alias: str = ""
    checks: bool = True
    defaults: bool = True
    autoincrement: bool = False
    untranslatable: Collection[str] = frozenset()

    @property
    def scope(self) -> Scope:
        """The columns whose stored values say what PostgreSQL's say."""
        return Scope({n: o for n, o in self.operands.items() if n not in self.altered})

    def object(self, name: str) -> str:
        """How a finding names a column or constraint of this table."""
        return f"{self.table.name}.{name}"

    def why(self, definition: str, reason: str) -> str:
        """Why `definition` isn't translated: an altered column in it, else the given reason."""
        spoken = mentions(definition, self.altered)
        return next((f"{n} {why}" for n, why in self.altered.items() if n in spoken), reason)


def byte_order(column: Column) -> bool:
    """Whether PostgreSQL orders the column's texts by their bytes."""
    schema, _, name = column.collation.partition(".")
    return schema == "pg_catalog" and name.strip('"') in BY_BYTES


def ordered_alike(column: Column, encoding: str) -> bool:
    """Whether PostgreSQL orders the column's texts, in the database's `encoding`, as D1 does: by bytes of UTF-8."""
    return byte_order(column) and encoding in ORDERED_AS_UTF8


def warn(said: list[Finding], where: str, what: str, hint: str = "") -> None:
    """Add a warning to what is `said`."""
    said.append(Finding(Severity.WARNING, where, what, hint))


def warn_of_difference(said: list[Finding], where: str, what: str, translated: Translated) -> None:
    """Add what a translation does differently, if there is anything."""
    if translated.note:
        warn(said, where, f"{what} differs in D1: {translated.note}")


def shortened(sql: str) -> str:
    """SQL for a message: whole up to 200 characters."""
    return sql if len(sql) <= 200 else f"{sql[:200]}…"
