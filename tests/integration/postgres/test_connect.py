"""What a user is told when the source can't be reached, and that no secret is in it."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.config import SourceSettings
from streamer.errors import SourceError, SourceLostError, StreamerError, UsageError
from streamer.model import Consistency, Page, PageSize, Secret, StepKind
from streamer.postgres import Patience, PostgresSource
from streamer.postgres.address import resolve
from streamer.postgres.connect import SETTINGS, Connector, beginning
from tests.engines.pgbouncer import transaction_pooled
from tests.engines.postgres import PASSWORD, Database, Postgres
from tests.engines.table_plans import plan_table, table_of

pytestmark = pytest.mark.postgres


def settings_of(database: Database) -> SourceSettings:
    return SourceSettings(
        host=database.host,
        port=database.port,
        database=database.name,
        user=database.user,
        password=Secret(database.password),
    )


async def said(settings: SourceSettings) -> StreamerError:
    with pytest.raises(StreamerError) as caught:
        async with PostgresSource.open(settings):
            pass
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return caught.value


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Change = Callable[[SourceSettings], SourceSettings]
WRONG: dict[str, tuple[Change, type[StreamerError], str]] = {
    "password": (
        lambda s: replace(s, password=Secret("hunter2")),
        SourceError,
        'refuses the password of user "postgres"',
    ),
    "user": (
        lambda s: replace(s, user="nobody_here"),
        SourceError,
        'refuses the password of user "nobody_here"',
    ),
    "database": (
        lambda s: replace(s, database="not there"),
        SourceError,
        'The database "not there" doesn\'t exist',
    ),
    "port": (lambda s: replace(s, port=_closed_port()), SourceLostError, "Nothing listens at"),
    "port of a name with two addresses": (
        lambda s: replace(s, host="localhost", port=_closed_port()),
        SourceLostError,
        "Nothing listens at",
    ),
    "host": (lambda s: replace(s, host="no.such.host.invalid"), SourceError, "isn't known"),
    "socket folder": (
        lambda s: replace(s, host="/nowhere"),
        SourceError,
        "Nothing is at the socket",
    ),
    "TLS": (lambda s: replace(s, sslmode="require"), SourceError, "doesn't offer TLS"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_wrong_setting_is_named_with_a_hint_and_without_a_secret(
    database: Database, what: str
):
    change, kind, words = WRONG[what]

    error = await said(change(settings_of(database)))

    assert type(error) is kind
    assert words in error.what
    assert error.hint
    for secret in (PASSWORD, "hunter2", "postgresql://"):
        assert secret not in str(error)
        assert secret not in repr(error)


async def test_a_socket_folder_and_a_dsn_lead_to_the_same_database(database: Database):
    by_socket = SourceSettings(
        host=str(database.server.socket_folder),
        port=database.port,
        user=database.user,
        database=database.name,
    )

    by_dsn = SourceSettings(dsn=Secret(database.dsn))

    async with PostgresSource.open(by_socket) as one, PostgresSource.open(by_dsn) as other:
        assert one.identity == other.identity
        assert not other.facts.transaction_pooled


async def test_the_identity_survives_a_restart_and_tells_clusters_apart(
    postgres: Postgres, older_postgres: Postgres
):
    settings = settings_of(Database(postgres, "postgres"))
    async with PostgresSource.open(settings) as source:
        before = source.identity

    postgres.restart()

    async with PostgresSource.open(settings) as source:
        assert source.identity == before
    async with PostgresSource.open(settings_of(Database(older_postgres, "postgres"))) as source:
        assert source.identity.system_identifier != before.system_identifier


async def test_a_role_that_may_not_look_at_the_cluster_gets_an_identity_too(database: Database):
    await database.execute(
        f"CREATE ROLE plain_{database.name} LOGIN PASSWORD 'p';"
        "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"
    )

    plain = replace(settings_of(database), user=f"plain_{database.name}", password=Secret("p"))
    async with PostgresSource.open(plain) as source:
        assert source.identity.system_identifier.startswith("database-")


async def test_every_transaction_has_our_settings_and_none_outlives_it(any_database: Database):
    connector = Connector(resolve(settings_of(any_database)), lambda _: None)
    session = await connector.connect()

    await session.execute(beginning())
    inside = {name: await session.fetchval(f"SHOW {name}") for name in SETTINGS}
    writes = await session.fetchval("SHOW transaction_read_only")
    await session.execute("ROLLBACK")
    outside = await session.fetchval("SHOW TimeZone")
    await session.close()

    assert inside == SETTINGS
    assert writes == "on"
    assert outside == "America/New_York"


async def test_row_level_security_is_an_error_and_not_fewer_rows(database: Database):
    role = f"reader_{database.name}"
    await database.execute(f"""
        CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1), (2);
        ALTER TABLE a ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON a USING (id = 1);
        CREATE TABLE b (id int PRIMARY KEY);
        CREATE ROLE {role} LOGIN PASSWORD 'p'; GRANT SELECT ON a TO {role}""")

    settings = replace(settings_of(database), user=role, password=Secret("p"))
    async with PostgresSource.open(settings) as source:
        catalog = await source.catalog()
        assert [table.readable for table in catalog.tables] == [True, False]
        hidden, forbidden = (plan_table(table_of(catalog, name)) for name in "ab")
        with pytest.raises(SourceError, match=r"Row-level security hides rows.*public.a"):
            await anext(source.read(hidden, StepKind.ROWS, None, PageSize()))
        with pytest.raises(SourceError, match=r"may not read.*public.b"):
            await anext(source.read(forbidden, StepKind.ROWS, None, PageSize()))


async def test_a_run_waits_for_connections_with_fewer_of_them(database: Database):
    role = f"narrow_{database.name}"
    await database.execute(f"""
        CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 20);
        CREATE ROLE {role} LOGIN PASSWORD 'p' CONNECTION LIMIT 1; GRANT SELECT ON a TO {role}""")
    settings = replace(settings_of(database), user=role, password=Secret("p"))

    async with PostgresSource.open(settings, Consistency.ROLLING) as source:
        plan = plan_table(table_of(await source.catalog(), "a"))
        first = source.read(plan, StepKind.ROWS, None, PageSize(10))
        second = source.read(plan, StepKind.ROWS, None, PageSize(10))
        seen = [len((await anext(first)).records)]
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(_first(second))
            seen += [len(page.records) async for page in first]
        seen.append(waiting.result())
        await second.aclose()

    assert seen == [10, 10, 10]


async def _first(pages: AsyncGenerator[Page]) -> int:
    return len((await anext(pages)).records)


@pytest.fixture(scope="module")
def tls_postgres(
    older_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Postgres, Path]]:
    """A server with a certificate for `localhost`, and the certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH")
    server = Postgres(older_postgres.engine)
    server.start()
    key, certificate = server.data_folder / "server.key", server.data_folder / "server.crt"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    owner = server.data_folder.stat()
    for path in (key, certificate):
        shutil.chown(path, owner.st_uid, owner.st_gid)
        path.chmod(0o600)
    server.settings["ssl"] = "on"
    server.restart()
    yield server, certificate
    server.remove()


async def test_a_certificate_is_checked_against_its_root_and_the_host(
    tls_postgres: tuple[Postgres, Path],
):
    server, root = tls_postgres
    base = replace(settings_of(Database(server, "postgres")), host="localhost")
    trusting = replace(base, sslmode="verify-full", sslrootcert=str(root))

    async with PostgresSource.open(trusting) as source:
        assert source.identity.database == "postgres"
    async with PostgresSource.open(replace(trusting, sslmode="verify-ca", host="127.0.0.1")):
        pass
    async with PostgresSource.open(replace(base, sslmode="require")):
        pass
    wrong_host = await said(replace(trusting, host="127.0.0.1"))
    unknown_root = await said(replace(trusting, sslrootcert="system"))

    for error in (wrong_host, unknown_root):
        assert "isn't trusted" in error.what
        assert "POSTGRES_SSLROOTCERT" in error.hint


async def test_a_root_certificate_that_is_missing_is_named_before_connecting(database: Database):
    settings = replace(
        settings_of(database), sslmode="verify-full", sslrootcert="/nowhere/root.crt"
    )

    error = await said(settings)

    assert "certificates" in error.what


async def test_behind_a_transaction_pooler_a_snapshot_is_refused_and_rolling_works(
    database: Database,
):
    await database.execute("""
        CREATE TABLE a (id int PRIMARY KEY, at timestamptz);
        INSERT INTO a SELECT g, '2024-01-01Z' FROM generate_series(1, 100) AS g""")

    with transaction_pooled(database) as dsn:
        pooled = SourceSettings(dsn=Secret(dsn))
        async with PostgresSource.open(pooled) as source:
            with pytest.raises(
                UsageError, match=r"pooler in transaction mode.*--consistency rolling"
            ):
                await source.begin()
        async with PostgresSource.open(
            pooled, Consistency.ROLLING, patience=Patience(30.0)
        ) as source:
            plan = plan_table(table_of(await source.catalog(), "a"))
            one = source.read(plan, StepKind.ROWS, None, PageSize(7))
            two = source.read(plan, StepKind.ROWS, None, PageSize(9))
            rows = [record async for page in one for record in page.records]
            rows += [record async for page in two for record in page.records]

    assert [tuple(row)[:2] for row in rows] == [
        (str(number), "2024-01-01 00:00:00") for number in [*range(1, 101), *range(1, 101)]
    ]
