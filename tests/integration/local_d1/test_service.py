"""The stand-in alone: what the local workerd has not, and how it is used from Python."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streamer.local_d1 import FaultKind, Faults, LocalD1, LocalD1Error, Times

JSON = Any
ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r"


def files(folder: Path) -> list[str]:
    """What is left besides the registry."""
    return [path.name for path in folder.iterdir() if "registry" not in path.name]


class Client:
    """Asks one database of a server in this process."""

    def __init__(self, d1: LocalD1, uuid: str, session: aiohttp.ClientSession) -> None:
        self.url = f"{d1.base_url}/accounts/a/d1/database/{uuid}"
        self.session = session

    async def send(self, action: str, body: JSON = None, method: str = "POST") -> tuple[int, JSON]:
        async with self.session.request(method, f"{self.url}/{action}", json=body) as answer:
            return answer.status, await answer.json()

    async def run(self, sql: str) -> JSON:
        _, answer = await self.send("raw", {"sql": sql})
        return answer["result"][-1]["results"]["rows"] if answer["success"] else answer["errors"][0]

    async def import_(self, body: JSON) -> JSON:
        return (await self.send("import", body))[1]["result"]

    async def upload(self, sql: str) -> dict[str, str]:
        """Bring a file; what `ingest` needs."""
        etag = hashlib.md5(sql.encode(), usedforsecurity=False).hexdigest()
        init = await self.import_({"action": "init", "etag": etag})
        async with self.session.put(init["upload_url"], data=sql.encode()) as stored:
            assert stored.headers["ETag"].strip('"') == etag
        return {"action": "ingest", "etag": etag, "filename": init["filename"]}

    async def finished(self, kind: str = "import") -> JSON:
        body = {"import": {"action": "poll", "current_bookmark": "local"}, "export": {"output_format": "polling", "current_bookmark": "local"}}  # fmt: skip
        while True:
            answer = (await self.send(kind, body[kind]))[1]["result"]
            if answer.get("status") != "active":
                return answer


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def client(tmp_path: Path, session: aiohttp.ClientSession) -> AsyncIterator[Client]:
    async with LocalD1(tmp_path) as d1:
        yield Client(d1, await d1.create("shop"), session)


async def test_a_database_is_made_once_by_name(tmp_path: Path) -> None:
    async with LocalD1(tmp_path) as d1:
        made = await d1.create("shop")
        assert await d1.create("shop") == made

    async with LocalD1(tmp_path) as d1:
        assert await d1.create("shop") == made


async def test_a_directory_has_one_server(tmp_path: Path) -> None:
    async with LocalD1(tmp_path):
        with pytest.raises(LocalD1Error, match="Another server uses"):
            await LocalD1(tmp_path).__aenter__()

    async with LocalD1(tmp_path):
        pass


async def test_a_port_has_one_server(tmp_path: Path) -> None:
    async with LocalD1(tmp_path / "a") as d1:
        with pytest.raises(LocalD1Error, match=str(d1.port)):
            await LocalD1(tmp_path / "b", port=d1.port).__aenter__()


async def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(LocalD1Error, match="can't be used"):
        await LocalD1(tmp_path / "file").__aenter__()


async def test_deleting_a_database_deletes_its_files(client: Client, tmp_path: Path) -> None:
    await client.run("CREATE TABLE t (a)")
    await client.send("time_travel/bookmark", method="GET")

    async with client.session.delete(client.url) as answer:
        assert answer.status == 200

    assert files(tmp_path) == []


async def test_requests_of_many_clients_all_arrive(client: Client) -> None:
    await client.run("CREATE TABLE t (a)")

    await asyncio.gather(*(client.run(f"INSERT INTO t VALUES ({n})") for n in range(50)))

    assert await client.run("SELECT count(*), sum(a) FROM t") == [[50, 1225]]


async def test_a_request_that_takes_too_long_is_rolled_back(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with LocalD1(tmp_path, times=Times(query_s=0)) as d1:
        client = Client(d1, await d1.create("shop"), session)

        refused = await client.run(f"CREATE TABLE t (a); {ENDLESS}")

        assert "storage operation exceeded timeout" in refused["message"]
        assert await client.run("SELECT name FROM sqlite_schema WHERE name = 't'") == []


async def test_a_bookmark_leads_back(client: Client) -> None:
    await client.run("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    _, asked = await client.send("time_travel/bookmark", method="GET")
    bookmark = asked["result"]["bookmark"]
    await client.run("DROP TABLE t; CREATE TABLE u (a)")

    _, answer = await client.send(f"time_travel/restore?bookmark={bookmark}")

    assert answer["result"]["bookmark"] == bookmark
    assert await client.run("SELECT * FROM t") == [[1]]
    undo = answer["result"]["previous_bookmark"]
    await client.send(f"time_travel/restore?bookmark={undo}")
    assert await client.run("SELECT * FROM u") == []


async def test_a_moment_without_changes_keeps_its_bookmark(client: Client) -> None:
    first = await client.send("time_travel/bookmark", method="GET")
    await client.run("SELECT 1")
    second = await client.send("time_travel/bookmark", method="GET")
    await client.run("CREATE TABLE t (a)")
    third = await client.send("time_travel/bookmark", method="GET")

    assert first == second != third


@pytest.mark.parametrize("bookmark", ["00000000-00000001", "../registry", ""])
async def test_an_unknown_bookmark_leads_nowhere(client: Client, bookmark: str) -> None:
    status, answer = await client.send(f"time_travel/restore?bookmark={bookmark}")

    assert (status, answer["errors"][0]["code"]) == (400, 7500)


async def test_an_import_brings_a_file(client: Client) -> None:
    sql = "PRAGMA foreign_keys=OFF; CREATE TABLE c (p REFERENCES p); INSERT INTO c VALUES (';'); INSERT INTO c VALUES (2);"

    started = await client.import_(
        await client.upload(sql + "CREATE TABLE p (id INTEGER PRIMARY KEY);")
    )
    done = await client.finished()

    assert (started["success"], started["status"]) == (True, "active")
    assert (done["status"], done["result"]["num_queries"]) == ("complete", 4)
    assert done["result"]["meta"]["rows_written"] == 6
    assert await client.run("SELECT * FROM c") == [[";"], [2]]
    refused = await client.run("INSERT INTO c VALUES (3)")  # foreign keys are on again
    assert "FOREIGN KEY" in refused["message"]


async def test_an_import_that_fails_leaves_nothing(client: Client) -> None:
    await client.import_(await client.upload("CREATE TABLE t (a); INSERT INTO nope VALUES (1);"))

    done = await client.finished()

    assert (done["status"], done["error"]) == ("error", "no such table: nope: SQLITE_ERROR")
    assert "no such table" in (await client.run("SELECT * FROM t"))["message"]


async def test_finished_and_never_begun_are_answered_alike(client: Client) -> None:
    idle = await client.finished()
    await client.import_(await client.upload("CREATE TABLE t (a);"))
    await client.finished()

    assert await client.finished() == idle
    assert (idle["success"], idle["error"]) == (False, "Not currently importing anything.")


async def test_a_file_uploaded_before_is_ingested_at_once(client: Client) -> None:
    ingest = await client.upload("CREATE TABLE IF NOT EXISTS t (a); INSERT INTO t VALUES (1);")
    await client.import_(ingest)
    await client.finished()

    again = await client.import_({"action": "init", "etag": ingest["etag"]})
    await client.finished()

    assert "upload_url" not in again
    assert await client.run("SELECT * FROM t") == [[1], [1]]


async def test_a_file_that_is_not_the_one_announced_is_not_ingested(client: Client) -> None:
    ingest = await client.upload("CREATE TABLE t (a);")

    answer = await client.import_({**ingest, "etag": "0" * 32})

    assert (answer["success"], answer["error"]) == (False, "Import file not found")


async def test_while_importing_all_else_is_refused_and_unpolled_it_is_rolled_back(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with LocalD1(tmp_path, times=Times(poll_s=0)) as d1:
        client = Client(d1, await d1.create("shop"), session)
        await client.import_(await client.upload(f"CREATE TABLE t (a); {ENDLESS};"))

        answers = [await client.run("SELECT name FROM sqlite_schema WHERE name = 't'")]
        while answers[-1] != []:
            answers.append(await client.run("SELECT name FROM sqlite_schema WHERE name = 't'"))

        assert {answer["message"] for answer in answers[:-1]} <= {
            "Currently processing a long-running import."
        }
        assert (await client.finished())["error"] == "Not currently importing anything."


async def test_an_export_loses_what_the_hosted_one_loses(client: Client) -> None:
    await client.run("CREATE TABLE t (a INTEGER PRIMARY KEY, b, c AS (a + 1))")
    await client.run(
        "INSERT INTO t VALUES (1, 'it''s'), (2, x'00ff'), (3, 1e999), (9007199254740993, NULL)"
    )

    started = (await client.send("export", {"output_format": "polling"}))[1]["result"]
    done = await client.finished("export")

    async with client.session.get(done["result"]["signed_url"]) as answer:
        lines = (await answer.text()).splitlines()
    assert started["status"] == "active"
    assert lines == [
        "PRAGMA defer_foreign_keys=TRUE;",
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b, c AS (a + 1));",
        """INSERT INTO "t" ("a","b") VALUES(1,'it''s');""",
        """INSERT INTO "t" ("a","b") VALUES(2,X'00ff');""",
        """INSERT INTO "t" ("a","b") VALUES(3,Infinity);""",
        """INSERT INTO "t" ("a","b") VALUES(9007199254740992,NULL);""",
    ]


async def test_over_the_limit_the_api_blocks(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with LocalD1(tmp_path, faults=Faults(limit=2, block_s=300)) as d1:
        client = Client(d1, await d1.create("shop"), session)

        answers = [
            await client.session.post(f"{client.url}/raw", json={"sql": "SELECT 1"})
            for _ in range(4)
        ]

        assert [answer.status for answer in answers] == [200, 200, 429, 429]
        assert answers[2].headers["Retry-After"] == "300"
        assert (await answers[3].json())["errors"][0]["code"] == 971


async def test_an_answer_can_be_lost_after_the_work(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    lost = Faults(rate=1.0, kinds=(FaultKind.LOST,))
    async with LocalD1(tmp_path, faults=lost) as d1:
        client = Client(d1, await d1.create("shop"), session)
        with pytest.raises(aiohttp.ClientError):
            await client.run("CREATE TABLE t (a)")

    async with LocalD1(tmp_path) as d1:
        client = Client(d1, await d1.create("shop"), session)
        assert await client.run("SELECT * FROM t") == []


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        (FaultKind.OVERLOAD, 429, "D1 DB is overloaded"),
        (FaultKind.RESET, 500, "Network connection lost"),
        (FaultKind.CPU, 500, "exceeded its CPU time limit"),
        (FaultKind.GATEWAY, 502, "<title>502 Bad Gateway</title>"),
    ],
)
async def test_a_random_failure_looks_like_the_hosted_one(
    tmp_path: Path, session: aiohttp.ClientSession, kind: FaultKind, status: int, said: str
) -> None:
    async with LocalD1(tmp_path, faults=Faults(rate=1.0, kinds=(kind,))) as d1:
        client = Client(d1, await d1.create("shop"), session)

        async with session.post(f"{client.url}/raw", json={"sql": "SELECT 1"}) as answer:
            assert (answer.status, said in await answer.text()) == (status, True)


async def test_a_body_beyond_all_measure_is_413(client: Client) -> None:
    async with client.session.post(
        f"{client.url}/raw", data=io.BytesIO(bytes(100_000_001))
    ) as answer:
        assert answer.status == 413
        assert (await answer.json())["success"] is False
