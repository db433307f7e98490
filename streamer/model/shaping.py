"""What a user may decide about how tables, columns and types are carried over.

Texts here are as the user wrote them; whoever resolves them against the catalog says what doesn't fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields, replace
from functools import cache
from typing import Literal, cast, get_args, get_type_hints

from streamer.frozen import frozen
from streamer.model.settings import Secret


@frozen
class TypeOptions:
    """How values of each family of types are stored; the defaults lose nothing.

    Each field is a setting of its own, for the whole run, a table or a column.
    """

    timestamps: Literal["exact", "seconds", "ms", "unixms", "iso", "offset"] = "exact"
    dates: Literal["text", "days", "seconds"] = "text"
    intervals: Literal["iso", "postgres", "seconds"] = "iso"
    bigint: Literal["integer", "text"] = "integer"
    numeric: Literal["auto", "text", "real", "scaled"] = "auto"
    money: Literal["text", "cents"] = "text"
    nan: Literal["text", "null", "refuse"] = "text"
    booleans: Literal["integer", "checked"] = "integer"
    varchar: Literal["text", "checked"] = "text"
    char: Literal["trim", "pad"] = "trim"
    bytea: Literal["blob", "hex", "base64"] = "blob"
    uuid: Literal["text", "blob"] = "text"
    json: Literal["exact", "canonical"] = "exact"
    arrays: Literal["json", "postgres"] = "json"
    composites: Literal["json", "postgres", "columns"] = "json"
    enums: Literal["checked", "text", "integer", "lookup"] = "checked"
    ranges: Literal["text", "columns"] = "text"
    bits: Literal["text", "integer"] = "text"
    inet: Literal["plain", "masked"] = "plain"
    cidr: Literal["text", "integer"] = "text"
    macaddr: Literal["text", "integer"] = "text"
    points: Literal["text", "json", "columns"] = "text"
    shapes: Literal["text", "json"] = "text"
    hstore: Literal["json", "postgres"] = "json"
    geometry: Literal["ewkb", "ewkt", "geojson", "blob"] = "ewkb"
    vectors: Literal["text", "blob"] = "text"
    regs: Literal["name", "oid"] = "name"

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The options' names."""
        return tuple(option.name for option in fields(cls))

    @classmethod
    def choices(cls, name: str) -> tuple[str, ...]:
        """What the option `name` may be; the default is the first."""
        return _choices()[name]

    def but(self, chosen: Mapping[str, str]) -> TypeOptions:
        """These options, save those that `chosen` names.

        Raises:
            ValueError: no such option, or no such choice of it.
        """
        for name, choice in chosen.items():
            if name not in self.names() or choice not in self.choices(name):
                raise ValueError(f"no option {name} = {choice}")
        return replace(self, **chosen)  # pyright: ignore[reportArgumentType] (checked above)


@cache
def _choices() -> Mapping[str, tuple[str, ...]]:
    """What each of TypeOptions may be. Reading annotations takes half a millisecond a time."""
    hints = get_type_hints(TypeOptions)
    return {name: cast("tuple[str, ...]", get_args(hint)) for name, hint in hints.items()}


Mask = Literal["null", "hash", "redact"]


@frozen
class ColumnOptions:
    """What is asked of one column.

    `expression` is SQL over the table's columns, evaluated by PostgreSQL in place of the column.
    `types` overrides TypeOptions by name. At most one of `expression` and `mask` is given.
    """

    rename: str = ""
    expression: str = ""
    mask: Mask | None = None
    types: Mapping[str, str] = field(default_factory=dict[str, str])


@frozen
class TableOptions:
    """What is asked of one table.

    `where` is SQL over the table's columns. `columns` (empty: all) and `exclude_columns` say which
    are moved. `transform` is `module:function`. `key` names columns that identify a row where
    PostgreSQL knows no key. `exclude_foreign_keys` names constraints to give up. `types` overrides
    TypeOptions by name for all columns; `column` holds what is asked of single ones.
    `without_rowid` and `autoincrement` are None where the run's apply.
    """

    where: str = ""
    columns: tuple[str, ...] = ()
    exclude_columns: tuple[str, ...] = ()
    rename: str = ""
    transform: str = ""
    key: tuple[str, ...] = ()
    exclude_foreign_keys: tuple[str, ...] = ()
    without_rowid: WithoutRowid | None = None
    autoincrement: bool | None = None
    types: Mapping[str, str] = field(default_factory=dict[str, str])
    column: Mapping[str, ColumnOptions] = field(default_factory=dict[str, ColumnOptions])


WithoutRowid = Literal["auto", "always", "never"]


@frozen
class Shaping:
    """All that a user decided about tables, columns and types.

    `tables` is by the table's name as the user spelled it: `schema.table`, or `table` in public.
    `rename` gives target names to `schema.table`, `table`, `schema.table.column` and `table.column`.
    `hash_key` is the key of the mask `hash`.
    """

    types: TypeOptions = field(default_factory=TypeOptions)
    tables: Mapping[str, TableOptions] = field(default_factory=dict[str, TableOptions])
    rename: Mapping[str, str] = field(default_factory=dict[str, str])
    without_rowid: WithoutRowid = "auto"
    autoincrement: bool = False
    strict: bool = False
    comments: bool = False
    checks: Literal["auto", "none"] = "auto"
    defaults: Literal["auto", "none"] = "auto"
    views: Literal["skip", "create"] = "skip"
    matviews: Literal["skip", "as-tables"] = "skip"
    foreign_tables: Literal["skip", "as-tables"] = "skip"
    hash_key: Secret | None = None
