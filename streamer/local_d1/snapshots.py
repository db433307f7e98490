"""Time travel, honestly small: only moments whose bookmark was asked for can be gone back to."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from streamer.local_d1.database import Database
from streamer.local_d1.errors import failed

_BOOKMARK = re.compile(r"[0-9a-f]+(-[0-9a-f]+){3}")


class Snapshots:
    """Copies of one database, beside its file `path`; the hosted service keeps every moment for days."""

    def __init__(self, path: Path, database: Database) -> None:
        self._path = path
        self._database = database
        self._last: tuple[int, str] | None = None  # the database's writes then, and the bookmark

    def bookmark(self) -> str:
        """Name the present moment, and keep it."""
        writes = self._database.writes
        if self._last is not None and self._last[0] == writes:
            return self._last[1]
        present = (
            f"{secrets.token_hex(4)}-{writes:08x}-{secrets.token_hex(4)}-{secrets.token_hex(16)}"
        )
        self._database.copy_to(self._file(present))
        self._last = (writes, present)
        return present

    def restore(self, bookmark: str) -> str:
        """Go back to a moment; the bookmark of the one that was left. Raises ApiError."""
        if not _BOOKMARK.fullmatch(bookmark) or not self._file(bookmark).exists():
            raise failed(
                f"The bookmark {bookmark} is unknown. The local D1 keeps the moments whose bookmark was asked for."
            )
        left = self.bookmark()
        self._database.restore_from(self._file(bookmark))
        self._last = (self._database.writes, bookmark)
        return left

    def _file(self, bookmark: str) -> Path:
        return self._path.with_name(f"{self._path.stem}.{bookmark}.snapshot")
