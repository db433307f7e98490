"""Whatever bytes come as an answer: they are judged, and never a crash or a success by mistake."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.d1 import api, failures
from streamer.d1.api import Reply
from streamer.d1.failures import Failure
from streamer.errors import StreamerError
from streamer.model import Statement
from tests.unit.d1.model_api import DATABASE, TARGET, ModelApi

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["result", "results", "success", "errors", "code", "message", "meta", "rows",
                 "columns", "rows_written", "duration", "uuid", "name", "error", "bookmark"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)  # fmt: skip
BODIES = st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode())
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "date", "content-type"]), st.text(max_size=40), max_size=3
)
REPLIES = st.builds(Reply, st.integers(100, 599), BODIES, HEADERS)


@given(REPLIES, st.integers(0, 3))
def test_any_answer_is_a_whole_success_or_none(reply: Reply, count: int) -> None:
    answer = api.envelope(reply)
    found = api.results(answer, count)

    api.database(answer)
    api.databases(answer)
    api.bookmark(answer)
    assert answer is None or 200 <= reply.status < 300
    if isinstance(found, tuple):
        assert len(found) == count


@given(REPLIES)
def test_any_answer_that_is_no_success_is_a_failure_without_a_quoted_value(reply: Reply) -> None:
    failure = failures.of_reply(reply, 1_700_000_000.0)

    assert isinstance(failure, Failure)
    assert len(failure.message) <= failures.MESSAGE_CHARS
    assert failure.retry_after_s is None or failure.retry_after_s >= 0


@given(st.integers(1, 200))
def test_an_answer_nested_beyond_all_measure_is_no_success(depth: int) -> None:
    nested = b"[" * (depth * 1_000) + b"]" * (depth * 1_000)

    assert api.envelope(Reply(200, nested)) is None
    assert isinstance(failures.of_reply(Reply(500, nested), 0.0), Failure)


META = {
    "served_by": "v3-prod", "duration": 0.21, "changes": 2, "last_row_id": 2, "changed_db": True,
    "size_after": 16384, "rows_read": 4, "rows_written": 2, "total_attempts": 1,
}  # fmt: skip
ROWS = {"columns": ["name", "n"], "rows": [["a", 1], ["b", None]]}
RAW = [
    {"results": {"columns": [], "rows": []}, "success": True, "meta": META},
    {"results": ROWS, "success": True, "meta": META},
]
INFO = {
    "uuid": DATABASE, "name": "shop", "version": "production", "file_size": 16384,
    "num_tables": 2, "read_replication": {"mode": "auto"},
}  # fmt: skip
PAGES = {"page": 1, "per_page": 100, "count": 1, "total_count": 1}
REFUSED = [{"code": 7500, "message": "UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT"}]


def enveloped(result: object, **more: object) -> dict[str, object]:
    return {"result": result, "success": True, "errors": [], "messages": [], **more}


REAL: list[dict[str, object]] = [
    enveloped(RAW),
    enveloped(INFO),
    enveloped([INFO, {**INFO, "name": "other"}], result_info=PAGES),
    enveloped({"bookmark": "00000085-0000024c-00004c6d-8e61117bf38d7adb71b934ebbf891683"}),
    {"result": [], "success": False, "errors": REFUSED, "messages": []},
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to everything in a JSON document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    if isinstance(value, dict | list):
        for key, item in inner:
            found += places(item, (*path, key)) if isinstance(item, dict | list) else [(*path, key)]
    return found


@st.composite
def changed(draw: st.DrawFn, documents: list[dict[str, object]] = REAL) -> dict[str, object]:
    """A real answer, of which a few parts are gone, doubled, or something else."""
    document: Any = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, 3))):
        if not (found := places(document)):
            break
        *way, last = draw(st.sampled_from(found))
        inner = document
        for key in way:
            inner = inner[key]
        match draw(st.sampled_from(["gone", "doubled", "other", "wrapped"])):
            case "gone":
                del inner[last]
            case "doubled" if isinstance(inner, list):
                inner.insert(last, inner[last])
            case "wrapped":
                inner[last] = [inner[last]]
            case _:
                inner[last] = draw(JSON)
    return document


@st.composite
def garbled(draw: st.DrawFn) -> bytes:
    """The bytes of a real or changed answer, some of which are lost, or others."""
    content = bytearray(json.dumps(draw(changed() | st.sampled_from(REAL))).encode())
    for _ in range(draw(st.integers(0, 4))):
        at, end = draw(st.integers(0, len(content))), draw(st.integers(0, 30))
        content[at : at + end] = draw(st.binary(max_size=6))
    return bytes(content)


STATUSES = st.sampled_from([200, 200, 200, 201, 204, 302, 400, 403, 404, 413, 429, 500, 503, 522])
STATELESS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # mere functions
NEARLY = st.builds(Reply, STATUSES, changed().map(json.dumps).map(str.encode) | garbled(), HEADERS)


@given(NEARLY, st.integers(1, 3))
def test_a_real_answer_that_was_changed_is_whole_or_no_success(reply: Reply, count: int) -> None:
    answer = api.envelope(reply)
    found = api.results(answer, count)

    api.database(answer)
    api.databases(answer)
    api.bookmark(answer)
    assert isinstance(failures.of_reply(reply, 0.0), Failure)
    if isinstance(found, tuple):
        assert len(found) == count
        for result in found:
            assert all(isinstance(name, str) for name in result.columns)
            assert all(len(row) == len(result.columns) for row in result.rows)


@STATELESS
@given(st.lists(NEARLY, min_size=1, max_size=4))
def test_a_request_between_answers_that_were_changed_gets_a_whole_one_or_a_clean_error(
    virtually, connect, replies: list[Reply]
) -> None:
    left = [*replies]

    def script(_now, method, _path, body):
        if method == "POST" and b"SELECT" in body:
            return left.pop(0) if left else Reply(200, orjson.dumps(enveloped([RAW[1]])))
        return None

    async def main():
        database = await connect(ModelApi(script))
        try:
            return await database.execute([Statement("SELECT name, n FROM t")])
        except StreamerError as error:
            return error

    outcome = virtually(main)

    if not isinstance(outcome, StreamerError):
        (result,) = outcome.results
        assert all(len(row) == len(result.columns) for row in result.rows)


@STATELESS
@given(st.lists(NEARLY, min_size=1, max_size=4), st.sampled_from(["shop", DATABASE]))
def test_a_database_is_found_or_not_between_answers_that_were_changed(
    virtually, connect, replies: list[Reply], wanted: str
) -> None:
    left = [*replies]
    target = replace(TARGET, database=wanted)

    def script(_now, method, path, _body):
        if method == "GET":
            found = enveloped([INFO] if "?" in path else INFO)
            return left.pop(0) if left else Reply(200, orjson.dumps(found))
        return None

    async def main():
        try:
            database = await connect(ModelApi(script), target=target)
            return await database.bookmark()
        except StreamerError as error:
            return error

    assert isinstance(virtually(main), str | StreamerError | None)
