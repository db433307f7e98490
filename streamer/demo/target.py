"""Talks to the local D1 over plain HTTP, as any program could."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from streamer.errors import StreamerError
from streamer.model import Secret

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """A database behind Cloudflare's REST API at `api_base_url`, on this machine."""

    api_base_url: str
    account: str
    token: Secret
    database: str = ""

    def create(self, name: str) -> Target:
        """The same, for a new database called `name`."""
        answer = self._post("", {"name": name})
        match answer:
            case {"uuid": str(database)}:
                return Target(self.api_base_url, self.account, self.token, database)
            case _:
                raise StreamerError("The local D1 made no database.")

    def query(self, sql: str, params: Sequence[str] = ()) -> list[list[str]]:
        """The rows of one statement; every cell must be a text."""
        answer = self._post(f"/{self.database}/raw", {"sql": sql, "params": list(params)})
        match answer:
            case [{"results": {"rows": list(rows)}}]:  # pyright: ignore[reportUnknownVariableType] -- JSON
                return rows  # pyright: ignore[reportUnknownVariableType] -- JSON
            case _:
                raise StreamerError("The local D1 gave no rows.")

    def primary_key(self, table: str) -> list[str]:
        """The columns of `table`'s primary key, in its order; empty where it has none."""
        sql = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
        return [name for (name,) in self.query(sql, [table])]

    def tables(self) -> list[str]:
        """The user's tables that are there now."""
        sql = (
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'"
            " AND name NOT LIKE 'sqlite%' ORDER BY name"
        )
        return [name for (name,) in self.query(sql)]

    def _post(self, path: str, body: object) -> object:
        base = urlsplit(self.api_base_url)
        connection = HTTPConnection(base.hostname or "", base.port, timeout=TIMEOUT_S)
        try:
            connection.request(
                "POST",
                f"{base.path}/accounts/{self.account}/d1/database{path}",
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
