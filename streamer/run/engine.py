"""Asks D1 what its engine can do, along with something else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from streamer.errors import BadRowsError
from streamer.model import Answer, Statement
from streamer.pack import Engine, engine_probes, probed


class Database(Protocol):
    """Runs statements in one request, which is one transaction; retries by itself."""

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        """Return the results; every request given here may be sent more than once."""
        ...


async def with_engine(database: Database, statements: Sequence[Statement]) -> tuple[Answer, Engine]:
    """The answer to `statements`, which only read, and the engine; an older one is asked twice.

    Raises:
        BadRowsError: D1 refuses one of `statements`.
    """
    *probes, newer = engine_probes()
    try:
        answer = await database.execute([*statements, *probes, newer])
    except BadRowsError:
        answer = await database.execute([*statements, *probes])
    return answer, probed(answer.results[len(statements) :])
