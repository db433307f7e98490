"""How exported values stand in JSON, and how D1's cells are made of them.

PostgreSQL prints each value as a JSON token. A type with options is printed in one form that loses
nothing, from which the form of every option is made here, exactly as PostgreSQL would print it. What
can't be made so is printed as it will be stored (`Form.CELL`): then what is asked of the column must
be the same when its file is transformed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TypeAlias

from streamer.files import derived
from streamer.files.derived import Derivation
from streamer.frozen import frozen
from streamer.model import ColumnPlan, PgType, TypeKind, TypeOptions
from streamer.model.sql import quote_identifier
from streamer.translate.types import Unsupported, map_type

Json: TypeAlias = "str | int | float | bool | None"


class Form(StrEnum):
    """How the values of a column stand in a file; FORMS says it to people."""

    INTEGER = "integer"
    BOOLEAN = "boolean"
    DOUBLE = "double"
    DECIMAL = "decimal"
    DATE = "date"
    TIMESTAMP = "timestamp"
    BYTES = "bytes"
    TEXT = "text"
    CELL = "cell"


FORMS: Mapping[Form, str] = {
    Form.INTEGER: "a JSON number of up to 64 bits: parse it as an integer, not as a double",
    Form.BOOLEAN: "true or false",
    Form.DOUBLE: 'a JSON number, or one of the strings "NaN", "Infinity", "-Infinity"',
    Form.DECIMAL: 'a string: the number\'s exact decimal text, or "NaN", "Infinity", "-Infinity"',
    Form.DATE: 'a string: YYYY-MM-DD (" BC" behind years before 1), or "infinity", "-infinity"',
    Form.TIMESTAMP: "a string: ISO 8601, with the offset +00:00 where the type has a time zone"
    ' (" BC" behind years before 1), or "infinity", "-infinity"',
    Form.BYTES: 'a string: "\\x" and two hex digits a byte',
    Form.TEXT: "a string: PostgreSQL's own text of the value",
    Form.CELL: "a string: what is stored in D1, printed by the SQL beside it (JSON as its exact text)",
}

_AS_JSON = "to_json({c})::text"
_PLAIN = "{c}::text"
_QUOTED = "to_json({c}::text)::text"


@frozen
class Printed:
    """A type's one form in files.

    `token` is SQL with `{c}` for the value, which prints a JSON token. `made` has, by the SQL that
    `run` would read a value with (`{c}` in it), what makes that cell of the JSON value.
    """

    form: Form
    token: str
    made: Mapping[str, Derivation]


def token_sql(column: ColumnPlan, kind: PgType, server_version: int) -> tuple[Form, str]:
    """In which form a column's values are exported, and the SQL that prints one as JSON.

    `kind` is the column's type; the row is `t`.
    """
    value = f"t.{quote_identifier(column.source)}"
    printed = None if column.made else printed_as(kind, server_version)
    if printed is not None and column.read_sql in _for(value, printed):
        return printed.form, printed.token.replace("{c}", value)
    return Form.CELL, f"to_json(({column.read_sql})::text)::text"


def derivation(
    column: ColumnPlan, kind: PgType, form: Form, server_version: int
) -> Derivation | None:
    """What makes the cells of `column` from values in `form`; None where nothing here does.

    Of CELL it is only known that they are cells: whether of this very column is the caller's to know.
    """
    if form is Form.CELL:
        return derived.text
    printed = None if column.made else printed_as(kind, server_version)
    if printed is None or printed.form is not form:
        return None
    return _for(f"t.{quote_identifier(column.source)}", printed).get(column.read_sql)


def _for(value: str, printed: Printed) -> dict[str, Derivation]:
    return {template.replace("{c}", value): make for template, make in printed.made.items()}


def printed_as(kind: PgType, server_version: int) -> Printed | None:
    """A type's form in files; None where it is printed as it will be stored."""
    base = kind.base
    if base.casts:  # of the database's own: they print what they like
        return None
    if base.kind is TypeKind.ENUM:
        return _enum(base)
    if base.kind is not TypeKind.BASE or base.schema != "pg_catalog":
        return None
    make = _PRINTED.get(base.name)
    return make(base, server_version) if make is not None else None


Maker: TypeAlias = Callable[[PgType, int], Printed]
Choices: TypeAlias = Mapping[str, str]


def _template(kind: PgType, version: int, choices: Choices, *, trimmed: bool = False) -> str:
    mapped = map_type(
        kind, TypeOptions().but(choices), numeric_text=trimmed, server_version=version
    )
    assert not isinstance(mapped, Unsupported), kind.formatted
    return mapped.template


def _by_option(form: Form, token: str, option: str, makers: Mapping[str, Derivation]) -> Maker:
    """A type with one option, and what makes the cell for each of its choices."""

    def make(kind: PgType, version: int) -> Printed:
        made = {
            _template(kind, version, {option: choice}): maker for choice, maker in makers.items()
        }
        return Printed(form, token, made)

    return make


def _with_nan(
    kind: PgType, version: int, templates: Sequence[tuple[Choices, bool, Derivation]]
) -> dict[str, Derivation]:
    """What makes the cells for the choices of `nan` too, beside the choices of each template."""
    made: dict[str, Derivation] = {}
    for choices, trimmed, maker in templates:
        for nan, one in (("text", maker), ("null", derived.no_special(maker)), ("refuse", maker)):
            template = _template(kind, version, {**choices, "nan": nan}, trimmed=trimmed)
            made.setdefault(template, one)
    return made


def _integer(kind: PgType, version: int) -> Printed:
    return Printed(Form.INTEGER, _PLAIN, {_template(kind, version, {}): derived.integer})


def _double(kind: PgType, version: int) -> Printed:
    made = _with_nan(kind, version, [({}, False, derived.double)])
    return Printed(Form.DOUBLE, _AS_JSON, made)


def _decimal(kind: PgType, version: int) -> Printed:
    scale = derived.scale_of(kind.modifier)
    made = _with_nan(
        kind,
        version,
        [
            ({"numeric": "text"}, False, derived.decimal),
            ({"numeric": "auto"}, False, derived.decimal),
            ({"numeric": "text"}, True, derived.trimmed),
            *(
                [({"numeric": "scaled"}, False, derived.scaled(scale))]
                if scale is not None and scale > 0
                else []
            ),
            ({"numeric": "real"}, False, derived.nearest_double),
        ],
    )
    return Printed(Form.DECIMAL, _QUOTED, made)


def _bpchar(kind: PgType, version: int) -> Printed:
    length = kind.modifier - derived.LENGTH_HEADER
    made: dict[str, Derivation] = {_template(kind, version, {"char": "trim"}): derived.text}
    if length > 0:
        made[_template(kind, version, {"char": "pad"})] = derived.padded(length)
    return Printed(Form.TEXT, _QUOTED, made)


def _bit(kind: PgType, version: int) -> Printed:
    made: dict[str, Derivation] = {_template(kind, version, {"bits": "text"}): derived.text}
    made.setdefault(_template(kind, version, {"bits": "integer"}), derived.bits)
    return Printed(Form.TEXT, _QUOTED, made)


def _enum(kind: PgType) -> Printed:
    made: dict[str, Derivation] = {_template(kind, 0, {"enums": "text"}): derived.text}
    made.setdefault(_template(kind, 0, {"enums": "integer"}), derived.position(kind.labels))
    return Printed(Form.TEXT, _QUOTED, made)


def _moment(kind: PgType, version: int) -> Printed:
    zoned = kind.name == "timestamptz"
    made: dict[str, Derivation] = {}
    for choice in TypeOptions.choices("timestamps"):
        template = _template(kind, version, {"timestamps": choice})
        made.setdefault(template, derived.moment(choice, zoned=zoned))
    return Printed(Form.TIMESTAMP, _AS_JSON, made)


_PRINTED: Mapping[str, Maker] = {
    **dict.fromkeys(("int2", "int4", "oid", "xid", "cid"), _integer),
    "int8": _by_option(
        Form.INTEGER, _PLAIN, "bigint", {"integer": derived.integer, "text": derived.integer}
    ),
    "bool": _by_option(Form.BOOLEAN, _AS_JSON, "booleans", {"integer": derived.boolean}),
    "float4": _double,
    "float8": _double,
    "numeric": _decimal,
    "money": _by_option(
        Form.DECIMAL,
        "to_json({c}::numeric::text)::text",
        "money",
        {"text": derived.decimal, "cents": derived.scaled(2)},
    ),
    "date": _by_option(
        Form.DATE,
        _AS_JSON,
        "dates",
        {"text": derived.date, "days": derived.date_days, "seconds": derived.date_seconds},
    ),
    "timestamp": _moment,
    "timestamptz": _moment,
    "bytea": _by_option(
        Form.BYTES,
        _AS_JSON,
        "bytea",
        {"blob": derived.hex_digits, "hex": derived.hex_digits, "base64": derived.base64},
    ),
    "uuid": _by_option(
        Form.TEXT, _QUOTED, "uuid", {"text": derived.uuid, "blob": derived.uuid_digits}
    ),
    "bpchar": _bpchar,
    "bit": _bit,
}
