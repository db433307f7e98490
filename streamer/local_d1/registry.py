"""Which databases there are: a small SQLite file beside theirs, held by one server at a time."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import apsw

from streamer.local_d1.errors import ApiError, LocalD1Error, malformed

_FILE = "registry.sqlite"


@dataclass(frozen=True, slots=True)
class Entry:
    """A database's name and id; `created_at` is ISO 8601 in UTC."""

    uuid: str
    name: str
    created_at: str


class Registry:
    """The databases of a directory, in the order of their creation."""

    def __init__(self, directory: Path) -> None:
        """Open the registry of `directory`, creating both; raises LocalD1Error."""
        self.directory = directory
        with _explained(directory):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = apsw.Connection(str(directory / _FILE))
            # Held until the end: two servers on the same files would not see each other's locks.
            self._execute("PRAGMA locking_mode = EXCLUSIVE")
            self._execute(
                """CREATE TABLE IF NOT EXISTS databases (
                    uuid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL)"""
            )
            self._execute("BEGIN EXCLUSIVE")
            self._execute("COMMIT")

    def close(self) -> None:
        """Let another server have the directory."""
        self._connection.close()

    def entries(self) -> list[Entry]:
        """All databases."""
        return [
            Entry(str(found), str(name), str(created))
            for found, name, created in self._execute(
                "SELECT uuid, name, created_at FROM databases ORDER BY rowid"
            )
        ]

    def find(self, database: str) -> Entry:
        """The database with this uuid; raises ApiError."""
        for entry in self.entries():
            if entry.uuid == database:
                return entry
        raise ApiError(404, 7404, f"The database {database} could not be found")

    def create(self, name: str) -> Entry:
        """A new database; raises ApiError where the name is taken."""
        if not name:
            raise malformed("name is required")
        if any(entry.name == name for entry in self.entries()):
            raise ApiError(400, 7502, "A database with that name already exists")
        created_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = Entry(str(uuid.uuid4()), name, created_at)
        self._execute(
            "INSERT INTO databases VALUES (?, ?, ?)", (entry.uuid, entry.name, entry.created_at)
        )
        return entry

    def remove(self, entry: Entry) -> None:
        """Forget a database and delete its files, which must be closed."""
        self._execute("DELETE FROM databases WHERE uuid = ?", (entry.uuid,))
        for path in self.directory.glob(f"{entry.uuid}*"):
            path.unlink()

    def file(self, entry: Entry) -> Path:
        """Where a database lives."""
        return self.directory / f"{entry.uuid}.sqlite"

    def _execute(self, sql: str, params: tuple[str, ...] = ()) -> list[tuple[object, ...]]:
        return list(self._connection.execute(sql, params))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # apsw's stubs name a type that they don't define


@contextmanager
def _explained(directory: Path) -> Generator[None]:
    try:
        yield
    except apsw.BusyError:
        raise LocalD1Error(
            f"Another server uses {directory}.", hint="Stop it, or choose another directory."
        ) from None
    except (OSError, apsw.CantOpenError, apsw.ReadOnlyError) as error:
        raise LocalD1Error(
            f"{directory} can't be used as a directory for databases ({error}).",
            hint="Choose one that you may write to.",
        ) from None
