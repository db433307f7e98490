"""What `import streamer` offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import streamer
from streamer.config import resolve
from streamer.config.known import JOB, SHAPING, VALIDATION

ROOT = Path(__file__).parents[2]
OF_METHODS = {
    "resume",
    "restart",
    "retry_rejects",
    "rebuild_checkpoint",
    "detailed",
    "full",
    "repair",
    "export_dir",
    "transformed_dir",
}
# plan() and validate() are methods.
OF_THE_COMMAND = {"dry_run", "validate"}


@pytest.mark.parametrize("name", streamer.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(streamer, name).__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = streamer.nothing


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, streamer; sys.exit(any(m in sys.modules for m in ('aiohttp', 'asyncpg')))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_setting_of_a_job_is_an_option_or_an_argument() -> None:
    settings = {setting.key for setting in JOB + SHAPING + VALIDATION}

    others = {"config", "env_file", "env"}
    assert {*streamer.Options.__annotations__} - others == settings - OF_METHODS - OF_THE_COMMAND


def test_the_page_shows_the_example_as_it_is() -> None:
    example = (ROOT / "examples" / "library.py").read_text()

    assert f"```python\n{example}```" in (ROOT / "docs" / "library.md").read_text()


def test_what_the_program_says_outweighs_the_environment_and_files(tmp_path: Path) -> None:
    toml = tmp_path / "streamer.toml"
    toml.write_text(
        'batch_size = 9\nstrict = true\n[tables.a]\nwhere = "x"\n[tables.b]\nwhere = "y"'
    )
    environment = {"POSTGRES_DSN": "postgresql://a@one/db", "STREAMER_BATCH_SIZE": "8"}

    config = resolve(
        {"config": toml},
        environment,
        source=True,
        job=True,
        arguments={"source.dsn": "postgresql://b@two/db", "batch_size": 7, "strict": False},
        tables={"a": {"where": "z"}},
    )

    assert config.source.dsn is not None
    assert config.source.dsn.reveal() == "postgresql://b@two/db"
    assert (config.run.batch_size, config.shaping.strict) == (7, False)
    assert {n: asked.where for n, asked in config.shaping.tables.items()} == {"a": "z", "b": "y"}


def test_all_problems_of_a_programs_settings_are_told_together() -> None:
    transfer = streamer.Transfer(
        "nonsense",
        tables={"a": {"wher": "x"}},
        environ={},
        tables_=["a"],  # pyright: ignore[reportCallIssue]
        batch_size=0,
        pack=["json"],  # pyright: ignore[reportArgumentType]
    )

    with pytest.raises(streamer.SettingsError) as told:
        transfer.plan()

    starts = ["tables.a.wher (argument)", "tables_ (argument)", "batch_size (argument)"]
    starts += ["pack (argument)", "source.dsn (argument)"]
    for start in starts:
        assert any(problem.startswith(start) for problem in told.value.problems), told.value
    assert "did you mean table?" in str(told.value)


def test_the_token_of_a_target_is_not_printed() -> None:
    target = streamer.D1("account", "shop", "hunter2")

    assert "hunter2" not in repr(target)


def test_the_environment_of_wrangler_is_an_option_as_on_the_command_line() -> None:
    transfer = streamer.Transfer("postgresql://a@one/db", "wrangler:app", env="a\nb", environ={})

    with pytest.raises(streamer.SettingsError) as told:
        transfer.run()

    assert [problem.split(":")[0] for problem in told.value.problems] == ["target.env (argument)"]
