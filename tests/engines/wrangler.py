"""The real wrangler, with a Worker project of its own: what a developer's own tools make of a file."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.engines.install import wrangler_command

TIMEOUT_S = 400
WORKER = "export default { fetch() { return new Response('here'); } };\n"


class Project:
    """A Worker project in `folder`, configured by `configuration` (the text of wrangler.jsonc)."""

    def __init__(self, folder: Path, configuration: str, name: str = "wrangler.jsonc") -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(configuration)
        (folder / "index.mjs").write_text(WORKER)

    @property
    def environment(self) -> dict[str, str]:
        """wrangler without a home, without an account, and without anybody to tell."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "HOME": str(home),
            "CI": "1",
            "WRANGLER_SEND_METRICS": "false",
            "WRANGLER_HIDE_BANNER": "true",
        }

    def __call__(self, *arguments: str) -> str:
        """Run `wrangler ARGUMENTS` in the project; its stdout."""
        done = subprocess.run(
            [*wrangler_command(), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rows(self, database: str, sql: str, *options: str) -> list[dict[str, Any]]:
        """What `wrangler d1 execute --local` answers to a query."""
        out = self("d1", "execute", database, "--local", "--json", "--command", sql, *options)
        return json.loads(out)[0]["results"]

    @contextmanager
    def dev(self) -> Generator[None]:
        """`wrangler dev`, running."""
        process = subprocess.Popen(
            [*wrangler_command(), "dev", "--port", "0", "--inspector-port", "0"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if "Ready on" in line:
                    break
            yield
        finally:
            os.killpg(process.pid, 15)
            process.communicate(timeout=TIMEOUT_S)
