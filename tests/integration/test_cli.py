"""The command as a user meets it: wrong inputs end as lines, with the right exit code."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
CANARIES = {
    "POSTGRES_DSN": "postgresql://me:canary-password@127.0.0.1:1/shop",
    "CLOUDFLARE_API_TOKEN": "canary-token",
    "CLOUDFLARE_ACCOUNT_ID": "account",
    "D1_DATABASE_ID": "shop",
    "CLOUDFLARE_API_BASE_URL": "http://127.0.0.1:1/client/v4",
}


def streamer(
    folder: Path, *arguments: str, stdout: int = subprocess.PIPE, **environ: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "streamer", *arguments],
        cwd=folder,
        env=kept | {"HOME": str(folder), "PYTHONPATH": str(ROOT)} | environ,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    everything = (done.stdout or "") + done.stderr
    everything += "".join(path.read_text(errors="replace") for path in folder.iterdir() if path.is_file() and "settings" not in path.name)  # fmt: skip
    assert "Traceback" not in everything
    assert "canary" not in everything
    assert "\x1b" not in everything
    return done


def test_help_lists_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    done = streamer(tmp_path, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    for word in ("demo", "doctor", "plan", "schema", "run", "status", "serve-d1", "75"):
        assert word in done.stdout


def test_without_arguments_the_help_is_an_error(tmp_path: Path) -> None:
    done = streamer(tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: streamer" in done.stderr


def test_the_version_is_the_distribution_s(tmp_path: Path) -> None:
    done = streamer(tmp_path, "--version")

    assert done.returncode == 0
    assert done.stdout == f"streamer {version('d1-streamer')}\n"


@pytest.mark.parametrize("command", ["demo", "doctor", "plan", "schema", "run", "status", "serve-d1"])  # fmt: skip
def test_the_help_of_a_command_has_examples(tmp_path: Path, command: str) -> None:
    done = streamer(tmp_path, command, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert f"streamer {command}" in done.stdout.partition("example")[2]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["rnu"], "streamer: unknown command rnu (did you mean run?); see streamer --help"),
        (["--versoin"], "streamer: unknown option --versoin (did you mean --version?); see streamer --help"),
        (["run", "--tabel", "x"], "streamer: unknown option --tabel (did you mean --table?); see streamer run --help"),
        (["run", "--resum"], "streamer: unknown option --resum (did you mean --resume?); see streamer run --help"),
        (["run", "--pack"], "streamer: --pack: expected one argument; see streamer run --help"),
        (["run", "canary"], "streamer: one argument too many (it isn't shown, it may be a secret); see streamer run --help"),
        (["run", "--batch-size", "101"], "streamer: --batch-size: 101 is more than D1 takes in one request; write a number from 1 to 100"),
        (["run", "--log-file", "/nowhere/x"], "streamer: --log-file: /nowhere/x can't be opened (No such file or directory); write another path"),
        (["run", "--resume", "--restart"], "streamer: --resume and --restart exclude each other; write one"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_one_line_and_exit_2(
    tmp_path: Path, arguments: list[str], line: str
) -> None:
    done = streamer(tmp_path, *arguments, **CANARIES)

    assert done.stderr.splitlines() == [line]
    assert (done.returncode, done.stdout) == (2, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--token", "--password", "--dsn"])
def test_a_secret_on_the_command_line_is_refused_and_not_shown(tmp_path: Path, option: str) -> None:
    for arguments in ([option, "canary"], [f"{option}=canary"]):
        done = streamer(tmp_path, "run", *arguments)

        assert done.returncode == 2
        assert "secrets aren't taken from the command line" in done.stderr


def test_all_missing_settings_are_told_at_once(tmp_path: Path) -> None:
    done = streamer(tmp_path, "run")

    assert done.returncode == 2
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == [
        "POSTGRES_DSN",
        "CLOUDFLARE_ACCOUNT_ID",
        "D1_DATABASE_ID",
        "CLOUDFLARE_API_TOKEN",
    ]


def test_a_problem_in_a_settings_file_names_the_place_and_hides_the_value(tmp_path: Path) -> None:
    (tmp_path / "settings.env").write_text(
        "POSTGRES_PASSWRD=canary\nCLOUDFLARE_API_TOKEN='canary\n"
    )
    (tmp_path / "settings.toml").write_text('[source]\npassword = "canary"\n')

    done = streamer(
        tmp_path, "plan", "--env-file", "settings.env", "--config", "settings.toml", **CANARIES
    )

    assert done.returncode == 2
    for place in (
        "settings.env, line 1",
        "settings.env, line 2",
        "source.password (settings.toml)",
    ):
        assert place in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [
        (("--version",), ""),
        (("--version",), "1"),
        (("plan", "--help"), ""),
        (("completion", "bash"), ""),
        (("completion", "bash"), "1"),
    ],
)
def test_results_that_cannot_be_written_are_an_error(
    tmp_path: Path, arguments: tuple[str, ...], unbuffered: str
) -> None:
    with Path("/dev/full").open("w") as full:
        done = streamer(tmp_path, *arguments, stdout=full.fileno(), PYTHONUNBUFFERED=unbuffered)

    assert done.returncode == 1
    assert "can't be written to stdout (No space left on device)" in done.stderr
    assert "internal error" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_streams_that_are_closed_do_no_harm(tmp_path: Path, closed: str) -> None:
    command = f'"{sys.executable}" -m streamer --version {closed}'

    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_goes_away_is_no_news(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = streamer(tmp_path, "--version", stdout=writing)
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (141, "")
