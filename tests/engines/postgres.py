"""Real PostgreSQL servers for tests: the fixtures and what they give.

- `postgres`: the embedded server, one for the session; missing, it fails the test.
- `any_postgres`: the same test against the embedded server and, where there is one, the older one.
- `database`, `any_database`: a fresh database on these, as a `Database`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager

import pytest

from tests.engines import pgbouncer
from tests.engines.postgres_install import embedded_engine, older_engine
from tests.engines.postgres_server import PASSWORD, Database, Postgres, now

__all__ = ["PASSWORD", "Database", "Postgres", "filled", "now"]


@contextmanager
def filled(postgres: Postgres, sql: str) -> Generator[Database]:
    """A database with what `sql` makes, while the block lasts: for fixtures of a module."""
    database = now(postgres.create_database())
    database.execute_now(sql)
    yield database
    now(postgres.drop_database(database.name))


def pytest_report_header() -> str:
    """Say which servers the run uses: an older major that is missing must not go unnoticed."""
    try:
        embedded = embedded_engine().version
        older = older_engine()
    except (ImportError, OSError) as error:
        return f"postgres: MISSING ({error}); tests that need it will fail"
    pooler = "pgbouncer" if pgbouncer.PROGRAM else "no pgbouncer"
    return (
        f"postgres: {embedded} (embedded), {older.version if older else 'no older major'}, {pooler}"
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The embedded server."""
    server = Postgres.embedded()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def older_postgres() -> Iterator[Postgres]:
    """The older major; skips where there is none (the run's header says so)."""
    engine = older_engine()
    if engine is None:
        pytest.skip("no older PostgreSQL on PATH")
    server = Postgres(engine)
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session", params=["postgres", "older_postgres"])
def any_postgres(request: pytest.FixtureRequest) -> Postgres:
    """Each server in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    """A fresh database on the embedded server."""
    fresh = await postgres.create_database()
    yield fresh
    await postgres.drop_database(fresh.name)


@pytest.fixture
async def any_database(any_postgres: Postgres) -> AsyncIterator[Database]:
    """A fresh database on each server in turn."""
    fresh = await any_postgres.create_database()
    yield fresh
    await any_postgres.drop_database(fresh.name)
