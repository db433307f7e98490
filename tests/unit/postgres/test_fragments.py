"""What may stand as one value inside our queries, and what may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.postgres.fragments import fragment_problem


@pytest.mark.parametrize(
    "sql",
    [
        "id > 5",
        "t.name <> 'it''s; (fine'",
        'lower("odd "" )name") = $$a ( b$$',
        "x = $q$ $$ ; -- $q$ AND y",
        r"body ~ E'\'(' AND (a OR b)",
        "tags[1] = ANY (ARRAY['a', 'b'])",
        "a /* of /* many */ kinds ) */ + 1",
        "E1e > 'back\\slash'",
        "a$1 = 'a column may hold a dollar'",
    ],
)
def test_sql_that_closes_what_it_opens_may_stand_in_parentheses(sql: str):
    assert fragment_problem(sql) == ""


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("true); DELETE FROM t; --", ") closes nothing"),
        ("true; DROP TABLE t", "; ends a statement"),
        ("1), (2", ") closes nothing"),
        ("(1", "( isn't closed"),
        ("a[1)", ") closes nothing"),
        ("'open", "a string isn't closed"),
        ("E'open\\'", "a string isn't closed"),
        ('"open', "a quoted name isn't closed"),
        ("$a$ open $b$", "a dollar-quoted string isn't closed"),
        ("a /* /* */", "a comment isn't closed"),
        ("a -- comment", "comments that end with the line"),
        ("a = $1", "no parameters"),
        ("a\0b", "NUL"),
    ],
)
def test_sql_that_would_reach_beyond_its_parentheses_is_refused(sql: str, words: str):
    assert words in fragment_problem(sql)


@given(st.text(alphabet="a'\"$()[];-/*\\E 1", max_size=30))
def test_any_text_gets_an_answer(sql: str):
    problem = fragment_problem(sql)

    assert "\n" not in problem
    if not problem:
        assert sql.strip()
