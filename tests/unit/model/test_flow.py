"""What answers tell of rows that were gone when their batch was sent."""

from __future__ import annotations

from streamer.model import Answer, Batch, Chunk, StepId

ONE, TWO, THREE = ((StepId(1), number) for number in range(3))


def chunk(place: tuple[StepId, int], gone: int) -> Chunk:
    step, number = place
    return Chunk(step, number, rows=5, after=None, last=("9",), statements=(), bytes=9, gone=gone)


def test_rows_that_were_gone_before_a_batch_was_sent_are_counted_once() -> None:
    batch = Batch((chunk(ONE, 1), chunk(TWO, 2), chunk(TWO, 1), chunk(THREE, 0)))

    answer = Answer((), gone={ONE: 3, TWO: 2}).with_gone(batch)

    assert answer.gone == {ONE: 3, TWO: 3}
