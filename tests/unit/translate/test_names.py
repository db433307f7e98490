import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.model import QualifiedName
from streamer.translate.names import (
    collisions,
    column_name_problem,
    fold,
    index_name,
    name_problem,
    quote,
    rowid_name,
    shared,
    target_name,
)

NAMES = st.text(
    st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=12
)


@given(NAMES)
def test_a_quoted_name_comes_back_as_it_was(name: str):
    database = apsw.Connection(":memory:")

    cursor = database.execute(f"SELECT 1 AS {quote(name)}")

    assert cursor.get_description()[0][0] == name


def test_tables_of_public_keep_their_names_and_others_carry_their_schema():
    assert target_name(QualifiedName("public", "orders")) == "orders"
    assert target_name(QualifiedName("sales", "orders")) == "sales__orders"


@given(NAMES, NAMES)
def test_two_names_fold_alike_where_sqlite_takes_them_for_one(left: str, right: str):
    database = apsw.Connection(":memory:")
    database.execute(f"CREATE TABLE t ({quote('x' + left)}, y)")

    try:
        database.execute(f"ALTER TABLE t RENAME y TO {quote('x' + right)}")
        same = False
    except apsw.SQLError:
        same = True

    assert same == (fold("x" + left) == fold("x" + right))


def test_names_that_differ_in_ascii_case_collide_and_others_do_not():
    names = [
        QualifiedName("sales", "orders"),
        QualifiedName("Sales", "orders"),
        QualifiedName("public", "sales__orders"),
        QualifiedName("public", "É"),
        QualifiedName("public", "é"),
    ]

    found = collisions({name: target_name(name) for name in names})

    assert found == {
        names[0]: (names[1], names[2]),
        names[1]: (names[0], names[2]),
        names[2]: (names[0], names[1]),
    }


@pytest.mark.parametrize("name", ["_cf_kv", "_CF_x", "sqlite_a", "SQLite_b", "_streamer_ledger"])
def test_reserved_names_are_refused(name: str):
    assert "reserved" in name_problem(name)


def test_a_table_that_hides_a_function_that_is_needed_is_refused():
    database = apsw.Connection(":memory:")
    database.execute("CREATE TABLE json_each (id)")
    with pytest.raises(apsw.SQLError):
        database.execute("SELECT value FROM json_each('[1]')")

    assert "hides" in name_problem("JSON_each")
    assert "hides" in name_problem("pragma_table_xinfo")
    assert not name_problem("refuse___cf_kv")


def test_names_that_are_one_when_case_is_ignored_are_found_together():
    assert shared(["A", "b", "a", "é", "É"]) == [["A", "a"]]


def test_names_that_are_ours_or_hold_a_nul_are_no_column_s():
    assert "reserved" in column_name_problem("_STREAMER_row")
    assert "NUL" in column_name_problem("a\0b")
    assert "NUL" in name_problem("a\0b")
    assert not column_name_problem("_cf_x")


def test_the_row_number_goes_by_a_name_that_no_column_hides():
    assert rowid_name(["id"]) == "rowid"
    assert rowid_name(["RowId"]) == "_rowid_"
    assert not rowid_name(["rowid", "_ROWID_", "oid"])


@given(st.lists(st.tuples(st.sampled_from(["t", "T_a", "é"]), NAMES), max_size=20))
def test_index_names_never_collide(indexes: list[tuple[str, str]]):
    taken = {"t", "t_a", "é"}

    names = [index_name(table, index, taken) for table, index in indexes]

    assert len({fold(name) for name in names} | {"t", "t_a", "é"}) == len(names) + 3


def test_an_index_that_its_table_would_give_a_reserved_name_is_renamed():
    assert index_name("sqlite", "x", set()) == "ix_sqlite_x"


def test_an_index_whose_name_is_taken_gets_a_number():
    taken = {"sale_by_day"}

    assert index_name("sale", "by_day", taken) == "sale_by_day_2"
    assert index_name("sale", "BY_DAY", taken) == "sale_BY_DAY_3"
    assert index_name("sale", "Sale_x", taken) == "Sale_x"
    assert taken == {"sale_by_day", "sale_by_day_2", "sale_by_day_3", "sale_x"}
