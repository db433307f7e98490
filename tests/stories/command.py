"""`python -m streamer` as a user has it: a process with an environment of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.engines.d1server import D1Server
from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.engines.workerd import Workerd
from tests.stories.forked import Forked
from tests.stories.reports import read_report

TIMEOUT_S = 400
PROGRAM = ("streamer",)
READ_AT_START = {
    *("LC_ALL", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONOPTIMIZE", "PYTHONWARNINGS"),
    "SSL_CERT_FILE",
}
"""Variables that count when Python itself starts, or when aiohttp is loaded."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """Everything it printed."""
        return self.stdout + self.stderr


@dataclass
class Streamer:
    """The command in a working directory, with the settings of a source and a target."""

    folder: Path
    source: Database
    target: D1Server | PlainFile
    uuid: str
    overrides: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = PROGRAM
    """A module, and arguments that come before the command's."""

    @property
    def environment(self) -> Mapping[str, str]:
        kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG", "TMPDIR"}}
        settings = {
            **kept,
            "PYTHONPATH": str(Path.cwd()),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "POSTGRES_DSN": self.source.dsn,
            **self.target.environment,
            "D1_DATABASE_ID": self.uuid,
            **self.overrides,
        }
        return {name: value for name, value in settings.items() if value}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        environment = self.environment
        forked = self.program == PROGRAM and not environment.keys() & READ_AT_START
        return (Forked if forked else subprocess.Popen[str])(
            arguments if forked else [sys.executable, "-m", *self.program, *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str) -> Outcome:
        """Run a command to its end."""
        return ended(self.start(*arguments))

    def stopped_at(self, words: str, *arguments: str, requests: int = 0) -> None:
        """Run until D1 refuses a request that holds `words`, `requests` of them let through."""
        place = {"match": "/raw", "contains": words.replace('"', '\\"'), "skip": requests}
        refused = {"status": 400, "code": 7500, "message": "not authorized"}
        self.target.set_faults({**place, **refused, "times": 99})
        stopped = self("run", *arguments)
        assert stopped.code == 1, stopped.said
        self.target.set_faults()

    @property
    def report(self) -> dict[str, Any]:
        """The newest run_report.json."""
        return read_report(self.folder / "run_report.json")

    @property
    def checkpoint(self) -> Path:
        return self.folder / "streamer.checkpoint.db"


@asynccontextmanager
async def moved(
    source: Database, workerd: Workerd, folder: Path, sql: str, *run: str
) -> AsyncGenerator[Streamer]:
    """The command in `folder`, with the tables that `sql` makes moved by `streamer run` into a D1 of their own."""
    await source.execute(sql)
    uuid = workerd.create(folder.name)
    streamer = Streamer(folder, source, workerd, uuid)
    done = streamer("run", *run)
    assert done.code == 0, done.said
    yield streamer
    workerd.delete(uuid)


def ended(process: subprocess.Popen[str]) -> Outcome:
    """Wait for a command's end."""
    try:
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        stdout, stderr = process.communicate()
        raise AssertionError(f"still running after {TIMEOUT_S} s:\n{stderr}") from None
    return Outcome(process.returncode, stdout, stderr)
