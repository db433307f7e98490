"""One database of a local D1, and the same database on both at once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.engines.d1server import D1RequestError, D1Server

JSON = Any
Refusal = tuple[int, int, str]
# Timings differ, and who served; the stand-in only estimates rows_read.
COMPARED = ("changes", "last_row_id", "changed_db", "rows_written")


@dataclass(frozen=True, slots=True)
class Target:
    """One database of one server."""

    server: D1Server
    uuid: str

    def send(self, body: JSON, route: str = "raw") -> JSON:
        """The result of a request; raises D1RequestError."""
        answer = self.server.api("POST", f"/{self.uuid}/{route}", body)
        if answer.status != 200:
            raise D1RequestError(answer)
        return answer.body["result"]

    def run(self, sql: str, *params: JSON) -> JSON:
        """The result of the last statement of `sql`."""
        return self.send({"sql": sql, "params": params} if params else {"sql": sql})[-1]

    def rows(self, sql: str, *params: JSON) -> list[list[JSON]]:
        """The rows of a statement."""
        return self.run(sql, *params)["results"]["rows"]

    def meta(self, sql: str, *params: JSON) -> JSON:
        """The figures of a statement."""
        return self.run(sql, *params)["meta"]

    def batch(self, *statements: str | tuple[str, Sequence[JSON]]) -> list[JSON]:
        """The results of a batch."""
        pairs = [(one, []) if isinstance(one, str) else one for one in statements]
        return self.send({"batch": [{"sql": sql, "params": params} for sql, params in pairs]})

    def refusal(self, *statements: str | tuple[str, Sequence[JSON]]) -> Refusal:
        """Status, code and message with which a batch is refused."""
        with pytest.raises(D1RequestError) as caught:
            self.batch(*statements)
        return caught.value.status, caught.value.code, caught.value.message


@dataclass(frozen=True, slots=True)
class Pair:
    """A database of workerd and one of the stand-in that get the same requests."""

    real: Target
    ours: Target

    def batch(self, *statements: str | tuple[str, Sequence[JSON]]) -> JSON:
        """What both answer to a batch: fails where they differ."""
        real, ours = _outcome(self.real, statements), _outcome(self.ours, statements)
        assert ours == real, statements
        return real

    def run(self, sql: str, *params: JSON) -> JSON:
        """What both answer to a statement: fails where they differ."""
        return self.batch((sql, params))


def _outcome(target: Target, statements: Sequence[str | tuple[str, Sequence[JSON]]]) -> JSON:
    try:
        results = target.batch(*statements)
    except D1RequestError as error:
        return error.status, error.code, error.message
    return [
        (
            one["results"]["columns"],
            one["results"]["rows"],
            *(one["meta"][name] for name in COMPARED),
        )
        for one in results
    ]


def fresh(server: D1Server) -> Target:
    """A new database."""
    return Target(server, server.create(uuid.uuid4().hex))
