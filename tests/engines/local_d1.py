"""The product's own local D1, in a process of its own, and both local D1s in turn (`any_d1`)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.engines.d1server import TOKEN, D1Server
from tests.engines.install import ROOT


class LocalD1Process(D1Server):
    """`streamer serve-d1` on the directory `state`; `options` are further ones of its command line."""

    name = "local_d1"

    def __init__(self, state: Path, *, token: str = TOKEN, options: Sequence[str] = ()) -> None:
        super().__init__(token)
        self.state = state
        self.options = tuple(options)
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("the local D1 isn't running")
        return self._process

    def start(self) -> None:
        command = [sys.executable, "-m", "streamer.local_d1", "--dir", str(self.state)]
        command += ["--port", str(self.port), "--token", self.token, *self.options]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        first = self._stdout.readline()  # export CLOUDFLARE_API_BASE_URL=…
        if not first:
            self._process.wait()
            raise RuntimeError(f"the local D1 did not start: {self._log.read_text()}")
        self.port = urlsplit(first.partition("=")[2].strip()).port or 0
        for _ in range(3):  # the rest of the environment
            self._stdout.readline()

    def stop(self) -> None:
        self._end(force=False)

    def kill(self) -> None:
        self._end(force=True)

    def database_file(self, uuid: str) -> Path:
        """The SQLite file of a database."""
        return self.state / f"{uuid}.sqlite"

    @property
    def _log(self) -> Path:
        return self.state.with_name(f"{self.state.name}.log")

    @property
    def _stdout(self):
        stdout = self._running.stdout
        assert stdout is not None
        return stdout

    def _end(self, *, force: bool) -> None:
        self.disconnect()
        if self._process is None:
            return
        if force:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(timeout=30)
        self._stdout.close()
        self._process = None


@pytest.fixture(scope="session")
def local_d1_process() -> Iterator[LocalD1Process]:
    """One local D1 for the whole session."""
    with (
        tempfile.TemporaryDirectory(prefix="local-d1-") as folder,
        LocalD1Process(Path(folder) / "state") as server,
    ):
        yield server


@pytest.fixture
def local_d1(local_d1_process: LocalD1Process) -> Iterator[LocalD1Process]:
    """The session's local D1, without faults and with fresh counters."""
    local_d1_process.set_faults()
    local_d1_process.stats(reset=True)
    yield local_d1_process
    local_d1_process.set_faults()


@pytest.fixture(params=["workerd_d1", "local_d1"])
def any_d1(request: pytest.FixtureRequest) -> D1Server:
    """Each local D1 in turn: what a test sees on one, it must see on the other."""
    return request.getfixturevalue(request.param)
