"""Rows alone, made beforehand without the product, sent by a loop that does nothing else.

PostgreSQL prints the cells, so that they are those the product sends, in statements and requests as
large as its own. What the product adds are the claim, the guards, the ledger and the checks.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import orjson

from bench.figures import Figures
from bench.machine import cpu_s
from bench.work import Work
from tests.engines.copied import copied_lines
from tests.engines.postgres import Postgres
from tests.engines.workerd import Workerd

_STATEMENT_BYTES = 450_000
_REQUEST_BYTES = 4_000_000
_FETCH_ROWS = 10_000


async def bodies(work: Work, postgres: Postgres) -> list[bytes]:
    """The request bodies that hold all rows, in key order."""
    head = b'{"sql":' + orjson.dumps(work.upsert_sql) + b',"params":["['
    made: list[bytes] = []
    statements: list[bytes] = []
    rows: list[bytes] = []
    statement_bytes = request_bytes = 0

    def end_statement() -> None:
        nonlocal rows, statement_bytes
        if rows:
            statements.append(head + b",".join(rows) + b']"]}')
        rows, statement_bytes = [], 0

    def end_request() -> None:
        nonlocal statements, request_bytes
        end_statement()
        if statements:
            made.append(b'{"batch":[' + b",".join(statements) + b"]}")
        statements, request_bytes = [], 0

    connection = await postgres.connect()
    try:
        async with connection.transaction():
            async for record in connection.cursor(work.cells_sql, prefetch=_FETCH_ROWS):
                line = copied_lines([_cells(work, record.values())]).decode()
                row = orjson.dumps(f"[{line[:-1]}]")[1:-1]  # as it stands inside a JSON string
                if request_bytes + len(row) > _REQUEST_BYTES - 4 * len(head):
                    end_request()
                elif statement_bytes + len(row) > _STATEMENT_BYTES:
                    end_statement()
                rows.append(row)
                statement_bytes += len(row) + 1
                request_bytes += len(row) + 1
    finally:
        await connection.close()
    end_request()
    return made


def _cells(work: Work, texts: Iterable[str | None]) -> list[str | int | None]:
    """What PostgreSQL printed, numbers as such: they travel bare."""
    return [
        int(text) if text is not None and name in work.integers else text
        for (name, _), text in zip(work.columns, texts, strict=True)
    ]


def send(
    work: Work, rows: int, made: Sequence[bytes], workerd: Workerd, connections: int
) -> tuple[str, Figures]:
    """Send them to a fresh database of `workerd`; its uuid and what that took."""
    uuid = workerd.create("floor")
    workerd.run(uuid, work.target_sql)
    workerd.stats(reset=True)
    waiting = iter(made)
    before_cpu, before_own = cpu_s(workerd.pid), time.process_time()
    started = time.perf_counter()
    with ThreadPoolExecutor(connections) as senders:
        for done in [senders.submit(_send_all, workerd, uuid, waiting) for _ in range(connections)]:
            done.result()
    wall_s = time.perf_counter() - started
    after_cpu = cpu_s(workerd.pid)
    stats = workerd.stats()
    return uuid, Figures(
        name=f"rows alone, {connections} connections",
        rows=rows,
        wall_s=wall_s,
        own_cpu_s=time.process_time() - before_own,
        engine_cpu_s=None if before_cpu is None or after_cpu is None else after_cpu - before_cpu,
        requests=int(stats["requests"]),
        sent_bytes=sum(len(body) for body in made),
    )


def _send_all(workerd: Workerd, uuid: str, waiting: Iterator[bytes]) -> None:
    path = f"/client/v4/accounts/{workerd.account_id}/d1/database/{uuid}/raw"
    headers = {"Authorization": f"Bearer {workerd.token}", "Content-Type": "application/json"}
    connection = HTTPConnection("127.0.0.1", workerd.port, timeout=120)
    for body in waiting:
        connection.request("POST", path, body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200 or not orjson.loads(text)["success"]:
            raise RuntimeError(f"the request was refused: {answer.status} {text[:500]!r}")
    connection.close()
