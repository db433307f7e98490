"""A user's trial of the command, who must get few clear words and find nothing touched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from checkpoints import CheckpointError, peek
from tests.engines.d1server import TOKEN
from tests.engines.postgres import PASSWORD, Database
from tests.stories.command import Outcome, Streamer
from tests.stories.compare import quoted

CANARY = "canary-7f3-secret"
SECRETS = (CANARY, PASSWORD, quote(PASSWORD), TOKEN)
MOST_LINES = 4


@dataclass
class Trial:
    """A command, and everything that it must leave as it is where it refuses."""

    streamer: Streamer

    @property
    def source(self) -> Database:
        return self.streamer.source

    def d1(self, sql: str) -> list[list[object]]:
        return self.streamer.target.rows(self.streamer.uuid, sql)

    def run(self, *arguments: str, **environ: str) -> Outcome:
        """Run a command; whatever comes of it, it shows no secret, no traceback and no row."""
        kept = dict(self.streamer.overrides)
        self.streamer.overrides |= environ
        done = self.streamer(*arguments)
        self.streamer.overrides = kept
        assert "Traceback" not in done.said, done.said
        assert "internal error" not in done.said, done.said
        assert "precious" not in done.said, done.said
        seen = done.said + self.written
        assert [secret for secret in SECRETS if secret in seen] == [], done.said
        return done

    def refused(self, *arguments: str, code: int, says: str, **environ: str) -> None:
        """Run a command that is to refuse with `code`, and look that nothing was touched."""
        before = self.state
        done = self.run(*arguments, **environ)
        lines = [line for line in done.stderr.splitlines() if not re.match(r"\d{4}-.*Z info", line)]
        assert done.code == code, done.said
        assert re.search(says, "\n".join(lines)), done.said
        assert lines[0].startswith("streamer: ")
        assert len(lines) <= MOST_LINES, done.said
        assert self.state == before

    @property
    def written(self) -> str:
        """All that is in files of the working directory."""
        files = (path for path in self.streamer.folder.rglob("*") if path.is_file())
        return "".join(path.read_bytes().decode(errors="replace") for path in files)

    @property
    def state(self) -> tuple[object, bytes, list[object]]:
        """What the checkpoint, the report and D1 hold."""
        report = self.streamer.folder / "run_report.json"
        return self.saved, report.read_bytes() if report.is_file() else b"", self.held

    @property
    def saved(self) -> object:
        """The run in the checkpoint; the bytes of a file that holds none."""
        path = self.streamer.checkpoint
        try:
            return peek(path)
        except CheckpointError:
            return path.read_bytes()

    @property
    def held(self) -> list[object]:
        """What D1 holds: every object, and each table's rows."""
        objects = self.d1(
            "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'"
            " AND name NOT LIKE 'sqlite%' ORDER BY 1, 2"
        )
        return [
            (kind, name, sql, self.d1(f"SELECT * FROM {quoted(str(name))}"))
            if kind in {"table", "view"}
            else (kind, name, sql)
            for kind, name, sql in objects
        ]
