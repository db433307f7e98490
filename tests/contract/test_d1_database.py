"""The client against both local D1s: what it is told, it does, whatever happens on the way."""

import traceback
import uuid
from collections.abc import AsyncIterator

import pytest

from streamer.config import PacingSettings, TargetSettings
from streamer.d1 import (
    D1Database,
    RefusedRowsError,
    SilentObserver,
    TooLargeError,
    open_database,
)
from streamer.errors import FencedError, TargetError
from streamer.model import Secret, Statement
from tests.engines.d1server import D1Server

PACING = PacingSettings(rate=None)


def target_of(server: D1Server, database: str, token: str = "") -> TargetSettings:
    return TargetSettings(
        account_id=server.account_id,
        database=database,
        token=Secret(token or server.token),
        api_base_url=server.base_url,
    )


@pytest.fixture
def name() -> str:
    return f"shop-{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def database(any_d1: D1Server, name: str) -> AsyncIterator[D1Database]:
    any_d1.create(name)
    database = await open_database(
        target_of(any_d1, name), PACING, SilentObserver(), random=lambda: 0.0
    )
    await database.execute([Statement("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL)")])
    any_d1.stats(reset=True)
    yield database
    await database.aclose()


def insert(a: str, b: str | None) -> Statement:
    sql = "INSERT INTO t VALUES (?, ?) ON CONFLICT (a) DO UPDATE SET b = excluded.b"
    return Statement.of(sql, a, b)


async def rows(database: D1Database) -> list[tuple[object, ...]]:
    answer = await database.execute([Statement("SELECT a, b FROM t ORDER BY a")])
    return list(answer.results[0].rows)


async def test_statements_of_one_call_give_one_result_each(database: D1Database) -> None:
    answer = await database.execute([insert("1", "x"), Statement("SELECT a, b FROM t")])

    assert [result.columns for result in answer.results] == [(), ("a", "b")]
    assert answer.results[1].rows == ((1, "x"),)
    assert answer.rows_written == 1
    assert answer.size_after > 0
    assert answer.attempts == 1


async def test_statements_of_one_call_are_stored_together_or_not_at_all(
    database: D1Database,
) -> None:
    with pytest.raises(RefusedRowsError, match=r"NOT NULL constraint failed: t\.b"):
        await database.execute([insert("1", "x"), insert("2", None)])

    assert await rows(database) == []


async def test_a_database_is_found_by_its_name_and_by_its_id(
    any_d1: D1Server, database: D1Database
) -> None:
    target = target_of(any_d1, database.database_id)

    again = await open_database(target, PACING, SilentObserver())

    assert again.database_id == database.database_id
    await again.aclose()


@pytest.mark.parametrize("wanted", ["nosuch", "00000000-0000-0000-0000-000000000000"])
async def test_a_database_that_is_not_there_is_said_to_be_missing(
    any_d1: D1Server, wanted: str
) -> None:
    with pytest.raises(TargetError, match=wanted):
        await open_database(target_of(any_d1, wanted), PACING, SilentObserver())


async def test_a_wrong_token_is_refused_with_what_to_check_and_never_shown(
    any_d1: D1Server, database: D1Database
) -> None:
    target = target_of(any_d1, database.database_id, token="canary-wrong")

    with pytest.raises(TargetError, match="CLOUDFLARE_API_TOKEN") as caught:
        await open_database(target, PACING, SilentObserver())

    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 500, "message": "Network connection lost."},
        {"status": 400, "message": "Cannot resolve D1 DB due to transient issue on remote node"},
        {"status": 429, "message": "D1 DB is overloaded. Requests queued for too long."},
        {"status": 429, "code": 971, "headers": {"retry-after": "0"}},
        {"status": 500, "after": True},
        {"abort": True},
        {"abort": True, "after": True},
        {"status": 200, "body": "<html>hotel</html>"},
        {"status": 200, "body": '{"result":[{"resul'},
        {"status": 200, "body": "", "after": True},
        {"status": 200, "body": '{"result":[],"success":true,"errors":[],"messages":[]}'},
    ],
    ids=str,
)
async def test_trouble_on_the_way_ends_with_every_row_there_once(
    any_d1: D1Server, database: D1Database, fault: dict[str, object]
) -> None:
    any_d1.set_faults({"match": "/raw", "contains": "INSERT", "times": 2, **fault})

    answer = await database.execute([insert("1", "x"), insert("2", "y")])

    assert answer.attempts == 3
    assert await rows(database) == [(1, "x"), (2, "y")]


async def test_a_write_that_names_the_ledger_in_its_refusal_is_fenced(
    database: D1Database,
) -> None:
    await database.execute([Statement("CREATE TABLE _streamer_ledger (epoch INTEGER NOT NULL)")])

    with pytest.raises(FencedError):
        await database.execute(
            [insert("1", "x"), Statement("INSERT INTO _streamer_ledger VALUES (NULL)")]
        )

    assert await rows(database) == []


async def test_a_value_that_d1_does_not_take_is_too_large_not_unknown(
    any_d1: D1Server, database: D1Database
) -> None:
    with pytest.raises(TooLargeError):
        await database.execute([insert("1", "x" * 2_000_001)])

    assert any_d1.stats()["requests"] == 1


async def test_a_table_that_is_missing_is_refused_at_once(
    any_d1: D1Server, database: D1Database
) -> None:
    with pytest.raises(RefusedRowsError, match="no such table"):
        await database.execute([Statement("INSERT INTO nosuch VALUES (1)")])

    assert any_d1.stats()["requests"] == 1


async def test_a_bookmark_is_a_text_or_not_to_be_had(database: D1Database) -> None:
    bookmark = await database.bookmark()

    assert bookmark is None or bookmark


async def test_a_server_that_was_restarted_is_found_again(
    any_d1: D1Server, database: D1Database
) -> None:
    await database.execute([insert("1", "x")])

    any_d1.restart()

    assert await rows(database) == [(1, "x")]
