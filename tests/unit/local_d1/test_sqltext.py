"""Cutting SQL text at its semicolons."""

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.local_d1.sqltext import index_predicate, split

TRIGGER = (
    "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE 1 WHEN 1 THEN ';' END; DELETE FROM a; END"
)
PIECES = ["SELECT 1", "SELECT ';', \"a;b\", `;`, [;]", "SELECT '''', 'a''b;' -- not; here\n, 2", "SELECT /* ;' */ 3", TRIGGER, TRIGGER.replace("CREATE", "create temp").lower(), "SELECT 'END;', begin_, \"end\" FROM x", "/* first; */ SELECT 4"]  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES), max_size=6), st.sampled_from([";", " ;\n", "; -- x;\n", ";;"])
)
def test_statements_put_together_come_apart_again(pieces: list[str], between: str) -> None:
    whole = between.join(pieces) + between

    found = split(whole)

    assert [one[-len(piece) :] for one, piece in zip(found, pieces, strict=True)] == pieces


@given(st.lists(st.sampled_from(["'", '"', "`", "[", "]", "--", "/*", "*/", ";", "\n", "a", " ", "é"]), max_size=12))  # fmt: skip
def test_a_text_is_cut_where_sqlite_thinks_it_complete(pieces: list[str]) -> None:
    text = "".join(pieces)
    statements = split(text)

    # SQLite's own judgement: what comes before a cut, with its semicolon, is a complete statement.
    assert all(apsw.complete(f"{one};") for one in statements[:-1])
    assert all(one.strip() for one in statements)


@pytest.mark.parametrize("text", ["", " \n", ";", "; ;", "-- a", "/* a */", "/* a", "-- a;\n;"])
def test_nothing_is_no_statement(text: str) -> None:
    assert split(text) == []


@pytest.mark.parametrize(
    ("sql", "predicate"),
    [
        ("CREATE INDEX i ON t (a)", "1"),
        ("CREATE INDEX i ON t (a) WHERE a > 1", "a > 1"),
        (
            "CREATE INDEX i ON t (a, (CASE WHEN b THEN 'where' END)) where b = 'WHERE'",
            "b = 'WHERE'",
        ),
    ],
)
def test_the_condition_of_an_index_is_found(sql: str, predicate: str) -> None:
    assert index_predicate(sql).strip() == predicate
