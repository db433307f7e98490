"""Whoever stands in D1's place without being D1: neither the token nor a row is given to them."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.engines.connect_proxy import proxying
from tests.engines.d1server import TOKEN
from tests.engines.postgres import Database
from tests.engines.tcp_proxy import TcpProxy
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories.command import Outcome, Streamer, ended

CERTIFICATES = Path(__file__).parent / "certificates"
"""Made with openssl: `root` signed `good` (127.0.0.1), `expired` (2021) and `other` (example.com)."""

SELF_SIGNED = Path(__file__).parent.parent / "unit" / "d1" / "self_signed.pem"

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    await database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, name text);"
        "INSERT INTO t SELECT n, 'precious ' || n FROM generate_series(1, 50) AS n"
    )
    uuid = workerd_d1.create(database.name)
    yield Streamer(tmp_path, database, workerd_d1, uuid)
    workerd_d1.delete(uuid)


async def finished(streamer: Streamer, *arguments: str) -> Outcome:
    return await asyncio.to_thread(ended, streamer.start(*arguments))


def speaks_as(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("command", ["run", "doctor"])
@pytest.mark.parametrize(
    "certificate",
    [CERTIFICATES / "expired.pem", CERTIFICATES / "other.pem", SELF_SIGNED],
    ids=lambda path: path.stem,
)
async def test_fault_29_a_server_with_a_bad_certificate_gets_neither_token_nor_rows(
    streamer: Streamer, certificate: Path, command: str
) -> None:
    streamer.overrides["SSL_CERT_FILE"] = str(CERTIFICATES / "root.pem")

    async with TcpProxy(streamer.target.port, tls=speaks_as(certificate)) as impostor:
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = (
            f"https://127.0.0.1:{impostor.port}/client/v4"
        )
        done = await finished(streamer, command)

    assert done.code == 1, done.said
    assert "certificate" in done.said
    assert "what to do" in done.stderr or command == "doctor"
    assert impostor.connections == 0, "no handshake ended, so that nothing was sent"


async def test_fault_29_a_server_with_a_good_certificate_is_spoken_to(streamer: Streamer) -> None:
    streamer.overrides["SSL_CERT_FILE"] = str(CERTIFICATES / "root.pem")

    async with TcpProxy(streamer.target.port, tls=speaks_as(CERTIFICATES / "good.pem")) as server:
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = f"https://127.0.0.1:{server.port}/client/v4"
        done = await finished(streamer, "run")

    assert done.code == 0, done.said
    assert streamer.target.rows(streamer.uuid, "SELECT count(*) FROM t") == [[50]]


async def test_a_proxy_is_gone_through_only_where_it_is_asked_for(streamer: Streamer) -> None:
    streamer.program = ("tests.stories.hasty",)
    streamer.overrides["SSL_CERT_FILE"] = str(CERTIFICATES / "root.pem")
    login = "user:hunter2"

    async with (
        TcpProxy(streamer.target.port, tls=speaks_as(CERTIFICATES / "good.pem")) as server,
        proxying(login) as proxy,
    ):
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = f"https://127.0.0.1:{server.port}/client/v4"
        streamer.overrides["HTTPS_PROXY"] = f"http://{login}@127.0.0.1:{proxy.port}"
        direct = await finished(streamer, "run")
        before = len(proxy.tunnels)
        streamer.overrides["STREAMER_PROXY"] = "environment"
        through = await finished(streamer, "run", "--if-exists", "replace")
        streamer.overrides["STREAMER_PROXY"] = f"http://127.0.0.1:{proxy.port}"
        refused = await finished(streamer, "doctor")

    assert (direct.code, before) == (0, 0), direct.said
    assert through.code == 0, through.said
    assert {*proxy.tunnels} == {f"127.0.0.1:{server.port}"}
    assert streamer.target.rows(streamer.uuid, "SELECT count(*) FROM t") == [[50]]
    assert "the proxy refuses the connection (407)" in refused.said
    assert "hunter2" not in direct.said + through.said + refused.said


@pytest.mark.parametrize("at", [1, 4])
@pytest.mark.parametrize("status", [301, 307, 308])
async def test_fault_29_a_redirect_is_not_followed(
    streamer: Streamer, workerd_d1: Workerd, status: int, at: int
) -> None:
    async with Between(workerd_d1) as between, TcpProxy(workerd_d1.port) as elsewhere:

        async def deal(request: Request, forward: Forward) -> web.Response:
            if request.number < at:
                return await forward()
            place = f"http://127.0.0.1:{elsewhere.port}{request.path}"
            return web.Response(status=status, headers={"Location": place})

        between.deal = deal
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
        done = await finished(streamer, "run")

    assert done.code == 1, done.said
    assert "redirects" in done.stderr
    assert elsewhere.connections == 0
    assert between.requests == at
    assert TOKEN not in done.said


def without_rows(answer: web.Response, number: int) -> web.Response:
    """An answer of D1 whose results hold no rows, or rows of NULLs or of texts, by turns."""
    assert isinstance(answer.body, bytes)
    document = json.loads(answer.body)
    for result in document["result"] or []:
        held = result["results"]
        cell = [None, "text"][number % 2]
        held["rows"] = [[cell] * len(row) for row in held["rows"] if number % 3]
    return web.json_response(document)


@pytest.mark.parametrize(
    "command",
    [("validate", "--full", "--repair"), ("rollback", "--yes"), ("doctor",)],
    ids=lambda command: command[0],
)
async def test_fault_10_no_command_crashes_at_an_answer_that_lacks_what_it_asked_for(
    streamer: Streamer, workerd_d1: Workerd, command: tuple[str, ...]
) -> None:
    async with Between(workerd_d1) as between:
        number, requests = 0, 1
        while number <= requests:
            number += 1
            if number == 1 or command[0] == "rollback":
                workerd_d1.run(streamer.uuid, "DROP TABLE IF EXISTS t")
                moved = await finished(streamer, "run", "--restart", "--progress", "none")
                assert moved.code == 0, moved.said
            asked = between.requests

            async def deal(
                request: Request, forward: Forward, at: int = asked + number
            ) -> web.Response:
                answer = await forward()
                return without_rows(answer, at) if request.number == at else answer

            between.deal = deal
            streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
            done = await finished(streamer, *command)
            del streamer.overrides["CLOUDFLARE_API_BASE_URL"]
            requests = between.requests - asked

            assert "internal error" not in done.said, (number, done.said)
            assert done.code in {0, 1, 3, 75}, (number, done.said)

    assert number > 2
