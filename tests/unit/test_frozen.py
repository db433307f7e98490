"""`frozen` beside `@dataclass(frozen=True, slots=True)`: the same class, twice."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import Any, Generic, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.frozen import frozen, slotted

T = TypeVar("T")
VALUES = st.none() | st.integers(-1, 1) | st.floats() | st.text(max_size=1)


def page(decorate: Callable[[type], type]) -> Any:
    @decorate
    class Page:
        """A class of all that fields may be."""

        table: Any
        rows: Any = 10
        cells: dict[str, int] = field(default_factory=dict[str, int])
        token: str = field(default="canary", repr=False)
        sum: Any = field(init=False)

        def __post_init__(self) -> None:
            if self.rows == -1:
                raise ValueError("no rows")
            object.__setattr__(self, "sum", (self.table, self.rows))

    return Page


def as_dataclass(cls: type) -> type:
    return dataclass(frozen=True, slots=True)(cls)


PLAIN, OURS = page(as_dataclass), page(frozen)


@frozen
class Pair:
    """What pickle finds by its name."""

    one: Any
    other: Any = 0


@frozen
class Triple(Pair):
    """One field more."""

    third: Any = field(default_factory=list[Any])


@frozen
class Nothing:
    """No field."""


@frozen
class Single(Generic[T]):
    """One field."""

    only: T


@given(VALUES, VALUES.filter(lambda rows: rows != -1), VALUES)
def test_it_is_equal_hashed_shown_and_taken_apart_as_a_dataclass_is(
    table: Any, rows: Any, other: Any
) -> None:
    plain, ours = PLAIN(table, rows), OURS(table, rows)

    assert repr(ours) == repr(plain)
    assert asdict(ours) == asdict(plain)
    assert (ours == OURS(table, rows)) == (plain == PLAIN(table, rows))
    assert (ours == OURS(other, rows)) == (plain == PLAIN(other, rows))
    assert ours != plain
    assert [one.name for one in fields(OURS)] == [one.name for one in fields(PLAIN)]
    assert OURS.__match_args__ == PLAIN.__match_args__


@given(VALUES, VALUES)
def test_equal_values_have_the_same_hash(one: Any, other: Any) -> None:
    assert hash(Pair(one, other)) == hash(Pair(one, other))
    assert len({Single(one), Single(one), Single((other, one))}) == 2
    assert len({Nothing(), Nothing()}) == 1


def test_a_nan_is_equal_to_itself_in_a_single_field_too() -> None:
    nan = float("nan")

    assert Single(nan) == Single(nan)
    assert Single(nan) != Single(float("nan"))


def test_arguments_are_those_of_a_dataclass() -> None:
    ours, plain = inspect.signature(OURS), inspect.signature(PLAIN)

    assert [*ours.parameters] == [*plain.parameters]
    assert [one.annotation for one in ours.parameters.values()] == [
        one.annotation for one in plain.parameters.values()
    ]
    with pytest.raises(TypeError, match=r"__init__\(\) missing"):
        OURS()
    with pytest.raises(TypeError, match=r"__init__\(\) takes"):
        OURS("t", 1, {}, "", 5)


def test_a_constructor_is_made_once_and_by_its_first_use() -> None:
    ours = page(frozen)

    before = vars(ours)["__init__"]
    ours("t")
    made = vars(ours)["__init__"]
    ours("t")

    assert not inspect.isfunction(before)
    assert inspect.isfunction(made)
    assert vars(ours)["__init__"] is made


def test_classes_of_as_many_fields_share_the_code_and_nothing_else() -> None:
    @frozen
    class Other:
        """Two fields, as a pair has them."""

        first: int
        second: list[int] = field(default_factory=list[int])

    pair, other = Pair(1), Other(second=[3], first=2)

    assert (pair.one, pair.other) == (1, 0)
    assert (other.first, other.second, Other(4).second) == (2, [3], [])
    assert Pair.__init__.__code__.co_code == Other.__init__.__code__.co_code
    with pytest.raises(TypeError, match=r"Other.__init__\(\) missing .* 'first'"):
        Other()  # pyright: ignore[reportCallIssue]


def test_a_field_without_a_default_comes_before_those_with() -> None:
    @frozen
    class Turned:
        """No constructor can be made of it."""

        first: int = 1
        second: int  # pyright: ignore[reportGeneralTypeIssues]

    with pytest.raises(AssertionError, match="Turned"):
        Turned(1, 2)


def test_a_class_derived_from_one_without_objects_calls_its_constructor() -> None:
    class Named(page(frozen)):
        """A plain class of rows that have a name."""

        def __init__(self, name: str) -> None:
            super().__init__("t", rows=2)
            object.__setattr__(self, "name", name)

    assert (Named("n").sum, Named("n").name) == (("t", 2), "n")


@slotted
class Tally:
    """What is counted."""

    table: str
    rows: int = 0
    keys: list[int] = field(default_factory=list[int])


def test_fields_of_what_is_slotted_may_change_but_none_is_added() -> None:
    tally, other = Tally("t"), Tally("t", keys=[2])

    tally.rows += 3
    tally.keys.append(1)

    assert repr(tally) == "Tally(table='t', rows=3, keys=[1])"
    assert replace(tally, table="u").rows == 3
    assert other.keys == [2]
    with pytest.raises(AttributeError, match="added"):
        tally.added = 1  # pyright: ignore[reportAttributeAccessIssue]


def test_what_is_slotted_is_equal_to_itself_alone() -> None:
    tally = Tally("t")

    assert tally != Tally("t")
    assert {tally, Tally("t")} > {tally}


def test_a_default_that_is_made_is_made_for_each() -> None:
    one, other = Triple(1), Triple(1)

    assert one == other
    assert one.third is not other.third
    assert replace(one, third=None).third is None
    assert Triple(1, 2, 3) != Pair(1, 2)


def test_what_the_constructor_refuses_is_refused_by_replace_too() -> None:
    with pytest.raises(ValueError, match="no rows"):
        replace(OURS("t"), rows=-1)


@pytest.mark.parametrize("made", [OURS("t"), Pair(1), Triple(1), Single(1), Nothing()])
def test_nothing_is_changed_added_or_taken_away(made: Any) -> None:
    for name in (*(one.name for one in fields(made)), "added"):
        with pytest.raises(FrozenInstanceError, match=name):
            setattr(made, name, 1)
        with pytest.raises(FrozenInstanceError, match=name):
            delattr(made, name)
    assert not hasattr(made, "__dict__")


def test_methods_of_its_own_are_kept() -> None:
    @frozen
    class Hidden:
        """Shows nothing, and is equal to all of its kind."""

        text: str

        def __repr__(self) -> str:
            return "Hidden"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Hidden)

        def __hash__(self) -> int:
            return 7

    assert repr(Hidden("a")) == "Hidden"
    assert Hidden("a") == Hidden("b")
    assert hash(Hidden("a")) == 7


@pytest.mark.parametrize("made", [Triple(1, [2], {3}), Single("a"), Nothing()])
def test_copies_are_equal(made: Any) -> None:
    for copied in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert copied == made
        assert copied is not made
