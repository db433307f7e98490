"""Chunks share requests, in order, within the limits of a request."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.model import Batch, Chunk, StepKind
from streamer.pack import BatchBuilder, LedgerStep, record_batch
from tests.engines.limited_sqlite import chunk

SIZES = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 3_000), st.integers(1, 40)), max_size=60
)


def gathered(builder: BatchBuilder, chunks: list[Chunk]) -> list[Batch]:
    batches = [batch for one in chunks for batch in builder.add(one)]
    last = builder.flush()
    return [*batches, last] if last else batches


@given(SIZES, st.integers(1_000, 20_000), st.integers(40, 99))
def test_batches_hold_every_chunk_in_order_and_stay_within_the_limits(
    sizes: list[tuple[int, int, int]], max_bytes: int, max_statements: int
) -> None:
    numbers: dict[int, int] = defaultdict(int)
    chunks: list[Chunk] = []
    for step, size, statements in sizes:
        chunks.append(chunk(numbers[step], size, step=step, statements=statements))
        numbers[step] += 1

    batches = gathered(BatchBuilder(lambda: max_bytes, max_statements), chunks)

    assert [c for batch in batches for c in batch.chunks] == chunks
    steps = {c.step: LedgerStep("t" * 63, StepKind.ROWS) for c in chunks}
    for batch in batches:
        ledger = record_batch(batch, steps, run="r" * 36, epoch=10**6)
        encoded = [b"".join(s.pieces) for c in batch.chunks for s in c.statements]
        body = b'{"batch":[' + b",".join([b"".join(ledger.pieces), *encoded]) + b"]}"
        assert len(body) <= max_bytes or len(batch.chunks) == 1
        assert batch.statements <= max_statements


def test_a_batch_leaves_as_soon_as_another_chunk_like_it_would_not_fit() -> None:
    builder = BatchBuilder(lambda: 30_000, 2)

    assert builder.add(chunk(0)) == []
    assert builder.bytes > 0
    assert [b.statements for b in builder.add(chunk(1))] == [2]
    assert (builder.flush(), builder.bytes) == (None, 0)


def test_a_chunk_bigger_than_a_batch_goes_alone_behind_those_before_it() -> None:
    builder = BatchBuilder(lambda: 5_000)
    small, big = chunk(0, 10), chunk(1, 9_000)

    assert builder.add(small) == []
    assert [b.chunks for b in builder.add(big)] == [(small,), (big,)]


def test_the_bytes_allowed_now_are_asked_for_each_time() -> None:
    allowed = [100_000]
    builder = BatchBuilder(lambda: allowed[0])
    builder.add(chunk(0, 1_000))

    allowed[0] = 3_000

    assert [len(b.chunks) for b in builder.add(chunk(1, 1_000))] == [1, 1]


@pytest.mark.parametrize("statements", [0, 100])
def test_the_ledger_always_has_its_place(statements: int) -> None:
    with pytest.raises(ValueError, match="can't hold"):
        BatchBuilder(lambda: 1, statements)
