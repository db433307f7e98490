"""Where the tables go: D1, or a file of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.config import Config, FileTarget, TargetSettings, WranglerTarget, resolve
from streamer.errors import SettingsError
from streamer.model import Rate

D1 = {
    "CLOUDFLARE_API_TOKEN": "token",
    "CLOUDFLARE_ACCOUNT_ID": "account",
    "D1_DATABASE_ID": "shop",
}


def job(options: dict[str, object], **environ: str) -> Config:
    return resolve(options, environ, target=True, job=True)


def problems(options: dict[str, object], **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        job(options, **environ)
    return caught.value.problems


@pytest.mark.parametrize("chosen", [{}, {"target": "d1"}, {"target": "D1"}])
def test_d1_is_the_target_unless_another_is_named(chosen: dict[str, object]) -> None:
    config = job(chosen, **D1)

    assert config.target == resolve({}, D1, target=True).target
    assert config.pacing.rate == Rate(1080, 300)


@pytest.mark.parametrize("text", ["sqlite:shop.db", "SQLite:shop.db"])
def test_a_file_needs_no_other_settings_and_heeds_none(text: str) -> None:
    config = job({"target": text}, CLOUDFLARE_ACCOUNT_ID="not an id", CLOUDFLARE_API_TOKEN="a b")

    assert config.target == FileTarget(Path("shop.db"))
    assert config.secrets == ()


def test_nothing_limits_requests_to_a_file_unless_the_user_does() -> None:
    free = job({"target": "sqlite:x.db"}).pacing
    bound = job({"target": "sqlite:x.db", "rate_limit": "7/1", "concurrency": "auto"}).pacing

    assert (free.rate, free.concurrency) == (None, 6)
    assert (bound.rate, bound.concurrency) == (Rate(7, 1), None)


def test_a_target_may_stand_in_the_environment_and_in_toml(tmp_path: Path) -> None:
    toml = tmp_path / "streamer.toml"
    toml.write_text('[target]\nkind = "sqlite:toml.db"\naccount_id = "account"\n')

    assert job({}, STREAMER_TARGET="sqlite:~/x.db").target == FileTarget(Path.home() / "x.db")
    assert job({"config": str(toml)}).target == FileTarget(Path("toml.db"))
    assert job({"config": str(toml)}, STREAMER_TARGET="sqlite:x.db").target == FileTarget(
        Path("x.db")
    )


@pytest.mark.parametrize("text", ["sqlite", "sqlite:", "wrangler:", "mysql:x", "x.db", "d1:shop"])
def test_what_is_no_target_is_told_once_with_those_there_are(text: str) -> None:
    (problem,) = problems({"target": text})

    assert problem == f"--target: {text!r} is not a target; write d1, sqlite:FILE or wrangler:DIR"


@pytest.mark.parametrize("other", ["checkpoint", "report"])
def test_a_target_is_no_other_file_of_the_run(other: str) -> None:
    (problem,) = problems({"target": "sqlite:x.db", other: str(Path.cwd() / "x.db")})

    assert problem == f"--target: x.db is the {other}; write another file"


@pytest.mark.parametrize(
    "option", ["report", "output_report", "differences", "log_file"], ids=lambda name: name
)
def test_no_other_file_of_a_job_is_its_checkpoint(tmp_path: Path, option: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    named = {"checkpoint": str(tmp_path / "x.db"), option: str(tmp_path / "link" / "x.db")}

    (problem,) = problems({"target": "sqlite:y.db", **named})

    where = f"--{option.replace('_', '-')}"
    assert problem == f"{where}: {tmp_path}/link/x.db is the checkpoint; write another file"


def test_what_goes_nowhere_may_go_there_together() -> None:
    config = job({"target": "sqlite:y.db", "report": "/dev/null", "log_file": "/dev/null"})

    assert config.run.report == config.output.log_file == Path("/dev/null")


def test_a_workers_database_is_chosen_by_name_and_environment(tmp_path: Path) -> None:
    toml = tmp_path / "streamer.toml"
    toml.write_text('[target]\nkind = "wrangler:app"\nenv = "staging"\n')

    assert job({"target": "wrangler:app"}).target == WranglerTarget(Path("app"))
    assert job({"config": str(toml)}, D1_DATABASE_ID="DB").target == WranglerTarget(
        Path("app"), "DB", "staging"
    )
    assert job({"target": "wrangler:app", "env": "a"}, CLOUDFLARE_ENV="b").target == WranglerTarget(
        Path("app"), None, "a"
    )
    assert job({"target": "wrangler:app"}).pacing.rate is None


@pytest.mark.parametrize(
    ("environ", "used"),
    [
        ({"HTTPS_PROXY": "http://u:p@proxy:1"}, None),
        ({"STREAMER_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        (
            {"STREAMER_PROXY": "environment", "HTTPS_PROXY": "http://u:p@proxy:1"},
            "http://u:p@proxy:1",
        ),
        ({"STREAMER_PROXY": "environment", "https_proxy": "http://proxy:1"}, "http://proxy:1"),
    ],
)
def test_a_proxy_is_used_where_it_is_asked_for_and_its_login_is_a_secret(
    environ: dict[str, str], used: str | None
) -> None:
    config = resolve({}, {**D1, **environ}, target=True)

    assert isinstance(config.target, TargetSettings)
    proxy = config.target.proxy
    assert (proxy.reveal() if proxy else None) == used
    assert proxy is None or proxy in config.secrets
    assert "p@" not in repr(config)


@pytest.mark.parametrize(
    "environ",
    [
        {"STREAMER_PROXY": "http://user:hunter2@proxy:3128"},
        {"STREAMER_PROXY": "environment"},
        {"STREAMER_PROXY": "environment", "HTTPS_PROXY": "socks5://user:hunter2@proxy:1"},
        {"STREAMER_PROXY": "proxy.example.com"},
        {"STREAMER_PROXY": "http://proxy:99999"},
    ],
)
def test_a_proxy_that_can_not_be_meant_is_refused_without_its_login(
    environ: dict[str, str],
) -> None:
    with pytest.raises(SettingsError, match="PROXY") as told:
        resolve({}, {**D1, **environ}, target=True)

    assert "hunter2" not in str(told.value)
