"""`streamer serve-d1` as a process."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.install import ROOT
from tests.engines.local_d1 import LocalD1Process

pytestmark = pytest.mark.processes


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "streamer", "serve-d1", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_0(tmp_path: Path, number: signal.Signals) -> None:
    arguments = ["serve-d1", "--dir", str(tmp_path / "d1"), "--create", "shop", "--token", "it's"]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamer", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]

    process.send_signal(number)

    rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "")
    assert [line.split("=")[0] for line in lines] == [
        "export CLOUDFLARE_API_BASE_URL",
        "export CLOUDFLARE_API_TOKEN",
        "export CLOUDFLARE_ACCOUNT_ID",
        "export D1_DATABASE_ID",
    ]
    assert lines[1] == "export CLOUDFLARE_API_TOKEN='it'\"'\"'s'\n"


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    with LocalD1Process(tmp_path / "d1") as server:
        uuid = server.create("shop")
        server.run(uuid, "CREATE TABLE t (a)")
        for n in range(20):
            server.run(uuid, "INSERT INTO t VALUES (?)", f"{n}")

        server.kill()
        server.start()

        assert server.find("shop") == uuid
        assert server.rows(uuid, "SELECT count(*) FROM t") == [[20]]


def test_a_used_port_and_a_used_directory_are_one_sentence(tmp_path: Path) -> None:
    with LocalD1Process(tmp_path / "d1") as server:
        port = serve("--dir", str(tmp_path / "d2"), "--port", str(server.port))
        directory = serve("--dir", str(tmp_path / "d1"))

    assert (port.returncode, directory.returncode) == (2, 2)
    assert f"Port {server.port} can't be listened on" in port.stderr
    assert "Another server uses" in directory.stderr
    assert "Traceback" not in port.stderr + directory.stderr
