"""Batches that D1 can't take as they are: cut where that helps, tried again where not."""

import asyncio

import pytest

from streamer.d1 import TooLargeError
from tests.unit.d1.faults import BIG, DOWN_KINDS, WRITE, first
from tests.unit.d1.model_api import ModelApi, refusal


def test_a_batch_that_costs_d1_too_much_is_to_be_cut_and_the_next_ones_are_smaller(
    virtually, connect
) -> None:
    api = ModelApi(first(1, refusal(400, 7500, "D1 DB exceeded its CPU time limit and was reset.")))

    async def main():
        database = await connect(api)
        with pytest.raises(TooLargeError):
            await database.execute(BIG)
        return database.batch_bytes

    assert virtually(main) < 200_000


@pytest.mark.parametrize(("can_be_cut", "tried"), [(True, 1), (False, 5)])
def test_what_waits_while_as_much_is_refused_is_not_tried_where_it_can_be_cut(
    virtually, connect, *, can_be_cut: bool, tried: int
) -> None:
    slow = refusal(400, 7500, "D1 DB exceeded its CPU time limit and was reset.")
    api = ModelApi(lambda _now, _method, _path, body: slow if len(body) > 100_000 else None)

    async def main():
        database = await connect(api, concurrency=1)
        together = [database.execute(BIG, can_be_cut=can_be_cut) for _ in range(5)]
        return await asyncio.gather(*together, return_exceptions=True)

    errors = virtually(main)

    assert [type(error) for error in errors] == [TooLargeError] * 5
    assert sum(len(body) > 100_000 for body in api.bodies) == tried
    assert sum(error.sent for error in errors) == tried


def test_a_small_statement_that_costs_too_much_is_tried_again_first(virtually, connect) -> None:
    slow = refusal(400, 7500, "D1 DB's isolate exceeded its memory limit and was reset.")

    async def main():
        database = await connect(ModelApi(first(2, slow)))
        return await database.execute(WRITE)

    assert virtually(main).attempts == 3


@pytest.mark.parametrize("answer", DOWN_KINDS[1:7], ids=str)
def test_a_batch_that_fails_for_ever_while_others_pass_is_to_be_cut(
    virtually, connect, answer
) -> None:
    def script(_now, _method, _path, body):
        return answer if len(body) > 100_000 else None

    api = ModelApi(script, latency_s=0.1)

    async def main():
        database = await connect(api)
        with pytest.raises(TooLargeError):
            await database.execute(BIG)
        return await database.execute(WRITE)

    virtually(main)

    assert sum(len(body) > 100_000 for body in api.bodies) <= 8
