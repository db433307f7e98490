"""Rows alone, made beforehand without the product, to be sent by a loop that does nothing else.

PostgreSQL prints the cells, so that they are those the product sends, in statements and requests as
large as its own. What the product adds are the claim, the guards, the ledger and the checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from bench.recorded import Recorded, Request
from bench.work import Work
from tests.engines.copied import copied_lines
from tests.engines.d1server import ACCOUNT
from tests.engines.postgres import Postgres

_STATEMENT_BYTES = 450_000
_REQUEST_BYTES = 4_000_000
_FETCH_ROWS = 10_000
_NOWHERE = "rows-alone"  # the database that a path names until it is sent


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


def recorded(work: Work, rows: int, made: Sequence[bytes]) -> Recorded:
    """The table, and then these bodies, as if a run had sent them."""
    path = f"/client/v4/accounts/{ACCOUNT}/d1/database/{_NOWHERE}/raw"
    table = Request("POST", path, orjson.dumps({"sql": work.target_sql}), after=0, status=200)
    filling = [Request("POST", path, body, after=1, status=200) for body in made]
    return Recorded(_NOWHERE, rows, [table, *filling])
