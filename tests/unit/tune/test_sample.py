"""Made-up rows have the form of those that they stand for, and none of their contents."""

from __future__ import annotations

from random import Random

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.model import Measure, Storage
from streamer.tune.sample import disguised, of_lengths
from tests.engines.limited_sqlite import column

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
WHOLE = st.integers(-(2**63), 2**63 - 1)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)


def other(cell: str, storage: Storage, seed: int = 1) -> str:
    """What is made of one cell."""
    ((made,),) = disguised([(cell,)], [column("c", storage)], Random(seed))
    assert made is not None
    return made


@given(TEXTS, st.integers(0, 100))
@example('{"a": "\\"x\'"}', 1)
@example("Straße 9, 東京 😀", 1)
def test_a_text_keeps_its_lengths_and_every_mark(text: str, seed: int) -> None:
    made = other(text, Storage.TEXT, seed)

    assert len(made) == len(text)
    assert len(made.encode()) == len(text.encode())
    assert len(orjson.dumps(made)) == len(orjson.dumps(text))
    for was, now in zip(text, made, strict=True):
        if was.isascii() and not was.isalnum():
            assert now == was
        elif was.isascii():
            assert (now.isupper(), now.isdigit()) == (was.isupper(), was.isdigit())


def test_a_long_text_keeps_them_too_and_is_none_of_it() -> None:
    text = "Otto's 12 Öfen. " * 100_000
    plain = text.replace("Ö", "O")

    for long in (text, plain):
        made = other(long, Storage.TEXT)

        assert len(made) == len(long)
        assert len(made.encode()) == len(long.encode())
        assert made.count("'") == long.count("'")
        assert "Otto" not in made[:1_000]


def test_a_value_is_not_the_users() -> None:
    name, token = "Wilhelmina Featherstonehaugh", "0123456789abcdef0123456789abcdef"

    assert other(name, Storage.TEXT) != name
    assert other(token, Storage.TEXT) != token
    assert other(token, Storage.BLOB) != token
    assert other("123456789012", Storage.INTEGER) != "123456789012"


@given(WHOLE, st.integers(0, 100))
@example(2**63 - 1, 1)
@example(-(2**63), 1)
@example(0, 1)
def test_a_whole_number_stays_one_that_fits(number: int, seed: int) -> None:
    made = other(str(number), Storage.INTEGER, seed)

    assert -(2**63) <= int(made) < 2**63
    assert str(int(made)) == made
    if abs(number) < 10**18:
        assert len(made) == len(str(number))


@given(DOUBLES, st.integers(0, 100))
@example(1e22, 1)
@example(-1.5e-300, 1)
def test_a_double_keeps_its_sign_its_length_and_its_power(number: float, seed: int) -> None:
    made = other(repr(number), Storage.REAL, seed)

    assert len(made) == len(repr(number))
    assert made.startswith("-") is repr(number).startswith("-")
    assert made.partition("e")[2] == repr(number).partition("e")[2]
    assert abs(float(made)) <= 1e309


@given(st.binary())
def test_a_blob_stays_as_long(value: bytes) -> None:
    assert len(bytes.fromhex(other(value.hex(), Storage.BLOB))) == len(value)


def test_what_is_null_stays_null() -> None:
    columns = [column("a"), column("b", Storage.INTEGER)]

    made = disguised([("x", None), (None, "7")], columns, Random(1))

    assert [[cell is None for cell in row] for row in made] == [[False, True], [True, False]]


def test_where_no_row_was_seen_lengths_are_those_that_were_measured_or_guessed() -> None:
    columns = [column("id", Storage.INTEGER), column("note"), column("data", Storage.BLOB)]
    measure = Measure(rows=10, body_bytes=60.0, stored_bytes=(5.0, 31.0, 9.0))

    known = of_lengths(columns, measure, Random(1))
    numbered = of_lengths([column("row", Storage.INTEGER), *columns], measure, Random(1))
    unknown = of_lengths(columns, Measure(0, 0.0, ()), Random(1))

    assert {(len(note or ""), len(data or "")) for _, note, data in known.rows} == {(30, 16)}
    assert {(len(note or ""), len(data or "")) for *_, note, data in numbered.rows} == {(30, 16)}
    assert {(len(note or ""), len(data or "")) for _, note, data in unknown.rows} == {(24, 128)}
    assert known.bare is None
