"""Batches that D1 can't take as they are: cut where that helps, tried again where not."""

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
