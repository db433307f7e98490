"""Numbers of late rows without a key: each row has one of its own, which no position is."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from streamer.model import ForeignKeyPlan, Key, KeyKind, KeyPlan, Page, Storage
from streamer.sinks.late_places import known_by, with_places
from tests.engines.limited_sqlite import column, page_of, table_plan

COLUMNS = [column("id", Storage.INTEGER), column("code"), column("note")]
KEYED = table_plan(COLUMNS, name="node")
KEYLESS = replace(KEYED, key=KeyPlan(KeyKind.PHYSICAL))
KNOWN_BY = [("code",), ("id",)]
IDS = st.integers(-99, 99).map(str)


REJECTED: dict[tuple[str, tuple[str, ...], Key], Key] = {("node", ("id",), ("100",)): ("65537",)}


def place_of(table: str, columns: tuple[str, ...], key: Key) -> Key | None:
    return REJECTED.get((table, columns, key))


def numbers(rows: list[tuple[str | None, ...]]) -> list[int]:
    page = with_places(KEYLESS, Page(rows, 3, (0,), snapshot=7), KNOWN_BY, ("id",), place_of)
    assert [tuple(record[1:]) for record in page.records] == rows
    assert (page.width, page.key_cells, page.snapshot) == (4, (0,), 7)
    return [int(page.key_of(n)[0]) for n in range(len(rows))]


@given(st.lists(IDS, unique=True, min_size=1), st.lists(IDS, unique=True, min_size=1))
def test_each_row_has_a_negative_number_of_its_own_whatever_it_is_known_by(
    ids: list[str], codes: list[str]
) -> None:
    by_id = numbers([(one, None, "x") for one in ids])
    by_code = numbers([(None, one, "x") for one in codes])

    assert len({*by_id, *by_code}) == len(ids) + len(codes)
    assert all(-(1 << 63) <= number < 0 for number in by_id + by_code)


@given(IDS, IDS, st.text(), st.text())
def test_a_row_keeps_its_number_while_what_it_is_known_by_stays(
    one: str, code: str, note: str, other: str
) -> None:
    assert numbers([(one, code, note)]) == numbers([(one, code, other)])
    assert numbers([(None, code, note)]) == numbers([(one, code, other)])


def test_a_rejected_row_has_the_number_that_it_is_sent_again_with() -> None:
    assert numbers([("100", None, "x"), ("100", "code", "x")]) == [65537, 65537]


def test_rows_are_known_by_what_others_refer_to_and_those_with_a_key_stay_as_they_are() -> None:
    keys = [ForeignKeyPlan(("x",), "node", (name,), f"to_{name}") for name in ("id", "code", "id")]
    child = replace(
        table_plan([column("x")], name="child"),
        foreign_keys=(*keys, ForeignKeyPlan(("x",), "other", ("id",), "to_other")),
    )
    page = page_of([("1", "a", "b")])

    assert known_by(KEYLESS, {"child": child, "node": KEYLESS}) == KNOWN_BY
    assert with_places(KEYED, page, KNOWN_BY, ("id",), place_of) is page
