"""How the last looks at the tables are shared out over requests."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from streamer.pipeline import Position
from streamer.run.finish import CHECK_ROWS, check_groups
from tests.engines.catalogs import identified, plan_of

(TABLE,) = plan_of(identified("t")).tables


@given(st.lists(st.integers(0, 2 * CHECK_ROWS)))
@example([0])
@example([0] * 100)
def test_every_table_is_checked_once_and_no_request_counts_too_much(rows: list[int]) -> None:
    tables = [(TABLE, Position(rows=count)) for count in rows]

    groups = check_groups(tables)

    assert [found for group in groups for found in group] == tables
    for group in groups:
        assert len(group) <= 45
        assert len(group) == 1 or sum(at.rows for _, at in group) <= CHECK_ROWS


def test_nothing_to_check_takes_no_request() -> None:
    assert check_groups([]) == []
