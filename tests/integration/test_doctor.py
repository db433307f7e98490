"""The doctor on a real PostgreSQL and a real D1."""

import argparse
import json

import pytest

from streamer.cli import doctor
from streamer.config import Config, SourceSettings, TargetSettings
from streamer.errors import ExitCode
from streamer.model import Secret
from tests.engines.postgres import Database
from tests.engines.workerd import Workerd

pytestmark = [pytest.mark.postgres, pytest.mark.workerd]


@pytest.fixture
def config(
    database: Database,
    workerd_d1: Workerd,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Config:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    return Config(
        source=SourceSettings(dsn=Secret(database.dsn)),
        target=TargetSettings(
            account_id=workerd_d1.account_id,
            database=workerd_d1.create(database.name),
            token=Secret(workerd_d1.token),
            api_base_url=workerd_d1.base_url,
        ),
    )


async def examine(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> tuple[ExitCode, dict[str, dict[str, str]]]:
    code = await doctor.run(argparse.Namespace(json=True), config)
    checks = json.loads(capsys.readouterr().out)["checks"]
    return code, {f"{check['end']} {check['about']}": check for check in checks}


async def test_two_healthy_ends_let_a_run_start(
    config: Config, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    await database.execute("CREATE TABLE a (id int PRIMARY KEY)")

    code, checks = await examine(config, capsys)

    assert code is ExitCode.DONE
    assert {check["verdict"] for check in checks.values()} == {"ok"}
    assert checks["source pooler"]["found"].startswith("none")


async def test_a_table_without_permission_and_one_with_row_security_are_problems(
    config: Config, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    await database.execute(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);"
        " ALTER TABLE b ENABLE ROW LEVEL SECURITY; DROP ROLE IF EXISTS doctor_reader;"
        " CREATE ROLE doctor_reader LOGIN PASSWORD 'canary' ;"
        " GRANT SELECT ON b TO doctor_reader"
    )
    source = SourceSettings(
        host=database.host,
        port=database.port,
        database=database.name,
        user="doctor_reader",
        password=Secret("canary"),
    )

    code, checks = await examine(Config(source=source, target=config.target), capsys)
    await database.execute("DROP OWNED BY doctor_reader; DROP ROLE doctor_reader")

    assert code is ExitCode.FAILED
    assert "public.a" in checks["source permission"]["found"]
    assert "public.b" in checks["source row security"]["found"]


async def test_rows_in_the_way_are_a_warning(
    config: Config, database: Database, workerd_d1: Workerd, capsys: pytest.CaptureFixture[str]
) -> None:
    assert config.target is not None
    await database.execute("CREATE TABLE a (id int PRIMARY KEY)")
    workerd_d1.run(config.target.database, "CREATE TABLE a (id INTEGER PRIMARY KEY)")
    workerd_d1.run(config.target.database, "INSERT INTO a VALUES (1)")

    code, checks = await examine(config, capsys)

    assert code is ExitCode.DONE
    assert checks["target contents"]["verdict"] == "warning"


async def test_both_ends_are_looked_at_even_where_neither_answers(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    assert config.target is not None
    nowhere = SourceSettings(host="127.0.0.1", port=1, database="x", user="x")
    refused = TargetSettings(
        config.target.account_id,
        config.target.database,
        Secret("wrong"),
        config.target.api_base_url,
    )

    code = await doctor.run(argparse.Namespace(json=False), Config(source=nowhere, target=refused))

    lines = capsys.readouterr().out
    assert code is ExitCode.FAILED
    assert lines.count("problem  connection") == 2
    assert "2 to mend" in lines
