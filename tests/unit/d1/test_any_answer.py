"""Whatever bytes come as an answer: they are judged, and never a crash or a success by mistake."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamer.d1 import api, failures
from streamer.d1.api import Reply
from streamer.d1.failures import Failure

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
