"""Plain values (frozen dataclasses, enums, tuples, mappings) to JSON and back, by their types.

What is read is checked: a member that is missing, unknown, or of another type is an error that names
its place, as `tables[3].name`.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from streamer.model import Secret

T = TypeVar("T")


class ShapeError(ValueError):
    """JSON that isn't what it should be; the text says where, never with a value."""


def encode(value: object) -> object:
    """`value` as JSON has it; members that are as a dataclass sets them by itself are left out.

    Secrets are left out too.
    """
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: encode(member)
            for field in fields(value)
            if not isinstance(member := getattr(value, field.name), Secret)
            and not _is_default(field, member)
        }
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in cast("Mapping[object, object]", value).items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in cast("tuple[object, ...]", value)]
    return value


def decode(kind: type[T], data: object, where: str = "") -> T:
    """The value of type `kind` that `encode` made `data` of.

    Raises:
        ShapeError: it isn't one.

    """
    return cast("T", _decode(kind, data, where))


def _decode(kind: Any, data: object, where: str) -> object:
    origin = get_origin(kind)
    if origin is Literal:
        if data in get_args(kind):
            return data
        raise _wrong(where, f"one of {', '.join(map(str, get_args(kind)))}")
    if origin in {Union, types.UnionType}:
        return _optional(kind, data, where)
    if origin is tuple:
        item, *_ = get_args(kind)
        return tuple(
            _decode(item, one, f"{where}[{n}]") for n, one in enumerate(_list(data, where))
        )
    if origin is not None and issubclass(origin, Mapping):
        _, item = get_args(kind)
        return {
            name: _decode(item, one, f"{where}.{name}") for name, one in _dict(data, where).items()
        }
    return _single(kind, data, where)


def _single(kind: Any, data: object, where: str) -> object:
    if is_dataclass(kind):
        return _object(cast("type[object]", kind), _dict(data, where), where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(data)
        except ValueError:
            raise _wrong(where, f"one of {', '.join(str(m.value) for m in kind)}") from None
    return _plain(kind, data, where)


def _optional(kind: Any, data: object, where: str) -> object:
    choices = [choice for choice in get_args(kind) if choice is not type(None)]
    if data is None:
        return None
    return _decode(choices[0], data, where)


def _object(kind: type[object], data: Mapping[str, object], where: str) -> object:
    hints = _hints(kind)
    if unknown := sorted(set(data) - set(hints)):
        raise ShapeError(f"{_at(where)}an unknown member {unknown[0]!r}")
    given = {
        name: _decode(hints[name], value, f"{where}.{name}" if where else name)
        for name, value in data.items()
    }
    for field in fields(cast("Any", kind)):
        required = field.default is MISSING and field.default_factory is MISSING
        if required and field.name not in given:
            raise ShapeError(f"{_at(where)}no member {field.name!r}")
    try:
        return kind(**given)
    except ValueError as error:
        raise ShapeError(f"{_at(where)}{error}") from None


@cache
def _hints(kind: type[object]) -> Mapping[str, Any]:
    return get_type_hints(kind)


_CALLED: Mapping[object, str] = {str: "a string", int: "an integer", bool: "true or false"}


def _plain(kind: Any, data: object, where: str) -> object:
    if kind is object:
        return data
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if isinstance(data, kind) and not (kind is int and isinstance(data, bool)):
        return data
    raise _wrong(where, _CALLED.get(kind, "a number"))


def _list(data: object, where: str) -> list[object]:
    if isinstance(data, list):
        return cast("list[object]", data)
    raise _wrong(where, "an array")


def _dict(data: object, where: str) -> dict[str, object]:
    if isinstance(data, dict):
        return cast("dict[str, object]", data)
    raise _wrong(where, "an object")


def _wrong(where: str, wanted: str) -> ShapeError:
    return ShapeError(f"{_at(where)}not {wanted}")


def _at(where: str) -> str:
    return f"{where}: " if where else ""


def _is_default(field: Field[Any], member: object) -> bool:
    if field.default is not MISSING:
        return type(member) is type(field.default) and member == field.default
    return field.default_factory is not MISSING and member == field.default_factory()
