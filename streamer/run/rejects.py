"""Rejected rows in files: `rejects/<table>.ndjson` beside the checkpoint, a row a line.

A line is durable before the checkpoint knows of its row. So a line that the checkpoint doesn't know
belongs to a run that was killed in between: it goes, and the row is found once more. The folder may
serve several checkpoints; a run touches its own lines alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import orjson

from streamer.errors import CheckpointFullError, StreamerError
from streamer.files.names import stem
from streamer.frozen import frozen
from streamer.model import Key, KeyKind, QualifiedName, Reject, StepKind, TablePlan
from streamer.progress import sync_folder
from streamer.run.rejected import Rejected
from streamer.sinks import BadRow
from streamer.sinks.late_places import known_by
from streamer.sinks.references import key_text

FOLDER = "rejects"
LOCK = ".lock"
_Columns = tuple[str, tuple[str, ...]]  # a target table, and columns that its rows are known by
LINE_LETTERS = 16  # of what a line is called

_Row = tuple[str, StepKind, Key]  # a rejected row: its table, the step that found it, its key


@frozen
class Filed:
    """A rejected row as its file has it: `cells` by target name, which somebody may have mended there.

    `known` are those as they were written down, as far as others refer to a row without a key by them.
    """

    cells: Mapping[str, object]
    known: Mapping[str, object]


class TooManyRejectsError(StreamerError):
    """More rows are bad than the user allows."""


class Rejects:
    """The rejected rows of the run `run_id`, of which those `known` are in its checkpoint.

    At most `most` rows may be rejected in all.
    """

    def __init__(
        self,
        folder: Path,
        run_id: str,
        tables: Sequence[TablePlan],
        known: Iterable[Rejected],
        *,
        most: int,
    ) -> None:
        self._folder = folder
        self._run = run_id
        self._tables = {str(table.name): table for table in tables}
        self._most = most
        self._one = asyncio.Lock()
        self._keys: dict[_Columns, dict[Key, Key]] = {}
        by_target = {table.target: table for table in tables}
        self._known_by = {
            str(table.name): columns
            for table in tables
            if table.key.kind is KeyKind.PHYSICAL and (columns := known_by(table, by_target))
        }
        self._lines: dict[_Row, Reject] = {}
        self._count = 0
        self._know(known)

    @property
    def count(self) -> int:
        """Rows that are rejected now."""
        return self._count

    def path(self, table: QualifiedName) -> Path:
        """The file of a table's rejected rows."""
        return self._folder / f"{stem(table)}.ndjson"

    def holds(self, target: str, columns: tuple[str, ...], key: Key) -> bool:
        """Whether the row of the target table `target` that has `key` in `columns` is rejected."""
        return self.place(target, columns, key) is not None

    def place(self, target: str, columns: tuple[str, ...], key: Key) -> Key | None:
        """The key of that row (of a table without a key its number); None where none is rejected."""
        return self._keys.get((target, columns), {}).get(key)

    async def record(self, rows: Sequence[BadRow]) -> list[Reject]:
        """Write rows down, durably; what the checkpoint is to know of each, in their order.

        One that is rejected already has its line.

        Raises:
            TooManyRejectsError: then they would be more than allowed; nothing is written.
            CheckpointFullError: the disk doesn't take them.

        """
        async with self._one:
            names = [(str(r.carried.plan.name), r.carried.layout.kind, r.key) for r in rows]
            fresh = [
                (row, name)
                for row, name in zip(rows, names, strict=True)
                if name not in self._lines
            ]
            if self._count + len(fresh) > self._most:
                raise self._too_many(fresh[0][0])
            rejects = {
                n: Reject(secrets.token_hex(LINE_LETTERS // 2), row.key, row.reason)
                for row, n in fresh
            }
            lines: dict[str, list[bytes]] = {}
            for row, name in fresh:
                lines.setdefault(name[0], []).append(self._line(row, rejects[name]))
            if lines:
                await asyncio.to_thread(self._append, lines)
            self._know(
                Rejected(table, kind, rejects[table, kind, key]) for _, (table, kind, key) in fresh
            )
            for row, (table, kind, _) in fresh:
                if kind is StepKind.ROWS:
                    layout = row.carried.layout
                    targets = [column.target for column in layout.columns]
                    self._know_cells(table, row.key, dict(zip(targets, row.cells, strict=True)))
            return [self._lines[name] for name in names]

    async def forget_unknown(self, known: Collection[Rejected]) -> None:
        """Take away the lines of this run that aren't `known` to its checkpoint (any more)."""
        async with self._one:
            self._keys.clear()
            self._lines.clear()
            self._count = 0
            self._know(known)
            await asyncio.to_thread(self._keep_lines, {row.reject.line for row in known})
            for table in self._known_by:
                await self._know_filed(table, known)

    async def _know_filed(self, table: str, known: Collection[Rejected]) -> None:
        mine = [row for row in known if row.table == table and row.kind is StepKind.ROWS]
        filed = await self.rows(self._tables[table].name) if mine else {}
        for row in mine:
            if row.reject.line in filed:
                self._know_cells(table, row.reject.key, filed[row.reject.line].known)

    async def rows(self, table: QualifiedName) -> dict[str, Filed]:
        """The run's rejected rows of a table as its file has them, by line."""
        return await asyncio.to_thread(self._rows, self.path(table))

    def _know(self, rows: Iterable[Rejected]) -> None:
        for row in rows:
            self._count += 1
            self._lines[row.table, row.kind, row.reject.key] = row.reject
            table = self._tables.get(row.table)
            if table is not None and row.kind is StepKind.ROWS:
                keys = self._keys.setdefault((table.target, table.key.targets), {})
                keys[row.reject.key] = row.reject.key

    def _know_cells(self, table: str, place: Key, cells: Mapping[str, object]) -> None:
        """Know a row by what others refer to it by, where the table has no key."""
        plan = self._tables[table]
        by_target = {column.target: column for column in plan.columns}
        for columns in self._known_by.get(table, ()):
            texts = [(by_target[name], cells.get(name)) for name in columns if name in by_target]
            key = tuple(key_text(column, cell) for column, cell in texts if isinstance(cell, str))
            if len(key) == len(columns):
                self._keys.setdefault((plan.target, columns), {})[key] = place

    def _too_many(self, row: BadRow) -> TooManyRejectsError:
        return TooManyRejectsError(
            f"{row.named}: {row.reason}; that makes more than {self._most:,} rejected rows",
            hint=f"See {self._folder} for those that are; mend the cause, or allow more with "
            "--max-rejects, then go on with --resume.",
        )

    def _line(self, row: BadRow, reject: Reject) -> bytes:
        layout = row.carried.layout
        cells = {c.target: cell for c, cell in zip(layout.columns, row.cells, strict=True)}
        document: dict[str, object] = {
            "id": reject.line,
            "run": self._run,
            "table": str(row.carried.plan.name),
            "step": layout.kind.value,
            "key": dict(zip(layout.key, reject.key, strict=True)),
            "reason": reject.reason,
            "row": cells,
        }
        known = {n for some in self._known_by.get(str(row.carried.plan.name), ()) for n in some}
        if known and layout.kind is StepKind.ROWS:
            document["known_by"] = {name: cells[name] for name in sorted(known & cells.keys())}
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)

    def _append(self, lines: Mapping[str, Sequence[bytes]]) -> None:
        with self._changing():
            for table, some in lines.items():
                path = self.path(self._tables[table].name)
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
                with os.fdopen(os.open(path, flags, 0o600), "ab") as file:
                    os.fchmod(file.fileno(), 0o600)
                    file.write(self._mended(path) + b"".join(some))
                    file.flush()
                    os.fsync(file.fileno())
            sync_folder(self._folder)

    @staticmethod
    def _mended(path: Path) -> bytes:
        """What ends a line that was being written when its run was killed; it is nobody's then."""
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            if not file.tell():
                return b""
            file.seek(-1, os.SEEK_END)
            return b"" if file.read(1) == b"\n" else b"\n"

    def _keep_lines(self, known: Collection[str]) -> None:
        if not self._folder.is_dir():
            return
        with self._changing():
            for path in sorted(self._folder.glob("*.ndjson")):
                self._keep_lines_of(path, known)
            sync_folder(self._folder)

    def _keep_lines_of(self, path: Path, known: Collection[str]) -> None:
        """Write the file anew where lines of it must go, whole or not at all."""
        temporary = path.with_name(f"{path.name}.tmp")
        kept = gone = 0
        with path.open("rb") as old, _private(temporary) as new:
            for line in old:
                if self._is_unknown(line, known):
                    gone += 1
                    continue
                new.write(line)
                kept += 1
            new.flush()
            os.fsync(new.fileno())
        if not gone:
            temporary.unlink()
        elif kept:
            temporary.replace(path)
        else:
            path.unlink()
            temporary.unlink()

    def _is_unknown(self, line: bytes, known: Collection[str]) -> bool:
        """Whether a line is this run's, and none that is `known`.

        One that can't be read may be a row that somebody mends, whoever's it is: it goes only where this run
        was killed while it wrote it, or where nothing of a row is in it.
        """
        if document := _parsed(line):
            return document.get("run") == self._run and document.get("id") not in known
        run = f'"run":"{self._run}"'.encode()
        only_begun = len(line) <= len(b'{"id":"",') + LINE_LETTERS + len(run)
        if only_begun and line.startswith(b'{"id":"'):
            return True
        return run in line and not any(one.encode() in line for one in known)

    def _rows(self, path: Path) -> dict[str, Filed]:
        if not path.is_file():
            return {}
        found: dict[str, Filed] = {}
        with self._changing(), path.open("rb") as file:
            for line in file:
                document = _parsed(line)
                cells, known = _members(document.get("row")), _members(document.get("known_by"))
                if document.get("run") == self._run and cells:
                    found[str(document.get("id"))] = Filed(cells, {**cells, **known})
        return found

    @contextlib.contextmanager
    def _changing(self) -> Generator[None]:
        """Keep other runs from the files; the folder is made where it is missing."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            lock = os.open(self._folder / LOCK, flags, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
            finally:
                os.close(lock)
        except OSError as error:
            raise CheckpointFullError(
                f"Rejected rows can't be written to {self._folder}: {error.strerror}.",
                hint="Make room or access for it, then run again with --resume.",
            ) from None


async def lines_of(folder: Path, run_id: str) -> list[Rejected]:
    """A run's rejected rows as the files of the folder have them."""
    return await asyncio.to_thread(_lines_of, folder, run_id)


def _lines_of(folder: Path, run_id: str) -> list[Rejected]:
    found: list[Rejected] = []
    for path in sorted(folder.glob("*.ndjson")):
        with path.open("rb") as file:
            documents = [_parsed(line) for line in file]
        for one in documents:
            key = _members(one.get("key"))
            if one.get("run") == run_id and key:
                texts = tuple(map(str, key.values()))
                reject = Reject(str(one.get("id")), texts, str(one.get("reason")))
                kind = StepKind.EDGES if one.get("step") == StepKind.EDGES else StepKind.ROWS
                found.append(Rejected(str(one.get("table")), kind, reject))
    return found


def beside(checkpoint: Path) -> Path:
    """The folder of the rejected rows of runs with this checkpoint."""
    return checkpoint.absolute().parent / FOLDER


@contextlib.contextmanager
def _private(path: Path) -> Generator[BinaryIO]:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        yield file


def _parsed(line: bytes) -> dict[str, object]:
    """A line as the JSON object that it is; empty where it was cut off."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return _members(document)


def _members(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
