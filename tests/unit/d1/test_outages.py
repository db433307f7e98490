"""Trouble that lasts: waited out with few tries, in virtual time, until patience ends."""

import asyncio
from itertools import pairwise

import pytest

from streamer.d1 import FailureKind
from streamer.d1.api import Break, Broken, Reply
from streamer.errors import TargetUnavailableError
from streamer.model import Statement
from tests.unit.d1.faults import DOWN_KINDS, WRITE, first, outage
from tests.unit.d1.model_api import ModelApi, Notes, refusal


@pytest.mark.parametrize("answer", DOWN_KINDS, ids=str)
def test_fault_08_ten_minutes_of_trouble_are_waited_out_with_few_tries(
    virtually, connect, answer
) -> None:
    api = ModelApi(outage(10, 610, answer), latency_s=0.1)

    async def main():
        database = await connect(api, concurrency=4)
        await asyncio.sleep(10)
        await asyncio.gather(*[database.execute(WRITE) for _ in range(8)])

    virtually(main)

    during = [at for at in api.arrivals if 10 <= at < 610]
    assert 5 <= len(during) <= 80
    assert len([at for at in during if at >= 310]) <= 22


def test_fault_08_while_the_api_is_down_at_most_one_probe_goes_in_half_a_minute(
    virtually, connect
) -> None:
    api = ModelApi(outage(10, 610, Reply(503, b"")), latency_s=0.1)

    async def main():
        database = await connect(api, concurrency=8)
        await asyncio.sleep(10)
        await asyncio.gather(*[database.execute(WRITE) for _ in range(20)])

    virtually(main)

    late = [at for at in api.arrivals if 100 <= at < 610]
    assert len(late) >= 16
    assert all(b - a >= 30 for a, b in pairwise(late))


def test_three_failures_in_a_row_are_enough_to_send_one_probe_at_a_time(virtually, connect) -> None:
    api = ModelApi(outage(10, 20, Reply(503, b"")))

    async def main():
        database = await connect(api, concurrency=1)
        for _ in range(400):  # a full budget, which alone would allow 50 retries
            await database.execute(WRITE)
        await asyncio.sleep(10)
        await asyncio.gather(*[database.execute(WRITE) for _ in range(30)])

    virtually(main)

    assert len([at for at in api.arrivals if 10 <= at < 20]) <= 3 + 4


def test_fault_30_an_outage_longer_than_the_patience_ends_the_run_resumable(
    virtually, connect
) -> None:
    api = ModelApi(outage(10, 1e9, Break(Broken.NOT_CONNECTED, "can't connect: refused")))

    async def main():
        database = await connect(api, give_up_after_s=3600)
        await asyncio.sleep(10)
        with pytest.raises(TargetUnavailableError, match="refused") as caught:
            await database.execute(WRITE)
        return caught.value, asyncio.get_running_loop().time()

    error, ended = virtually(main)

    assert error.exit_code == 75
    assert "--resume" in error.hint
    assert 3600 <= ended <= 3700


UNKNOWN = Break(Broken.UNKNOWN_HOST, "the host name api.cloudfare.com can't be resolved")


def opening(virtually, connect, script, *, stranger: bool) -> tuple[object, float, int]:
    """What comes of opening a database: it, or the error; how long that took; requests."""
    api = ModelApi(script)

    async def main():
        try:
            opened = await connect(api, stranger=stranger, give_up_after_s=3600)
        except TargetUnavailableError as error:
            opened = error
        return opened, asyncio.get_running_loop().time()

    return *virtually(main), len(api.arrivals)


def test_fault_04_a_host_that_nobody_ever_reached_is_given_up_after_a_minute(
    virtually, connect
) -> None:
    error, ended, requests = opening(virtually, connect, lambda *_: UNKNOWN, stranger=True)

    assert isinstance(error, TargetUnavailableError)
    assert "api.cloudfare.com can't be resolved" in error.what
    assert "CLOUDFLARE_API_BASE_URL" in error.hint
    assert error.exit_code == 75
    assert 60 < ended < 95
    assert requests < 12


def test_fault_04_a_host_that_was_reached_before_is_waited_for(virtually, connect) -> None:
    error, ended, _ = opening(virtually, connect, lambda *_: UNKNOWN, stranger=False)

    assert isinstance(error, TargetUnavailableError)
    assert "--resume" in error.hint
    assert 3600 <= ended <= 3700


@pytest.mark.parametrize(
    "heard", [Reply(503, b""), Break(Broken.NOT_CONNECTED, "refused")], ids=["answered", "refused"]
)
def test_fault_04_a_name_that_was_known_once_is_no_mistyped_one(virtually, connect, heard) -> None:
    answers = [UNKNOWN, heard]

    def script(now, *_):
        return answers.pop(0) if answers else UNKNOWN if now < 600 else None

    opened, ended, _ = opening(virtually, connect, script, stranger=True)

    assert not isinstance(opened, Exception), opened
    assert 600 <= ended < 640


def test_time_without_work_does_not_count_as_patience_lost(virtually, connect) -> None:
    def script(now, method, *_):
        down = method == "POST" and (now < 30 or 100_000 <= now < 100_030)
        return Reply(503, b"") if down else None

    async def main():
        database = await connect(ModelApi(script), give_up_after_s=60)
        await database.execute(WRITE)
        await asyncio.sleep(100_000 - asyncio.get_running_loop().time())
        return await database.execute(WRITE)

    assert virtually(main).attempts > 1


def test_a_probe_that_fails_after_an_older_request_succeeded_is_just_one_more_failure(
    virtually, connect
) -> None:
    def script(now, _method, _path, body):
        return Reply(503, b"") if b"INSERT" in body and now < 12 else None

    def lag_s(body):
        slow = b"older" in body or asyncio.get_running_loop().time() > 11
        return 20.0 if slow else 0.1

    api = ModelApi(script)

    async def main():
        database = await connect(api, concurrency=4)
        await asyncio.sleep(10)
        api.lag_s = lag_s
        older = asyncio.create_task(database.execute([Statement("SELECT 'older'")]))
        await asyncio.sleep(0)
        await asyncio.gather(older, *[database.execute(WRITE) for _ in range(3)])

    virtually(main)

    assert len(api.arrivals) > 5


def test_a_small_request_that_fails_for_ever_while_others_pass_ends_the_run_resumable(
    virtually, connect
) -> None:
    def script(_now, _method, _path, body):
        return Break(Broken.TIMEOUT, "no answer") if b"CREATE INDEX" in body else None

    api = ModelApi(script)

    async def main():
        database = await connect(api)
        with pytest.raises(TargetUnavailableError, match="again and again"):
            await database.execute([Statement("CREATE INDEX i ON t (a)")])

    virtually(main)

    assert sum(b"CREATE INDEX" in body for body in api.bodies) <= 24


def test_a_revoked_token_makes_no_storm_of_retries(virtually, connect) -> None:
    api = ModelApi(latency_s=0.1)

    async def main():
        database = await connect(api, concurrency=4)
        await database.execute(WRITE)
        api.script = lambda *_: refusal(403, 10000, "Authentication error")
        api.arrivals.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(database.execute(WRITE))

    with pytest.raises(ExceptionGroup):
        virtually(main)

    assert len(api.arrivals) <= 8


def test_the_kinds_that_are_retried_are_told_with_their_waits(virtually, connect) -> None:
    notes = Notes()

    async def main():
        database = await connect(ModelApi(first(2, Reply(502, b""))), notes)
        await database.execute(WRITE)

    virtually(main)

    assert [kind for kind, _ in notes.retries] == [FailureKind.SERVER_ERROR] * 2


def test_fault_08_a_server_that_wants_to_be_left_alone_for_a_day_is_looked_at_sooner(
    virtually, connect
) -> None:
    api = ModelApi(outage(10, 70, Reply(503, b"", {"retry-after": "86400"})), latency_s=0.1)

    async def main():
        database = await connect(api, concurrency=2)
        await asyncio.sleep(10)
        await asyncio.gather(*[database.execute(WRITE) for _ in range(4)])
        return asyncio.get_running_loop().time()

    assert 300 <= virtually(main) < 400


def test_fault_30_patience_ends_also_while_a_server_wants_to_be_left_alone_for_longer(
    virtually, connect
) -> None:
    api = ModelApi(outage(10, 1e9, Reply(503, b"", {"retry-after": "120"})), latency_s=0.1)

    async def main():
        database = await connect(api, give_up_after_s=20)
        await asyncio.sleep(10)
        with pytest.raises(TargetUnavailableError, match="503"):
            await database.execute(WRITE)
        return asyncio.get_running_loop().time()

    assert 30 <= virtually(main) < 32


@pytest.mark.parametrize("first_answered", [True, False])
def test_fault_30_so_it_does_where_another_request_has_succeeded_meanwhile(
    virtually, connect, first_answered
) -> None:
    blocked = refusal(429, 971, "Please wait", retry_after="86400")
    answers = [blocked, None] if first_answered else [None, blocked]

    def script(now, method, *_):
        return answers.pop(0) if method == "POST" and now >= 10 and answers else None

    api = ModelApi(script, latency_s=0.1)

    async def main():
        database = await connect(api, concurrency=2, give_up_after_s=3600)
        await asyncio.sleep(10)
        both = [database.execute(WRITE) for _ in range(2)]
        ended = await asyncio.gather(*both, return_exceptions=True)
        return ended, asyncio.get_running_loop().time()

    ended, at = virtually(main)

    assert [type(one) for one in ended].count(TargetUnavailableError) == 1
    assert at < 20
