"""Talks to the local D1 over plain HTTP, as any program could."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from streamer.errors import StreamerError
from streamer.frozen import frozen
from streamer.model import Secret
from streamer.model.sql import quote_identifier

TIMEOUT_S = 60.0


@frozen
class Target:
    """A database behind Cloudflare's REST API at `api_base_url`, on this machine."""

    api_base_url: str
    account: str
    token: Secret
    database: str

    def query(self, sql: str, params: Sequence[str] = ()) -> list[list[str]]:
        """The rows of one statement; every cell must be a text."""
        answer = self._post({"sql": sql, "params": list(params)})
        match answer:
            case [{"results": {"rows": list(rows)}}]:  # pyright: ignore[reportUnknownVariableType] -- JSON
                return rows  # pyright: ignore[reportUnknownVariableType] -- JSON
            case _:
                raise StreamerError("The local D1 gave no rows.")

    def primary_keys(self) -> dict[str, list[str]]:
        """The columns of each table's primary key, in its order; a table without one isn't there."""
        keys: dict[str, list[str]] = {}
        for table, column in self.query(
            "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c"
            " WHERE m.type = 'table' AND m.name NOT LIKE '\\_cf\\_%' ESCAPE '\\'"
            " AND c.pk > 0 ORDER BY m.name, c.pk"
        ):
            keys.setdefault(table, []).append(column)
        return keys

    def count_rows(self, tables: Iterable[str]) -> int:
        """The rows of these tables together."""
        counts = [f"(SELECT count(*) FROM {quote_identifier(name)})" for name in tables]
        return int(self.query(f"SELECT CAST({' + '.join(counts)} AS TEXT)")[0][0])

    def _post(self, body: object) -> object:
        base = urlsplit(self.api_base_url)
        connection = HTTPConnection(base.hostname or "", base.port, timeout=TIMEOUT_S)
        try:
            connection.request(
                "POST",
                f"{base.path}/accounts/{self.account}/d1/database/{self.database}/raw",
                json.dumps(body).encode(),
                {
                    "Authorization": f"Bearer {self.token.reveal()}",
                    "Content-Type": "application/json",
                },
            )
            answer = json.loads(connection.getresponse().read())
        except (OSError, HTTPException, ValueError) as error:
            raise StreamerError(f"The local D1 doesn't answer: {type(error).__name__}.") from None
        finally:
            connection.close()
        match answer:
            case {"success": True, "result": result}:
                return result  # pyright: ignore[reportUnknownVariableType] -- JSON
            case {"errors": [{"message": str(message)}, *_]}:
                raise StreamerError(f"The local D1 refused a request: {message}.")
            case _:
                raise StreamerError("The local D1 gave an answer that isn't one.")
