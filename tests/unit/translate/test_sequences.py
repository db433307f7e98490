"""How D1 numbers new rows where a sequence did."""

from dataclasses import replace

import apsw
import pytest

from streamer.model import Column, QualifiedName, Sequence
from streamer.translate.expressions import Operand
from streamer.translate.sequences import lost_numbering, next_value, number_rows
from streamer.translate.terms import Terms
from tests.engines.catalogs import INT4, TEXT, column, primary, table

SEQUENCE = Sequence(
    QualifiedName("public", "t_id_seq"),
    start=1,
    increment=1,
    minimum=1,
    maximum=2**31,
    cycle=False,
    last_value=5,
)


def terms(sequence: Sequence | None, *, autoincrement: bool = False, target: str = "t") -> Terms:
    key = replace(column("id", INT4, not_null=True, identity="a"), sequence=sequence)
    made = table("t", key, indexes=[primary("id")])
    return Terms(made, target, dict[str, Operand](), alias="id", autoincrement=autoincrement)


def test_a_counter_by_one_needs_no_word():
    assert number_rows(terms(SEQUENCE)).findings == ()


def test_the_next_value_is_where_the_sequence_starts_until_something_is_drawn():
    assert next_value(SEQUENCE) == 6
    assert next_value(replace(SEQUENCE, start=77, last_value=None)) == 77


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ({"increment": 5}, "steps of 5"),
        ({"increment": -1}, "steps of -1"),
        ({"cycle": True}, "starts again at its end"),
        ({"shared": True}, "numbers other columns too"),
        ({"hidden": True}, "D1's counter isn't set"),
    ],
)
def test_what_d1_counts_differently_is_said(odd: dict[str, object], words: str):
    [finding] = number_rows(terms(replace(SEQUENCE, **odd), autoincrement=True)).findings

    assert finding.object == "public.t.id"
    assert words in finding.what


def test_a_counter_that_nobody_may_look_at_is_not_set():
    assert number_rows(terms(replace(SEQUENCE, hidden=True), autoincrement=True)).after_sql == ()


def test_a_lost_generator_names_its_next_value():
    other = Column("n", 2, TEXT, not_null=True, identity="a", sequence=SEQUENCE)

    assert "next value is 6" in lost_numbering(other)


@pytest.mark.parametrize(("rows", "drawn"), [(3, 6), (9, 10)])
def test_the_counter_goes_on_where_postgresql_s_is_however_often_it_is_set(rows: int, drawn: int):
    name = "it's"
    after = number_rows(terms(SEQUENCE, autoincrement=True, target=name)).after_sql
    database = apsw.Connection(":memory:")
    database.execute('CREATE TABLE "it\'s" (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT)')

    for sql in after:
        database.execute(sql)
    for number in range(rows):
        database.execute('INSERT INTO "it\'s" VALUES (?, NULL)', (number + 1,))
    for _ in range(2):
        for sql in after:
            database.execute(sql)

    made = database.execute("INSERT INTO \"it's\" (v) VALUES ('x') RETURNING id").fetchall()
    assert made == [(drawn,)]


def test_a_sequence_that_nothing_was_drawn_from_needs_no_counter():
    unused = replace(SEQUENCE, last_value=None)

    assert number_rows(terms(unused, autoincrement=True)).after_sql == ()
