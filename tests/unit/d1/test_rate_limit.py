"""How fast requests go: never over the limit, nearly all of it, slower when D1 says so."""

import asyncio

import pytest

from streamer.d1.api import Break, Broken, Reply
from streamer.model import Rate
from tests.unit.d1.faults import WRITE, first
from tests.unit.d1.model_api import ModelApi, Notes, refusal


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "1"}, 1),
        ({"retry_after": "42"}, 42),
        ({"retry_after": "300"}, 300),
        ({"retry_after": "-3"}, 300),
        ({"retry_after": "later"}, 300),
        ({}, 300),
        (
            {
                "retry_after": "Sun, 22 Nov 2026 12:01:00 GMT",
                "date": "Sun, 22 Nov 2026 12:00:00 GMT",
            },
            60,
        ),
    ],
)
def test_fault_07_the_rate_limit_pauses_everybody_for_as_long_as_it_says(
    virtually, connect, headers, wait
) -> None:
    limited = refusal(429, 971, "Please wait", **headers)
    api, notes = ModelApi(first(1, limited), latency_s=0.1), Notes()

    async def main():
        database = await connect(api, notes, concurrency=1)
        await asyncio.sleep(1)
        api.arrivals.clear()
        return await asyncio.gather(*[database.execute(WRITE) for _ in range(5)])

    answers = virtually(main)

    assert api.arrivals[1] - api.arrivals[0] >= wait
    assert api.arrivals[1] - api.arrivals[0] <= wait + 0.3
    assert sum(answer.rate_limited for answer in answers) == 1
    assert notes.pauses[0][0] == wait


def test_fault_07_an_overload_lowers_the_concurrency_and_pauses_nobody(virtually, connect) -> None:
    api, notes = ModelApi(latency_s=0.3, service_s=0.01), Notes()

    async def main():
        database = await connect(api, notes)
        await asyncio.gather(*[database.execute(WRITE) for _ in range(300)])
        before = database.concurrency
        api.script = first(1, refusal(429, 7500, "D1 DB is overloaded. Too many requests queued."))
        await asyncio.gather(*[database.execute(WRITE) for _ in range(2)])
        return before, database.concurrency

    before, after = virtually(main)

    assert before >= 4
    assert after <= before // 2 + 1
    assert not notes.pauses


@pytest.mark.parametrize("jitter_s", [0.0, 0.2, 3.0])
def test_fault_07_three_thousand_requests_never_exceed_the_limit_and_use_nearly_all_of_it(
    virtually, connect, tmp_path, jitter_s
) -> None:
    api = ModelApi(latency_s=0.15, jitter_s=jitter_s, limit=1080)

    async def main():
        database = await connect(
            api,
            rate=Rate(1080, 300),
            concurrency=None if jitter_s < 1 else 16,
            state=tmp_path if jitter_s < 1 else None,
        )

        async def mover():
            for _ in range(150):
                await database.execute(WRITE)

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(mover())
        await database.aclose()

    virtually(main)

    at = sorted(api.arrivals)
    assert api.blocks == 0
    assert len(at) == 3001
    assert all(b - a >= 300 for a, b in zip(at, at[1080:], strict=False))
    # The third window's last request could not leave before two windows have passed.
    ideal = 600 + 0.15
    third = at[2160]
    assert third <= ideal * (1 / 0.97)


def test_a_way_there_that_becomes_shorter_lets_no_request_arrive_too_early(
    virtually, connect, tmp_path
) -> None:
    api = ModelApi(latency_s=2.0, there=1.0)

    async def main():
        database = await connect(api, rate=Rate(60, 60), concurrency=4, state=tmp_path)
        await asyncio.gather(*[database.execute(WRITE) for _ in range(59)])
        api.there = 0.0
        await asyncio.gather(*[database.execute(WRITE) for _ in range(60)])
        await database.aclose()

    virtually(main)

    at = sorted(api.arrivals)
    assert len(at) == 120
    assert all(b - a >= 60 for a, b in zip(at, at[60:], strict=False))


def test_requests_that_are_never_answered_count_as_sent(virtually, connect) -> None:
    api = ModelApi(first(40, Break(Broken.TIMEOUT, "no answer")), latency_s=1.0)

    async def main():
        database = await connect(api, rate=Rate(5, 60), concurrency=4)
        await asyncio.gather(*[database.execute(WRITE) for _ in range(30)])

    virtually(main)

    at = sorted(api.arrivals)
    assert all(b - a >= 60 for a, b in zip(at, at[5:], strict=False))


def test_fault_07_a_ping_that_is_told_to_wait_pauses_everybody(virtually, connect) -> None:
    answered: list[float] = []

    def script(now, method, _path, body):
        if method != "POST" or now < 10 or answered:
            return None
        if b"INSERT" in body:
            return Reply(502, b"")
        answered.append(now)
        return refusal(429, 971, "Please wait", retry_after="300")

    api = ModelApi(script, latency_s=0.1)

    async def main():
        database = await connect(api, concurrency=2)
        await asyncio.sleep(10)
        await asyncio.gather(*[database.execute(WRITE) for _ in range(3)])

    virtually(main)

    (told,) = answered
    assert [at for at in api.arrivals if told + 0.2 < at < told + 300] == []
