"""One call to D1 and its answer: what is a success, what is tried again, what ends it."""

import asyncio
from collections import Counter

import orjson
import pytest

from streamer.d1 import AnswerTooLongError, RefusedRowsError, TooLargeError
from streamer.d1.api import Break, Broken, Reply
from streamer.errors import FencedError, TargetError, TargetUnavailableError
from streamer.model import Statement
from tests.unit.d1.faults import WRITE, first
from tests.unit.d1.model_api import ModelApi, Notes, ok, refusal, taken


def test_an_answer_tells_what_it_took(virtually, connect) -> None:
    async def main():
        database = await connect(
            ModelApi(first(1, Reply(502, b"")), latency_s=0.2), concurrency=1, rate=None
        )
        return await database.execute(WRITE)

    answer = virtually(main)

    assert answer.attempts == 2
    assert answer.seconds == pytest.approx(0.2)
    assert answer.rows_written == 1
    assert answer.sent_bytes == 2 * len(
        b'{"batch":[{"sql":"INSERT INTO t VALUES (1)","params":[]}]}'
    )


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (refusal(400, 7500, "UNIQUE constraint failed: t.a: X"), RefusedRowsError, "UNIQUE .*t.a"),
        (refusal(400, 7500, "no such table: t: SQLITE_ERROR"), RefusedRowsError, "no such table"),
        (refusal(400, 7500, "NULL in _streamer_ledger.epoch"), FencedError, "another run"),
        (refusal(403, 10000, "Authentication error"), TargetError, "CLOUDFLARE_API_TOKEN.*D1 Edit"),
        (refusal(404, 7404, "not found"), TargetError, "D1_DATABASE_ID"),
        (refusal(400, 7500, "Exceeded maximum DB size"), TargetError, "full"),
        (
            refusal(400, 7500, "free tier daily row write limit"),
            TargetUnavailableError,
            "00:00 UTC",
        ),
        (refusal(400, 7500, "string or blob too big: SQLITE_TOOBIG"), TooLargeError, "too much"),
        (Reply(413, b""), TooLargeError, "413"),
        (Reply(302, b"", {"location": "https://elsewhere"}), TargetError, "redirects"),
        (Break(Broken.CERTIFICATE, "refused"), TargetError, "certificate"),
        (Break(Broken.TOO_LONG, "over 64 MB"), AnswerTooLongError, "more came.*over 64 MB"),
    ],
    ids=str,
)
def test_what_sending_again_cannot_mend_stops_at_once(
    virtually, connect, answer, error, words
) -> None:
    api = ModelApi(first(100, answer))

    async def main():
        database = await connect(api)
        api.arrivals.clear()
        with pytest.raises(error, match=words):
            await database.execute(WRITE)

    virtually(main)

    assert len(api.arrivals) == 1


@pytest.mark.parametrize(
    "answer",
    [
        ok([]),
        ok(None),
        Reply(200, b""),
        Reply(200, b"<html>hotel</html>"),
        Reply(200, b'{"result":[{"succ'),
        Reply(200, b'{"success":true}'),
        Reply(200, b'{"result":[],"success":false,"errors":[]}'),
        taken(2),
        Break(Broken.GARBLED, "gzip garbage"),
        refusal(400, 7500, "the moon is in the wrong place"),
    ],
    ids=str,
)
def test_fault_10_an_answer_that_proves_nothing_is_no_success_and_tried_a_few_times(
    virtually, connect, answer
) -> None:
    api = ModelApi(first(1000, answer))

    async def main():
        database = await connect(api)
        api.bodies.clear()
        with pytest.raises((TargetError, TargetUnavailableError)):
            await database.execute(WRITE)

    virtually(main)

    assert Counter(b"INSERT" in body for body in api.bodies)[True] == 5


def test_an_idle_connection_that_was_closed_costs_neither_time_nor_patience(
    virtually, connect
) -> None:
    api, notes = ModelApi(first(2, Break(Broken.IDLE_CLOSED, "closed"))), Notes()

    async def main():
        database = await connect(api, notes)
        begin = asyncio.get_running_loop().time()
        answer = await database.execute(WRITE)
        return answer, asyncio.get_running_loop().time() - begin

    answer, took = virtually(main)

    assert took == 0.0
    assert answer.attempts == 3
    assert not notes.retries
    assert len(notes.sends) == 4


def test_an_abandoned_request_frees_its_place(virtually, connect) -> None:
    api = ModelApi(latency_s=10)

    async def main():
        database = await connect(api, concurrency=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await database.execute(WRITE)
        return await database.execute(WRITE)

    assert virtually(main).attempts == 1


def test_a_request_without_statements_is_a_mistake(virtually, connect) -> None:
    async def main():
        database = await connect(ModelApi())
        with pytest.raises(ValueError, match="nothing"):
            await database.execute([])

    virtually(main)


def test_results_come_in_the_order_of_their_statements(virtually, connect) -> None:
    def script(_now, method, _path, body):
        if method == "GET":
            return None
        texts = [statement["sql"] for statement in orjson.loads(body)["batch"]]
        return ok([{"results": {"columns": ["x"], "rows": [[t]]}, "success": True} for t in texts])

    async def main():
        database = await connect(ModelApi(script))
        return await database.execute([Statement("A"), Statement("B")])

    assert [result.rows for result in virtually(main).results] == [(("A",),), (("B",),)]
