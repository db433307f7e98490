"""Rows that D1 has no room for leave a page, and no position moves over them unnoticed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from streamer.model import Reject, StepId, Storage
from streamer.pack import pack_page, sift, with_rejects
from tests.engines.limited_sqlite import column, layout_of, page_of, table_plan

LAYOUT = layout_of(table_plan([column("k", Storage.INTEGER), column("v")]))
BIG = "x" * 2_000_001


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 2)), min_size=1, max_size=9),
    st.integers(0, 2),
)
def test_every_row_is_in_a_chunk_or_rejected_in_the_chunk_whose_keys_reach_it(
    rows: list[tuple[bool, int]], trailing: int
) -> None:
    page = page_of([(str(n), BIG if big else "small") for n, (big, _) in enumerate(rows)])
    page = replace(page, left_out=(*(before for _, before in rows), trailing))

    fitting, oversized = sift(LAYOUT, page)
    rejects = [Reject(str(row.index), row.key, "big") for row in oversized]
    packed = pack_page(LAYOUT, fitting, step=StepId(1), number=0, after=None, chunk_bytes=400)
    chunks = with_rejects(packed, oversized, rejects)

    assert [row.index for row in oversized] == [n for n, (big, _) in enumerate(rows) if big]
    assert sum(chunk.rows for chunk in chunks) == sum(not big for big, _ in rows)
    assert sum(chunk.skipped for chunk in chunks) == sum(before for _, before in rows) + trailing
    assert chunks[-1].last == page.last
    first = 0
    for chunk in chunks:
        last = int(chunk.last[0])
        assert all(first <= int(reject.key[0]) <= last for reject in chunk.rejected)
        first = last + 1
    assert [r.line for chunk in chunks for r in chunk.rejected] == [r.line for r in rejects]
