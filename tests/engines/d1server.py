"""What the two local D1s, workerd and `streamer serve-d1`, have in common for the tests."""

from __future__ import annotations

import abc
import http.client
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

JSON = Any  # an answer's body: tests look into it as they please

TOKEN = "test-token"
ACCOUNT = "test-account"
_IDLE_S = 2.0


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer; `body` is the parsed JSON (the bytes where it isn't JSON)."""

    status: int
    headers: Mapping[str, str]
    body: JSON

    @property
    def error(self) -> tuple[int, int, str]:
        """Status, code and message of the first error."""
        first = self.body["errors"][0]
        return self.status, first["code"], first["message"]


class D1RequestError(Exception):
    """A refused request: `status`, `code`, `message`."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.status, self.code, self.message = answer.error
        super().__init__(f"{self.status}, {self.code}: {self.message}")


class D1Server(abc.ABC):
    """A local D1 in a process of its own. Synchronous, so that every test can use it.

    `base_url` ends in /client/v4 (what CLOUDFLARE_API_BASE_URL takes). The same state directory can be
    served again by another instance, or by `restart()`.
    """

    name: str
    account_id = ACCOUNT

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.port = 0
        self._connection: http.client.HTTPConnection | None = None
        self._used_at = 0.0

    @property
    @abc.abstractmethod
    def pid(self) -> int:
        """The serving process, for CPU figures and signals."""

    @abc.abstractmethod
    def start(self) -> None:
        """Start serving; `port` is known on return, and stays the same over restarts."""

    @abc.abstractmethod
    def kill(self) -> None:
        """End the process at once, as a power cut would."""

    @abc.abstractmethod
    def stop(self) -> None:
        """End the process cleanly; nothing where it isn't running."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def restart(self) -> None:
        """Stop and start again on the same state and the same port."""
        self.stop()
        self.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/client/v4"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a client, but for D1_DATABASE_ID."""
        return {
            "CLOUDFLARE_API_BASE_URL": self.base_url,
            "CLOUDFLARE_API_TOKEN": self.token,
            "CLOUDFLARE_ACCOUNT_ID": self.account_id,
        }

    def request(
        self,
        method: str,
        path: str,
        body: JSON = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Send one request to `path` (from the root) with the token; `body` is bytes or a JSON value."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        answer, raw = self._send(method, path, data, sent)
        is_json = answer.headers.get_content_type() == "application/json"
        return HttpAnswer(answer.status, dict(answer.headers), json.loads(raw) if is_json else raw)

    def api(self, method: str, path: str, body: JSON = None) -> HttpAnswer:
        """Send one request below /accounts/{account}/d1/database."""
        return self.request(
            method, f"/client/v4/accounts/{self.account_id}/d1/database{path}", body
        )

    def create(self, name: str) -> str:
        """Create a database and return its uuid."""
        return _result(self.api("POST", "", {"name": name}))["uuid"]

    def delete(self, uuid: str) -> None:
        """Delete a database."""
        _result(self.api("DELETE", f"/{uuid}"))

    def find(self, name: str) -> str | None:
        """The uuid of the database of exactly this name."""
        listed = _result(self.api("GET", f"?{urlencode({'name': name})}"))
        return next((database["uuid"] for database in listed if database["name"] == name), None)

    def batch(
        self, uuid: str, statements: Iterable[tuple[str, Sequence[JSON]]], *, route: str = "raw"
    ) -> list[JSON]:
        """Run statements in one request; the results as answered. Raises D1RequestError."""
        queries = [{"sql": sql, "params": list(params)} for sql, params in statements]
        return _result(self.api("POST", f"/{uuid}/{route}", {"batch": queries}))

    def run(self, uuid: str, sql: str, *params: JSON) -> JSON:
        """Run one statement; its result as answered ({results: {columns, rows}, meta, success})."""
        body = {"sql": sql, "params": list(params)} if params else {"sql": sql}
        return _result(self.api("POST", f"/{uuid}/raw", body))[-1]

    def rows(self, uuid: str, sql: str, *params: JSON) -> list[list[JSON]]:
        """Run one statement and return its rows."""
        return self.run(uuid, sql, *params)["results"]["rows"]

    def set_faults(self, *faults: Mapping[str, JSON]) -> None:
        """Play these faults instead of the ones set before (fields: faults.mjs, faults.py)."""
        self.request("POST", "/__faults", list(faults))

    def stats(self, *, reset: bool = False) -> JSON:
        """Count of requests since the start or the last reset: requests, by, in_flight_max, request_bytes."""
        return self.request("DELETE" if reset else "GET", "/__stats").body

    def disconnect(self) -> None:
        """Close the kept connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        # Servers close idle connections (workerd after 5 s), so an old one isn't used again. Nothing
        # is sent twice: a test that provokes a lost connection must see it.
        if time.monotonic() - self._used_at > _IDLE_S:
            self.disconnect()
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            self._connection.request(method, path, body=data, headers=dict(headers))
            answer = self._connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException):
            self.disconnect()
            raise
        self._used_at = time.monotonic()
        return answer, raw


def _result(answer: HttpAnswer) -> JSON:
    if answer.status != 200 or not answer.body["success"]:
        raise D1RequestError(answer)
    return answer.body["result"]
