"""What an expression is made of: typed SQL, what columns it may name, and why it can't be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from enum import StrEnum

from streamer.frozen import frozen
from streamer.model import PgType
from streamer.translate.types import Mapping as TypeMapping

ORDERED_AS_UTF8 = frozenset({"UTF8", "SQL_ASCII", "LATIN1"})
"""Encodings whose bytes sort as those of UTF-8 do."""


@frozen
class Operand:
    """A column that an expression may name.

    `target` is its name in the target. `byte_order`: PostgreSQL sorts its text by bytes, as D1
    does (collation C and its like). `deterministic`: equal texts have equal bytes. `encoding` is the
    database's, by which PostgreSQL counts bytes and letters. A column whose values aren't
    the source column's own (masked, computed by the user) doesn't belong in a scope.
    """

    target: str
    type: PgType
    mapping: TypeMapping
    not_null: bool = False
    byte_order: bool = False
    deterministic: bool = True
    encoding: str = "UTF8"  # as pg_encoding_to_char() has it


@frozen
class Scope:
    """The columns of a table, by their source names."""

    columns: Mapping[str, Operand]


@frozen
class Relation:
    """A table that a view may read: its name in the target, and its columns.

    With `has_children` its name alone means the rows of tables that inherit from it as well, which D1 has apart.
    """

    target: str
    scope: Scope
    has_children: bool = False


@frozen
class Translated:
    """SQL for D1; `note` says in a few words what differs from PostgreSQL, '' where nothing does."""

    sql: str
    note: str = ""


@frozen
class Untranslated:
    """An expression that isn't carried over; `reason` is a part of a sentence."""

    reason: str


class UntranslatableError(Exception):
    """Raised within the package; its text becomes the reason of an `Untranslated`."""


class Form(StrEnum):
    """How the values of an expression look in SQLite.

    INTEGER: 64-bit integers. NUMBER: numeric as an integer or double, NaN as text. FLOAT8 and
    FLOAT4: doubles, NaN and the infinities as text, a FLOAT4 by its shortest decimal. DECIMAL: numeric as text. BOOLEAN: 1 and 0.
    TEXT: text. CHARACTER: char(n) without its padding. MOMENT: date, timestamp and timestamptz as
    text. PLAIN: text that is equal where the values are. BYTES: blobs. JSON: jsonb's text.
    OPAQUE: all that can only be asked whether it is NULL. NULL: nothing else.
    """

    INTEGER = "integer"
    NUMBER = "number"
    FLOAT8 = "float8"
    FLOAT4 = "float4"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    TEXT = "text"
    CHARACTER = "character"
    MOMENT = "moment"
    PLAIN = "plain"
    BYTES = "bytes"
    JSON = "json"
    OPAQUE = "opaque"
    NULL = "null"


Constant = int | str | Decimal | bytes


@frozen
class Value:
    """SQL with what is known of its values.

    `type` tells values of one form apart: PostgreSQL's name of the type. `atomic`: the SQL needs no
    parentheses as an operand. `constant` is the value where it is one. `folded`: equality ignores case or
    follows a collation, so comparing isn't possible. `byte_order` as in Operand; constants have
    it too, since they take the other side's collation. `nullable`: asking for NULL is exact.
    `operand` is the column where the value is nothing else.
    """

    sql: str
    form: Form
    type: str
    atomic: bool = True
    constant: Constant | None = None
    folded: bool = False
    byte_order: bool = False
    nullable: bool = True
    note: str = ""
    blob: bool = False
    operand: Operand | None = field(default=None, repr=False)

    @property
    def part(self) -> str:
        """The SQL as an operand of something else."""
        return self.sql if self.atomic else f"({self.sql})"


UTF8 = "UTF8"
WIDTHS = {"int2": 16, "int4": 32, "int8": 64}


def text_literal(text: str) -> str:
    """`text` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
