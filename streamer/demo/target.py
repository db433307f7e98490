"""Talks to the local D1 over plain HTTP, as any program could."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from streamer.errors import StreamerError
from streamer.model import Secret
from streamer.model.sql import quote_identifier

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
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

    def primary_key(self, table: str) -> list[str]:
        """The columns of `table`'s primary key, in its order; empty where it has none."""
        sql = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
        return [name for (name,) in self.query(sql, [table])]

    def count_rows(self) -> int:
        """The rows of all the user's tables together."""
        tables = self.query(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            " AND substr(name, 1, 1) <> '_' AND substr(name, 1, 7) <> 'sqlite_'"
        )
        counts = [
            self.query(f"SELECT CAST(count(*) AS TEXT) FROM {quote_identifier(name)}")
            for (name,) in tables
        ]
        return sum(int(count[0][0]) for count in counts)

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
