"""A request's body becomes the statements of one transaction (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import orjson

from streamer.local_d1 import sqltext
from streamer.local_d1.errors import ApiError, failed, malformed

VALUE_BYTES = 2_000_000  # developers.cloudflare.com/d1/platform/limits, 2026-11-22

Bindable = None | float | str | bytes


@dataclass(frozen=True, slots=True)
class Query:
    """One statement and its parameters, as SQLite takes them."""

    sql: str
    params: tuple[Bindable, ...] = ()


def parse(body: bytes) -> Mapping[str, object]:
    """The JSON object of a body."""
    try:
        parsed: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise malformed(f"the body is no JSON ({error})") from None
    if not isinstance(parsed, dict):
        raise malformed("the body must be an object")
    return cast("dict[str, object]", parsed)


def queries(body: Mapping[str, object]) -> list[Query]:
    """`{sql, params}` or `{batch: [{sql, params}, …]}` as single statements, at least one."""
    batch = body.get("batch")
    if batch is None:
        batch = [body]
    if not isinstance(batch, list):
        raise malformed("batch must be an array")
    found = [query for one in cast("list[object]", batch) for query in _from_one(one)]
    if not found:
        raise failed("No SQL statements detected.")
    return found


def _from_one(one: object) -> list[Query]:
    if not isinstance(one, dict):
        raise malformed("sql is required")
    fields = cast("dict[str, object]", one)
    sql, params = fields.get("sql"), fields.get("params")
    if not isinstance(sql, str):
        raise malformed("sql is required")
    if params is not None and not isinstance(params, list):
        raise malformed("params must be an array")
    return prepared(sql, cast("list[object]", params or []))


def prepared(sql: str, params: Sequence[object]) -> list[Query]:
    """The statements of `sql`, which is a single one where there are parameters.

    Beside what JSON has, a parameter may be bytes: text for JSON functions, which read it as it is.
    """
    bound = tuple(map(_bind, params))
    statements = sqltext.split(sql)
    if bound and len(statements) > 1:
        raise malformed("a statement with params must stand alone")
    return [Query(statement, bound) for statement in statements]


def _bind(value: object) -> Bindable:
    """As the hosted service does it: numbers become REAL, booleans their names."""
    match value:
        case None:
            return None
        case str():
            if _is_longer(value, VALUE_BYTES):
                raise too_big()
            return value
        case bytes():
            if len(value) > VALUE_BYTES:
                raise too_big()
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return float(value)
        case list():
            return _bind_bytes(cast("list[object]", value))
        case _:
            raise malformed("params: unsupported value of type object")


def _is_longer(text: str, most: int) -> bool:
    """Whether a text has more than `most` bytes: between one and four a character."""
    if text.isascii() or len(text) > most or len(text) * 4 <= most:
        return len(text) > most
    return len(text.encode()) > most


def _bind_bytes(value: Sequence[object]) -> bytes:
    if len(value) > VALUE_BYTES:
        raise too_big()
    try:
        return bytes(cast("Sequence[int]", value))
    except (TypeError, ValueError):
        raise malformed("params: unsupported value of type object") from None


def too_big() -> ApiError:
    """A value, a row or a parameter beyond VALUE_BYTES."""
    return failed("string or blob too big: SQLITE_TOOBIG")
