"""The floor of the benchmark: what a run sent is kept as it was, and sent again in its order."""

from __future__ import annotations

import http.client

import orjson
import pytest

from bench.recorded import Recorded, Request, recording, send
from tests.engines.workerd import Workerd


def path_of(d1: Workerd, uuid: str) -> str:
    return f"/client/v4/accounts/{d1.account_id}/d1/database/{uuid}/raw"


def asking(d1: Workerd, uuid: str, sql: str, *, after: int) -> Request:
    body = orjson.dumps({"sql": sql})
    return Request("POST", path_of(d1, uuid), body, after, status=200)


def test_a_recording_is_what_was_sent_and_can_be_sent_again(workerd_d1: Workerd) -> None:
    uuid = workerd_d1.create("first")
    sql = "CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('ä')"
    headers = {"Authorization": f"Bearer {workerd_d1.token}", "Content-Type": "application/json"}
    with recording(workerd_d1.port) as kept:
        connection = http.client.HTTPConnection("127.0.0.1", kept.port, timeout=60)
        answers: list[tuple[int, bytes]] = []
        for method, path, body in (
            ("POST", path_of(workerd_d1, uuid), orjson.dumps({"sql": sql})),
            ("GET", "/client/v4/nothing", None),
        ):
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            answers.append((answer.status, answer.read()))
        connection.close()

    assert [status for status, _ in answers] == [200, 404]
    assert [orjson.loads(text)["success"] for _, text in answers] == [True, False]
    assert [(one.method, one.body, one.after, one.status) for one in kept.requests] == [
        ("POST", orjson.dumps({"sql": sql}), 0, 200),
        ("GET", b"", 1, 404),
    ]

    again, figures = send(Recorded(uuid, 1, kept.requests), workerd_d1, connections=3)

    assert workerd_d1.rows(again, "SELECT v FROM t") == [["ä"]]
    assert (figures.rows, figures.requests) == (1, 2)


def test_nothing_is_sent_before_what_was_answered_before_it(workerd_d1: Workerd) -> None:
    making = asking(workerd_d1, "recorded-uuid", "CREATE TABLE t (v INTEGER)", after=0)
    filling = [
        asking(workerd_d1, "recorded-uuid", f"INSERT INTO t VALUES ({number})", after=1)
        for number in range(20)
    ]

    again, figures = send(
        Recorded("recorded-uuid", 20, [making, *filling]), workerd_d1, connections=8
    )

    assert workerd_d1.rows(again, "SELECT count(*) FROM t") == [[20]]
    assert figures.requests == 21


def test_another_answer_than_the_recorded_one_ends_it(workerd_d1: Workerd) -> None:
    refused = asking(workerd_d1, "recorded-uuid", "INSERT INTO nowhere VALUES (1)", after=0)
    waiting = asking(workerd_d1, "recorded-uuid", "SELECT 1", after=1)

    with pytest.raises(RuntimeError, match="the request was answered otherwise"):
        send(Recorded("recorded-uuid", 1, [refused, waiting, waiting]), workerd_d1, connections=3)
