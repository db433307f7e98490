"""A plain SQLite file as a target: read as any program reads it, or through D1's API."""

from __future__ import annotations

import asyncio
import json
import tempfile
import uuid as ids
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import apsw
import pytest

from streamer.local_d1 import body as bodies
from streamer.targets import file as targets_file
from streamer.targets.file import FileTransport
from tests.engines.d1server import D1Server, HttpAnswer

T = TypeVar("T")


class PlainFile:
    """A file, and the settings that make it the target; where a D1 has uuids, any text will do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def environment(self) -> dict[str, str]:
        return {"STREAMER_TARGET": f"sqlite:{self.path}"}

    def rows(self, _uuid: str, sql: str) -> list[list[Any]]:
        connection = apsw.Connection(str(self.path))
        try:
            connection.set_busy_timeout(5_000)
            return [list(row) for row in connection.execute(sql)]
        finally:
            connection.close()

    def change(self, sql: str) -> None:
        """Do what no foreign key is asked about."""
        connection = apsw.Connection(str(self.path))
        try:
            connection.execute(sql)
        finally:
            connection.close()

    def beside(self) -> set[str]:
        """Files that SQLite or a process left beside it."""
        return {p.name for p in self.path.parent.glob(f"{self.path.name}?*")}


class FileD1(D1Server):
    """The API's paths, answered in this process from plain files; nothing can fail on the way."""

    name = "sqlite_file"
    account_id = FileTransport.account

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._open: dict[str, FileTransport] = {}

    @property
    def pid(self) -> int:
        raise NotImplementedError  # a file has no process

    def start(self) -> None:
        pass

    def kill(self) -> None:
        raise NotImplementedError  # a file has no process

    def stop(self) -> None:
        for uuid in [*self._open]:
            self.delete(uuid)

    def restart(self) -> None:
        """Open all files anew, as another process would."""
        for uuid, transport in self._open.items():
            transport._database.close()
            transport._database = targets_file._opened(self._folder / uuid)

    def set_faults(self, *faults: object) -> None:
        assert not faults

    def stats(self, *, reset: bool = False) -> None:
        pass

    def create(self, name: str) -> str:
        uuid = str(ids.uuid5(ids.NAMESPACE_OID, name))
        self._open[uuid] = FileTransport.open(self._folder / uuid, writing=True)
        return uuid

    def delete(self, uuid: str) -> None:
        transport = self._open.pop(uuid)
        _elsewhere(transport.aclose())

    def transport(self, uuid: str) -> FileTransport:
        return self._open[uuid]

    def api(self, method: str, path: str, body: object = None) -> HttpAnswer:
        _, uuid, route = path.split("/")
        assert (method, route) == ("POST", "raw")
        transport = self._open[uuid]
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        reply = _elsewhere(transport._answer(lambda: bodies.queries(bodies.parse(raw))))
        return HttpAnswer(reply.status, reply.headers, json.loads(reply.body))


def _elsewhere(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives, for callers that may be tasks of a loop themselves."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def sqlite_file() -> Iterator[FileD1]:
    """Plain files behind D1's API."""
    with tempfile.TemporaryDirectory(prefix="files-") as folder, FileD1(Path(folder)) as server:
        yield server
