"""The real D1 engine: workerd, behind Cloudflare's REST paths (the Worker in d1worker/)."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.d1server import TOKEN, D1Server
from tests.engines.install import MissingRuntimeError, workerd_binary, workerd_version

_CONFIG = Path(__file__).parent / "d1worker" / "config.capnp"
_UNIQUE_KEY = "miniflare-D1DatabaseObject"


class Workerd(D1Server):
    """One workerd process whose databases live in `state`, a directory of its own."""

    name = "workerd"

    def __init__(self, state: Path, *, token: str = TOKEN) -> None:
        super().__init__(token)
        self.state = state
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("workerd isn't running")
        return self._process

    def start(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        events, control = os.pipe()
        command = [
            str(workerd_binary()),
            "serve",
            str(_CONFIG),
            "--experimental",
            f"--socket-addr=http=127.0.0.1:{self.port}",
            f"--directory-path=state={self.state.resolve()}",
            f"--control-fd={control}",
        ]
        with (self.state / "workerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                pass_fds=[control],
                env={"D1_TOKEN": self.token},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        os.close(control)
        with os.fdopen(events) as lines:
            self.port = self._listening(lines)

    def stop(self) -> None:
        self._end(force=False)

    def kill(self) -> None:
        self._end(force=True)

    def database_file(self, uuid: str) -> Path:
        """The SQLite file of a database, named as wrangler names it; not to be written while serving."""
        key = hashlib.sha256(_UNIQUE_KEY.encode()).digest()
        name = hmac.new(key, uuid.encode(), hashlib.sha256).digest()[:16]
        check = hmac.new(key, name, hashlib.sha256).digest()[:16]
        return self.state / _UNIQUE_KEY / f"{(name + check).hex()}.sqlite"

    def _listening(self, lines: Iterator[str]) -> int:
        for line in lines:
            event = json.loads(line)
            if event.get("event") == "listen" and event.get("socket") == "http":
                return event["port"]
        self._running.wait()
        raise RuntimeError(f"workerd did not start: {(self.state / 'workerd.log').read_text()}")

    def _end(self, *, force: bool) -> None:
        self.disconnect()
        if self._process is None:
            return
        if force:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(timeout=30)
        self._process = None


def pytest_report_header() -> str:
    """Say which engine the run uses."""
    try:
        return f"workerd: {workerd_version()} ({workerd_binary()})"
    except MissingRuntimeError as error:
        return f"workerd: MISSING ({error}); tests that need it will fail"


@pytest.fixture(scope="session")
def workerd_process() -> Iterator[Workerd]:
    """One workerd for the whole session."""
    try:
        workerd_binary()
    except MissingRuntimeError as error:
        pytest.fail(str(error))
    with tempfile.TemporaryDirectory(prefix="workerd-") as state, Workerd(Path(state)) as workerd:
        yield workerd


@pytest.fixture
def workerd_d1(workerd_process: Workerd) -> Iterator[Workerd]:
    """The session's workerd, without faults and with fresh counters."""
    workerd_process.set_faults()
    workerd_process.stats(reset=True)
    yield workerd_process
    workerd_process.set_faults()
