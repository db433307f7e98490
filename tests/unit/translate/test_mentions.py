"""Which columns an SQL text speaks of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.translate.mentions import mentions
from streamer.translate.names import quote

COLUMNS = ["a", "B", 'q"q', "naïve é", "date", "x.y"]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("CHECK ((a > 0))", {"a"}),
        ('CHECK (("B" > a))', {"a", "B"}),
        ('("q""q" IS NOT NULL)', {'q"q'}),
        ('lower("naïve é")', {"naïve é"}),
        ("(name = 'a'::text)", set[str]()),
        ("(name = 'it''s \"B\"'::text)", set[str]()),
        (r"(name = E'\'a\\' AND a)", {"a"}),
        ("(b ~~ 'x'::date)", {"date"}),
        ('("x.y" = 1)', {"x.y"}),
        ("f(t.*)", set(COLUMNS)),
        ("(A_B > a1)", set[str]()),
    ],
)
def test_columns_are_found_outside_of_strings(sql: str, found: set[str]):
    assert mentions(sql, COLUMNS) == found


@given(st.text(st.characters(blacklist_characters="\0"), min_size=1), st.text())
def test_a_quoted_name_is_found_behind_any_string(name: str, before: str):
    literal = "'" + before.replace("'", "''") + "'"

    assert name in mentions(f"({literal} = {quote(name)})", [name])
