"""Paths, bodies and answers of the API."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.d1 import api
from streamer.d1.api import EMPTY, Body, Complaint, Reply
from streamer.errors import UsageError
from streamer.model import Statement

WHOLE = {
    "results": {"columns": ["a"], "rows": [[1], ["x"]]},
    "success": True,
    "meta": {"rows_written": 3, "rows_read": 2, "size_after": 8192, "duration": 0.25},
}


def test_a_body_is_a_batch_of_the_statements_in_their_order() -> None:
    body = Body((Statement.of("SELECT ?", "ö\n"), Statement("SELECT 2")))

    written = b"".join(body.pieces)
    assert orjson.loads(written) == {
        "batch": [{"sql": "SELECT ?", "params": ["ö\n"]}, {"sql": "SELECT 2", "params": []}]
    }
    assert len(body) == len(written)
    assert b"".join(body.pieces) == written


def test_where_there_are_no_statements_there_is_no_body() -> None:
    assert (len(EMPTY), *EMPTY.pieces) == (0,)


@pytest.mark.parametrize("text", ["", "a/b", "..", "a b", "é", "x" * 65, "a?b", "a\n"])
def test_what_is_no_identifier_never_gets_into_a_path(text) -> None:
    with pytest.raises(UsageError, match="D1_DATABASE_ID"):
        api.database_path("acc", text)
    with pytest.raises(UsageError, match="CLOUDFLARE_ACCOUNT_ID"):
        api.databases_path(text)


def test_a_name_is_searched_for_whatever_it_is_made_of() -> None:
    path = api.search_path("acc", "a/../b&c=é", 2)

    assert path == "/accounts/acc/d1/database?name=a%2F..%2Fb%26c%3D%C3%A9&page=2&per_page=100"


def test_a_whole_result_is_read_with_its_rows_and_its_meta() -> None:
    (result,) = api.results([WHOLE], 1)

    assert result.columns == ("a",)
    assert result.rows == ((1,), ("x",))
    assert (result.rows_written, result.rows_read, result.size_after) == (3, 2, 8192)
    assert result.duration_ms == 0.25


@pytest.mark.parametrize(
    "answer",
    [
        [],
        None,
        "x",
        {},
        [WHOLE, WHOLE, WHOLE],
        [WHOLE],
        [WHOLE, {}],
        [WHOLE, {**WHOLE, "success": False}],
        [WHOLE, {**WHOLE, "success": "true"}],
        [WHOLE, {**WHOLE, "results": None}],
        [WHOLE, {**WHOLE, "results": {"columns": ["a"]}}],
        [WHOLE, {**WHOLE, "results": [{"a": 1}]}],
    ],
)
def test_fault_10_anything_but_one_whole_result_for_each_statement_is_no_success(answer) -> None:
    assert api.results(answer, 2) is None


def test_a_statements_own_complaint_is_the_outcome_of_all() -> None:
    answer = [WHOLE, {"success": False, "error": "no such table: t"}]

    assert api.results(answer, 2) == Complaint(0, "no such table: t")


@pytest.mark.parametrize(
    "document",
    [{"result": 1}, {"result": 1, "success": False}, {"result": 1, "success": "true"}, [], 7, None],
)
def test_only_an_answer_that_says_success_has_a_result(document) -> None:
    assert api.envelope(Reply(200, orjson.dumps(document))) is None


def test_no_result_is_taken_from_an_answer_with_an_error_status() -> None:
    assert api.envelope(Reply(500, b'{"result":1,"success":true}')) is None


@given(st.binary(max_size=200))
def test_bytes_that_are_no_json_make_neither_a_result_nor_an_error(body) -> None:
    reply = Reply(200, body)

    assert api.envelope(reply) is None
    assert isinstance(api.complaints(reply), tuple)


def test_a_database_that_could_not_stand_in_a_path_is_not_taken_from_a_listing() -> None:
    listed = [{"uuid": "../x", "name": "a"}, {"uuid": "u-1", "name": "b", "file_size": 12}]

    (found,) = api.databases(listed)

    assert (found.id, found.name, found.file_bytes) == ("u-1", "b", 12)
