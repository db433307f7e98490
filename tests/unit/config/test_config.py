"""Four places of settings → one `Config`, or every problem at once."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.config import Config, LogFormat, TargetSettings, known, resolve
from streamer.errors import ExitCode, SettingsError
from streamer.model import IfExists, Pack, Rate

TARGET = {
    "CLOUDFLARE_API_TOKEN": "canary-token",
    "CLOUDFLARE_ACCOUNT_ID": "account",
    "D1_DATABASE_ID": "shop",
}
SOURCE = {"POSTGRES_DSN": "postgresql://me:canary%40pw@db:5433/shop"}


def job(options: Mapping[str, object] | None = None, **environ: str) -> Config:
    return resolve(options or {}, environ, job=True)


def source(options: Mapping[str, object] | None = None, **environ: str) -> Config:
    return resolve(options or {}, environ, source=True)


def problems(
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    target: bool = True,
) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        resolve(options or {}, environ or {}, source=True, target=target, job=True)
    assert caught.value.exit_code is ExitCode.USAGE
    return caught.value.problems


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_nothing_given_is_every_default() -> None:
    config = resolve({}, {}, job=True)

    assert config == Config()


@given(st.sets(st.sampled_from(["option", "environment", "env file", "toml"]), min_size=1))
def test_the_highest_place_wins(tmp_path_factory: pytest.TempPathFactory, places: set[str]) -> None:
    folder = tmp_path_factory.getbasetemp()
    env_file = written(folder, "env", "STREAMER_BATCH_SIZE=3\n" if "env file" in places else "")
    toml = written(folder, "toml", "batch_size = 4\n" if "toml" in places else "")
    options = {"batch_size": "1" if "option" in places else None}
    environ = {"STREAMER_BATCH_SIZE": "2"} if "environment" in places else {}

    config = resolve(options | {"env_file": env_file, "config": toml}, environ, job=True)

    order = ["option", "environment", "env file", "toml"]
    assert config.run.batch_size == 1 + min(order.index(place) for place in places)


def test_every_option_of_a_run_may_stand_in_toml(tmp_path: Path) -> None:
    toml = written(
        tmp_path,
        "streamer.toml",
        """
        table = ["a*", "audit.log"]
        exclude = "b"
        schema = ["*"]
        checkpoint = "c.db"
        report = "r.json"
        batch_size = 7
        batch_bytes = "2MB"
        pack = "rows"
        concurrency = 3
        rate_limit = "10/3"
        if_exists = "replace"
        no_schema = true
        skip_refused = true
        give_up_after = "90s"
        log_format = "json"
        [source]
        host = "db"
        port = 77
        database = "shop"
        [target]
        account_id = "account"
        database = "name"
        """,
    )
    secrets = {"CLOUDFLARE_API_TOKEN": "token"}

    config = resolve({"config": toml}, secrets, source=True, target=True, job=True)

    assert config.selection.tables == ("a*", "audit.log")
    assert config.selection.exclude == ("b",)
    assert config.selection.schemas == ("*",)
    assert (config.run.checkpoint, config.run.report) == (Path("c.db"), Path("r.json"))
    assert (config.run.batch_size, config.run.pack) == (7, Pack.ROWS)
    assert config.pacing.batch_bytes == 2_000_000
    assert config.pacing.concurrency == 3
    assert config.pacing.rate == Rate(10, 3)
    assert config.pacing.give_up_after_s == 90
    assert config.run.if_exists is IfExists.REPLACE
    assert (config.run.create_schema, config.run.skip_refused) == (False, True)
    assert config.output.log_format is LogFormat.JSON
    assert (config.source.host, config.source.port, config.source.database) == ("db", 77, "shop")
    assert isinstance(config.target, TargetSettings)
    assert config.target.database == "name"
    assert config.origins["batch_size"] == f"batch_size ({toml})"


def test_every_problem_is_told_at_once_with_its_origin(tmp_path: Path) -> None:
    env_file = written(tmp_path, "e", "D1_DATABASE_ID='a b'\nPOSTGRES_PASSWRD=canary\n")
    toml = written(tmp_path, "t", 'batch-size = 3\npack = "fast"\n[source]\nport = "x"\n')

    found = problems(
        {"env_file": env_file, "config": toml, "rate_limit": "fast"},
        {"CLOUDFLARE_ACCOUNT_ID": "../x"},
    )

    text = "\n".join(found)
    assert f"D1_DATABASE_ID ({env_file}, line 1): 'a b' is not an id" in text
    assert f"POSTGRES_PASSWRD ({env_file}, line 2)" in text
    assert "did you mean POSTGRES_PASSWORD?" in text
    assert f"batch-size ({toml}): unknown setting (did you mean batch_size?)" in text
    assert f"pack ({toml}): 'fast' is not known; write auto, json, values or rows" in text
    assert f"source.port ({toml}): 'x' is not a port; write a number from 1 to 65535" in text
    assert "--rate-limit: 'fast' is not a rate" in text
    assert "CLOUDFLARE_ACCOUNT_ID (environment): '../x' is not an id" in text
    assert "CLOUDFLARE_API_TOKEN: not set; set it to" in text
    assert "canary" not in text
    assert all("\n" not in problem for problem in found)


def test_without_any_settings_each_missing_one_is_named() -> None:
    assert [problem.split(":")[0] for problem in problems()] == [
        "POSTGRES_DSN",
        "CLOUDFLARE_ACCOUNT_ID",
        "D1_DATABASE_ID",
        "CLOUDFLARE_API_TOKEN",
    ]


def test_what_a_command_does_not_need_is_not_looked_at() -> None:
    config = resolve({}, {"POSTGRES_PORT": "x", "D1_DATABASE_ID": "a b"}, job=True)

    assert config.target is None


@pytest.mark.parametrize("name", ["POSTGRES_PASWORD", "CLOUDFLARE_TOKEN", "D1_DATABSE_ID", "STREAMER_BACH_SIZE"])  # fmt: skip
def test_a_misspelled_key_of_ours_in_an_env_file_is_an_error(tmp_path: Path, name: str) -> None:
    env_file = written(tmp_path, "e", f"{name}=x\n")

    assert f"{name} ({env_file}, line 1): unknown setting" in "\n".join(
        problems({"env_file": env_file})
    )


def test_keys_of_other_programs_in_an_env_file_are_left_alone(tmp_path: Path) -> None:
    text = "PATH=x\nPOSTGRES_INITDB_ARGS=x\nCLOUDFLARE_EMAIL=x\nPGOPTIONS=x\n"
    env_file = written(tmp_path, "e", text)

    assert resolve({"env_file": env_file}, {}, job=True) == Config()


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ('[source]\npassword = "canary"', "POSTGRES_PASSWORD"),
        ('[source]\ndsn = "postgresql://u:canary@h/d"', "POSTGRES_DSN"),
        ('[target]\napi_token = "canary"', "CLOUDFLARE_API_TOKEN"),
        ('[target]\ntoken = "canary"', "CLOUDFLARE_API_TOKEN"),
    ],
)
def test_a_secret_in_toml_is_sent_to_where_it_belongs(
    tmp_path: Path, text: str, variable: str
) -> None:
    toml = written(tmp_path, "t", text)

    found = "\n".join(problems({"config": toml}))

    assert f"({variable})" in found
    assert f"{variable}_FILE" in found
    assert "canary" not in found


@pytest.mark.parametrize("text", ["batch_size = [1]", "pack = {a = 1}", "table = [[1]]", "a = ", "log_file = 2020-01-01"])  # fmt: skip
def test_toml_of_the_wrong_shape_is_a_problem(tmp_path: Path, text: str) -> None:
    toml = written(tmp_path, "t", text)

    assert any(toml in problem for problem in problems({"config": toml}))


@pytest.mark.parametrize("option", ["config", "env_file"])
def test_a_settings_file_that_cannot_be_read_is_a_problem(tmp_path: Path, option: str) -> None:
    assert any("No such file" in problem for problem in problems({option: str(tmp_path / "no")}))
    assert any("Is a directory" in problem for problem in problems({option: str(tmp_path)}))


@pytest.mark.parametrize("name", ["POSTGRES_DSN", "CLOUDFLARE_API_TOKEN"])
@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path, name: str, ending: str) -> None:
    everything = SOURCE | TARGET
    path = written(tmp_path, "secret", everything[name] + ending)
    environ = {key: value for key, value in everything.items() if key != name}

    config = resolve({}, environ | {f"{name}_FILE": path}, source=True, target=True)

    assert isinstance(config.target, TargetSettings)
    assert config.target.token.reveal() == "canary-token"
    assert config.source.dsn is not None
    assert config.source.dsn.reveal() == SOURCE["POSTGRES_DSN"]


def test_a_secret_given_twice_in_one_place_is_a_problem(tmp_path: Path) -> None:
    path = written(tmp_path, "secret", "x")

    found = problems({}, SOURCE | TARGET | {"CLOUDFLARE_API_TOKEN_FILE": path})

    assert len(found) == 1
    assert found[0].startswith("CLOUDFLARE_API_TOKEN (environment) and CLOUDFLARE_API_TOKEN_FILE")


def test_a_secret_from_a_higher_place_outweighs_a_file_from_a_lower(tmp_path: Path) -> None:
    env_file = written(tmp_path, "e", "CLOUDFLARE_API_TOKEN_FILE=/nowhere\n")

    config = resolve({"env_file": env_file}, TARGET, target=True)

    assert isinstance(config.target, TargetSettings)
    assert config.target.token.reveal() == "canary-token"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_a_secret_file_of_no_use_is_a_problem_that_shows_nothing(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "canary-put-here-by-mistake"
    if content is not None:
        path.write_bytes(content)

    found = problems({}, TARGET | {"POSTGRES_DSN_FILE": str(path)})

    assert len(found) == 1
    assert found[0].startswith("POSTGRES_DSN_FILE (environment): the file")
    assert "canary" not in found[0]


def test_no_secret_is_in_the_repr_of_a_config() -> None:
    config = resolve({}, SOURCE | TARGET, source=True, target=True)

    assert "canary" not in repr(config)
    assert {secret.reveal() for secret in config.secrets} == {
        SOURCE["POSTGRES_DSN"],
        "canary@pw",
        "canary-token",
    }


def test_libpq_names_count_where_ours_are_unset() -> None:
    config = source(PGHOST="h", PGPORT="7", PGDATABASE="d", PGUSER="u", PGPASSWORD="p", PGSERVICE="x", POSTGRES_DB="ours")  # fmt: skip

    assert (config.source.host, config.source.port, config.source.user) == ("h", 7, "u")
    assert config.source.database == "ours"
    assert config.source.password is not None


def test_libpq_names_fill_only_what_a_dsn_leaves_open() -> None:
    config = source(POSTGRES_DSN="postgresql://me@db/shop", PGHOST="h", PGPORT="7", PGUSER="u", PGSSLMODE="require")  # fmt: skip

    assert (config.source.host, config.source.user) == (None, None)
    assert (config.source.port, config.source.sslmode) == (7, "require")


def test_a_password_may_stand_beside_a_dsn_without_one() -> None:
    config = source(POSTGRES_DSN="postgresql://me@db/shop", POSTGRES_PASSWORD="pw")

    assert config.source.password is not None
    assert config.source.password.reveal() == "pw"


def test_a_dsn_and_a_part_that_say_the_same_are_a_problem() -> None:
    with pytest.raises(SettingsError, match=r"POSTGRES_HOST .* and POSTGRES_DSN .*: both"):
        source(POSTGRES_DSN="postgresql://me@db/shop", POSTGRES_HOST="other")


def test_a_dsn_outweighs_parts_from_lower_places(tmp_path: Path) -> None:
    toml = written(tmp_path, "t", '[source]\nhost = "old"\nport = 9\n')

    config = resolve({"config": toml}, {"POSTGRES_DSN": "postgresql://me@db/shop"}, source=True)

    assert (config.source.host, config.source.port) == (None, 9)


def test_a_host_without_a_database_is_a_problem() -> None:
    with pytest.raises(SettingsError, match="POSTGRES_DB: not set"):
        source(POSTGRES_HOST="db")


@pytest.mark.parametrize(
    "environ",
    [
        {"POSTGRES_HOST": "db", "POSTGRES_PORT": "5433", "POSTGRES_DB": "shop", "POSTGRES_USER": "me"},
        {"POSTGRES_DSN": "postgresql://me@db:5433/shop"},
        {"POSTGRES_DSN": "postgresql:///?host=db&port=5433&dbname=shop&user=me"},
    ],
)  # fmt: skip
def test_the_password_of_the_pgpass_file_is_found(tmp_path: Path, environ: dict[str, str]) -> None:
    path = tmp_path / ".pgpass"
    path.write_text("db:5433:shop:me:canary\n")
    path.chmod(0o600)

    config = source(None, **environ, HOME=str(tmp_path))

    assert config.source.password is not None
    assert config.source.password.reveal() == "canary"
    assert [secret.reveal() for secret in config.secrets][-1] == "canary"


def test_a_pgpass_file_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_text("*:*:*:*:canary\n")
    path.chmod(0o640)

    config = source(None, POSTGRES_HOST="db", POSTGRES_DB="d", PGPASSFILE=str(path))

    assert config.source.password is None
    assert [str(path) in warning for warning in config.warnings] == [True]


@pytest.mark.parametrize(
    ("options", "environ"), [({"dry_run": True}, {}), ({}, {"STREAMER_DRY_RUN": "yes"})]
)
def test_a_dry_run_needs_no_target(options: dict[str, object], environ: dict[str, str]) -> None:
    config = resolve(options, SOURCE | environ, source=True, target=True, job=True)

    assert config.target is None


def test_lists_in_the_environment_have_commas() -> None:
    assert job(STREAMER_TABLE="a, b*,").selection.tables == ("a", "b*")


def test_a_resume_on_the_command_line_outweighs_a_restart_in_a_file(tmp_path: Path) -> None:
    toml = written(tmp_path, "t", "restart = true\n")

    config = job({"config": toml, "resume": True})

    assert (config.run.resume, config.run.restart) == (True, False)


def test_a_checkpoint_is_made_anew_only_for_a_resume() -> None:
    assert job({"resume": True, "rebuild_checkpoint": True}).run.rebuild_checkpoint
    with pytest.raises(SettingsError, match="--rebuild-checkpoint is for going on; write --resume"):
        job({"rebuild_checkpoint": True})


def test_resume_and_restart_together_are_a_problem() -> None:
    with pytest.raises(SettingsError, match="--resume and --restart exclude each other"):
        job({"resume": True, "restart": True})


@pytest.mark.parametrize(
    ("options", "verbosity"),
    [({}, 0), ({"quiet": True}, -1), ({"verbose": 1}, 1), ({"verbose": 2, "quiet": False}, 2)],
)
def test_verbosity_is_one_number(options: dict[str, object], verbosity: int) -> None:
    assert job(options).output.verbosity == verbosity


def test_names_of_settings_are_unique() -> None:
    variables = [setting.variable for setting in known.ALL]

    assert len({*variables}) == len(variables) == len({setting.key for setting in known.ALL})
