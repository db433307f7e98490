"""Cloudflare's paths: tokens, databases, bodies."""

import http.client
import uuid

import pytest

from tests.engines.d1server import D1Server
from tests.engines.d1target import Target

ENVELOPE = {"errors": [], "messages": [], "success": True}
MALFORMED = (400, 7400)


def test_a_token_can_be_verified(any_d1: D1Server) -> None:
    answer = any_d1.request("GET", "/client/v4/user/tokens/verify")

    assert (answer.status, answer.body["result"]["status"]) == (200, "active")


def test_without_a_token_nothing_is_told(any_d1: D1Server) -> None:
    for path in ("/user/tokens/verify", "/accounts/a/d1/database", f"/accounts/a/d1/database/{uuid.uuid4()}/raw"):  # fmt: skip
        answer = any_d1.request("GET", f"/client/v4{path}", headers={"Authorization": "Bearer no"})
        assert answer.error[:2] == (403, 10000)


def test_a_missing_token_is_another_error(any_d1: D1Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", any_d1.port, timeout=10)
    connection.request("GET", "/client/v4/user/tokens/verify")
    answer = connection.getresponse()
    assert (answer.status, b"9106" in answer.read()) == (400, True)
    connection.close()


def test_any_account_will_do_if_it_is_one(any_d1: D1Server) -> None:
    for account, status in (("a", 200), ("A-b_9", 200), ("x" * 64, 200), ("x" * 65, 404), ("a.b", 404)):  # fmt: skip
        assert any_d1.request("GET", f"/client/v4/accounts/{account}/d1/database").status == status


def test_a_database_is_made_found_and_deleted(any_d1: D1Server) -> None:
    name = f"shop-{uuid.uuid4()}"

    made = any_d1.api("POST", "", {"name": name}).body

    created = made["result"]
    assert made | ENVELOPE == made
    assert (created["name"], created["version"], created["num_tables"]) == (name, "production", 0)
    found = any_d1.api("GET", f"/{created['uuid']}").body["result"]
    assert (found["name"], found["created_at"]) == (name, created["created_at"])
    assert any_d1.api("DELETE", f"/{created['uuid']}").body == {"result": None, **ENVELOPE}
    assert any_d1.api("GET", f"/{created['uuid']}").error[:2] == (404, 7404)


def test_a_name_can_be_had_once(any_d1: D1Server) -> None:
    name = f"shop-{uuid.uuid4()}"
    made = any_d1.create(name)

    assert any_d1.api("POST", "", {"name": name}).error[:2] == (400, 7502)
    any_d1.delete(made)
    any_d1.delete(any_d1.create(name))


def test_the_name_of_a_list_is_a_part_of_names(any_d1: D1Server) -> None:
    common = uuid.uuid4().hex
    names = [f"{common}{letter}" for letter in "abc"]
    made = [any_d1.create(name) for name in names]

    whole = any_d1.api("GET", f"?name={common}").body
    second = any_d1.api("GET", f"?name={common}&page=2&per_page=2").body

    assert [one["name"] for one in whole["result"]] == names
    assert [one["name"] for one in second["result"]] == names[2:]
    assert second["result_info"] == {"page": 2, "per_page": 2, "count": 1, "total_count": 3}
    for one in made:
        any_d1.delete(one)


def test_a_database_is_addressed_by_its_id_alone(any_d1: D1Server) -> None:
    name = f"shop-{uuid.uuid4()}"
    made = any_d1.create(name)

    for database in (name, str(uuid.uuid4())):
        assert any_d1.api("POST", f"/{database}/raw", {"sql": "SELECT 1"}).error[:2] == (404, 7404)
    any_d1.delete(made)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        [{"sql": "SELECT 1"}],
        {},
        {"sql": 1},
        {"sql": "SELECT ?", "params": "x"},
        {"sql": "SELECT ?", "params": [{"a": 1}]},
        {"sql": "SELECT ?", "params": [[256]]},
        {"batch": "SELECT 1"},
        {"batch": [{"params": []}]},
        {"sql": "SELECT 1; SELECT ?", "params": [1]},
    ],
)
def test_a_malformed_body_is_refused(served: Target, body) -> None:
    answer = served.server.api("POST", f"/{served.uuid}/raw", body)

    assert answer.error[:2] == MALFORMED
    assert answer.body["success"] is False


def test_an_empty_batch_has_no_statements(served: Target) -> None:
    answer = served.server.api("POST", f"/{served.uuid}/raw", {"batch": []})

    assert answer.error == (400, 7500, "No SQL statements detected.")


def test_params_may_be_null_or_missing(served: Target) -> None:
    for body in ({"sql": "SELECT 1"}, {"sql": "SELECT 1", "params": None}, {"batch": [{"sql": "SELECT 1", "params": []}]}):  # fmt: skip
        assert served.send(body)[0]["results"]["rows"] == [[1]]


@pytest.mark.parametrize("path", ["/nowhere", "/raw/nowhere", "/dump"])
def test_an_unknown_path_has_no_route(served: Target, path: str) -> None:
    assert served.server.api("POST", f"/{served.uuid}{path}", {}).error[:2] == (404, 7003)


def test_requests_are_counted(served: Target) -> None:
    served.server.stats(reset=True)

    served.run("SELECT 1")
    served.send({"sql": "SELECT 1"}, route="query")

    stats = served.server.stats()
    assert stats["requests"] == 2
    assert stats["by"] == {"POST raw": 1, "POST query": 1}
    assert stats["in_flight_max"] == 1


def test_a_fault_can_come_before_or_after_the_work(served: Target) -> None:
    served.run("CREATE TABLE t (a)")
    fault = {"match": "/raw", "status": 500, "message": "Network connection lost."}

    served.server.set_faults({**fault, "after": True}, fault)

    for n in (1, 2):
        assert served.refusal(f"INSERT INTO t VALUES ({n})") == (
            500,
            7500,
            "Network connection lost.",
        )
    assert served.rows("SELECT a FROM t") == [[1]]


def test_a_fault_waits_for_its_request(served: Target) -> None:
    served.server.set_faults({"contains": "INDEX", "skip": 1, "times": 2, "status": 429, "code": 971, "message": "slow", "headers": {"Retry-After": "7"}})  # fmt: skip

    answers = [served.server.api("POST", f"/{served.uuid}/raw", {"sql": f"SELECT '{word}'"}) for word in ("x", "INDEX", "INDEX", "x", "INDEX", "INDEX")]  # fmt: skip

    assert [answer.status for answer in answers] == [200, 200, 429, 200, 429, 200]
    assert answers[2].error == (429, 971, "slow")
    assert answers[2].headers["Retry-After"] == "7"


@pytest.mark.parametrize(("after", "rows"), [(False, []), (True, [[1]])])
def test_a_connection_can_be_broken_before_or_after_the_work(served: Target, after, rows) -> None:
    served.run("CREATE TABLE t (a)")
    served.server.set_faults({"match": "/raw", "abort": True, "after": after})

    with pytest.raises(ConnectionError):
        served.run("INSERT INTO t VALUES (1)")

    assert served.rows("SELECT a FROM t") == rows
