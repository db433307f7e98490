"""Statements into numbered files, each small enough for wrangler, and a transaction of its own.

    for file in d1_migration_data/*.sql; do wrangler d1 execute DB --remote --file "$file"; done

`schema.sql` is the first by name, and is written last: half of the files are none that can be loaded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from streamer.files.sql.statements import BEGIN_LONG, END_LONG, Chunk
from streamer.files.writing import problems, write_all
from streamer.progress import sync_folder

FILE_BYTES = 20_000_000
"""How long a file may get: wrangler reads it into memory whole when it works locally, and D1 loads
files of tens of MB in one go (field)."""

_OURS = re.compile(r"tables_\d{4,}\.sql|tables\.[a-z]+\.\d+\.part")


class Section:
    """Files that are loaded one after another; small tables share one, since each costs a start of
    wrangler and a locked database.

    Until `give_names` they are called by the section's `name`. A file has `most` bytes, or one chunk.
    """

    def __init__(self, folder: Path, name: str, *, most: int) -> None:
        self.parts: list[Path] = []
        self._folder = folder
        self._name = name
        self._most = most
        self._file = -1
        self._file_bytes = 0
        self._long = False

    def write(self, chunk: Chunk) -> None:
        """Add statements; to a new file where this one would grow too long."""
        size = len(chunk.sql) + (len(BEGIN_LONG) + len(END_LONG) if chunk.long else 0)
        if self._file >= 0 and self._file_bytes + size > self._most:
            self.close()
        if self._file < 0:
            self._open()
        if chunk.long and not self._long:
            self._write(BEGIN_LONG)
            self._long = True
        self._write(chunk.sql)

    def close(self) -> None:
        """Make the file durable; what is to come goes into another."""
        if self._file < 0:
            return
        if self._long:
            self._write(END_LONG)
            self._long = False
        with problems(self.parts[-1]):
            os.fsync(self._file)
        os.close(self._file)
        self._file = -1

    def discard(self) -> None:
        """Let go of the files, and remove those that have no name yet."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
        for part in self.parts:
            with suppress(OSError):
                part.unlink()

    def _open(self) -> None:
        part = self._folder / f"tables.{self._name}.{len(self.parts) + 1}.part"
        with problems(part):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(part, flags, 0o600)
        self.parts.append(part)
        self._file_bytes = 0

    def _write(self, data: bytes) -> None:
        self._file_bytes += len(data)
        with problems(self.parts[-1]):
            write_all(self._file, data)


def give_names(folder: Path, parts: Sequence[Path]) -> tuple[str, ...]:
    """Name files in this order."""
    width = max(4, len(str(len(parts))))
    names = tuple(f"tables_{number:0{width}}.sql" for number in range(1, len(parts) + 1))
    for part, name in zip(parts, names, strict=True):
        with problems(folder / name):
            part.replace(folder / name)
    with problems(folder):
        sync_folder(folder)
    return names


def remove_files(folder: Path) -> None:
    """Remove the files that an earlier transformation left: they don't belong to those to come."""
    with problems(folder):
        for path in folder.iterdir():
            if _OURS.fullmatch(path.name):
                path.unlink()
