"""One call to D1, whatever the API does: every row of the fault table, in virtual time."""

import asyncio
from collections import Counter
from itertools import pairwise

import orjson
import pytest

from streamer.config import TargetSettings
from streamer.d1 import FailureKind, RefusedRowsError, TooLargeError
from streamer.d1.api import Break, Broken, Reply
from streamer.errors import FencedError, TargetError, TargetUnavailableError, UsageError
from streamer.model import Rate, Secret, Statement
from tests.unit.d1.model_api import DATABASE, ModelApi, Notes, ok, refusal, taken

WRITE = [Statement("INSERT INTO t VALUES (1)")]
BIG = [Statement("INSERT INTO t VALUES (?)", b'["' + b"x" * 200_000 + b'"]')]
DOWN_KINDS = [
    Break(Broken.NOT_CONNECTED, "refused"),
    Break(Broken.DISCONNECTED, "reset"),
    Break(Broken.TIMEOUT, "no answer"),
    Reply(500, b""),
    Reply(503, b"<html>"),
    Reply(522, b""),
    refusal(500, 7500, "Network connection lost."),
    refusal(400, 7500, "Cannot resolve D1 DB due to transient issue"),
    refusal(400, 7500, "Currently processing a long-running import."),
    refusal(429, 7500, "D1 DB is overloaded. Too many requests queued."),
]


def first(count: int, *answers):
    """A script: the first `count` writes get these answers in turn."""
    given = [answers[n % len(answers)] for n in range(count)]

    def script(_now, method, _path, body):
        return given.pop(0) if method == "POST" and b"INSERT" in body and given else None

    return script


def outage(begin: float, end: float, answer):
    return lambda now, method, *_: answer if method == "POST" and begin <= now < end else None


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


@pytest.mark.parametrize("answer", DOWN_KINDS, ids=str)
def test_ten_minutes_of_trouble_are_waited_out_with_few_tries(virtually, connect, answer) -> None:
    api = ModelApi(outage(10, 610, answer), latency_s=0.1)

    async def main():
        database = await connect(api, concurrency=4)
        await asyncio.sleep(10)
        await asyncio.gather(*[database.execute(WRITE) for _ in range(8)])

    virtually(main)

    during = [at for at in api.arrivals if 10 <= at < 610]
    assert 5 <= len(during) <= 80
    assert len([at for at in during if at >= 310]) <= 22


def test_while_the_api_is_down_at_most_one_probe_goes_in_half_a_minute(virtually, connect) -> None:
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


def test_an_outage_longer_than_the_patience_ends_the_run_resumable(virtually, connect) -> None:
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
def test_the_rate_limit_pauses_everybody_for_as_long_as_it_says(
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


def test_an_overload_lowers_the_concurrency_and_pauses_nobody(virtually, connect) -> None:
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
        Break(Broken.TOO_LONG, "an answer over 64 MB"),
        refusal(400, 7500, "the moon is in the wrong place"),
    ],
    ids=str,
)
def test_an_answer_that_proves_nothing_is_no_success_and_tried_a_few_times(
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


def test_an_abandoned_request_frees_its_place(virtually, connect) -> None:
    api = ModelApi(latency_s=10)

    async def main():
        database = await connect(api, concurrency=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await database.execute(WRITE)
        return await database.execute(WRITE)

    assert virtually(main).attempts == 1


@pytest.mark.parametrize("jitter_s", [0.0, 0.2, 3.0])
def test_three_thousand_requests_never_exceed_the_limit_and_use_nearly_all_of_it(
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


def test_requests_that_are_never_answered_count_as_sent(virtually, connect) -> None:
    api = ModelApi(first(40, Break(Broken.TIMEOUT, "no answer")), latency_s=1.0)

    async def main():
        database = await connect(api, rate=Rate(5, 60), concurrency=4)
        await asyncio.gather(*[database.execute(WRITE) for _ in range(30)])

    virtually(main)

    at = sorted(api.arrivals)
    assert all(b - a >= 60 for a, b in zip(at, at[5:], strict=False))


def test_a_name_is_resolved_to_the_id_of_exactly_that_name(virtually, connect) -> None:
    pages = {
        1: [{"uuid": f"id-{n}", "name": f"shop-{n}"} for n in range(100)],
        2: [{"uuid": "the-one", "name": "shop", "file_size": 4096}],
    }

    def script(_now, method, path, _body):
        if method == "GET" and "?" in path:
            return ok(pages[1 if "page=1&" in path else 2])
        return None

    target = TargetSettings(account_id="acc", database="shop", token=Secret("t"))

    async def main():
        database = await connect(ModelApi(script), target=target)
        return database.database_id, database.info.file_bytes

    assert virtually(main) == ("the-one", 4096)


@pytest.mark.parametrize("database", ["shop", DATABASE])
def test_a_database_that_is_not_there_is_named_with_its_account(
    virtually, connect, database
) -> None:
    def script(_now, _method, path, _body):
        return ok([]) if "?" in path else refusal(404, 7404, "not found")

    target = TargetSettings(account_id="acc", database=database, token=Secret("t"))
    api = ModelApi(script)

    async def main():
        with pytest.raises(TargetError, match=f"acc.*{database}.*D1_DATABASE_ID"):
            await connect(api, target=target)

    virtually(main)

    assert api.closed


@pytest.mark.parametrize("account", ["a/b", "", "x y"])
def test_an_account_that_cannot_be_one_is_refused_before_anything_is_sent(
    virtually, connect, account
) -> None:
    api = ModelApi()
    target = TargetSettings(account_id=account, database=DATABASE, token=Secret("t"))

    async def main():
        with pytest.raises(UsageError):
            await connect(api, target=target)

    virtually(main)

    assert not api.arrivals


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_time_travel_has_no_bookmark(virtually, connect, status) -> None:
    def script(_now, _method, path, _body):
        return refusal(status, 7003, "Could not route") if "bookmark" in path else None

    async def main():
        database = await connect(ModelApi(script))
        return await database.bookmark()

    assert virtually(main) is None


def test_a_bookmark_is_read_and_given_back_to_restore_to(virtually, connect) -> None:
    seen = []

    def script(_now, method, path, _body):
        seen.append((method, path.removeprefix(f"/accounts/acc/d1/database/{DATABASE}")))
        return ok({"bookmark": "0001-a/b"}) if "time_travel" in path else None

    async def main():
        database = await connect(ModelApi(script))
        bookmark = await database.bookmark()
        await database.restore(bookmark)
        return bookmark

    assert virtually(main) == "0001-a/b"
    assert seen[1:] == [
        ("GET", "/time_travel/bookmark"),
        ("POST", "/time_travel/restore?bookmark=0001-a%2Fb"),
    ]


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


def test_the_kinds_that_are_retried_are_told_with_their_waits(virtually, connect) -> None:
    notes = Notes()

    async def main():
        database = await connect(ModelApi(first(2, Reply(502, b""))), notes)
        await database.execute(WRITE)

    virtually(main)

    assert [kind for kind, _ in notes.retries] == [FailureKind.SERVER_ERROR] * 2
