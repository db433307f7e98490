"""pgbouncer in transaction mode, where the machine has it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tests.engines.postgres_server import USER, Database

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
PASSWORD = "pooled"


@contextlib.contextmanager
def transaction_pooled(database: Database) -> Iterator[str]:
    """A DSN that leads to `database` through pgbouncer; skips the test where there is none."""
    if PROGRAM is None:
        pytest.skip("no pgbouncer on this machine")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder = database.server.socket_folder
    config = folder / f"{database.name}.ini"
    users = folder / f"{database.name}.txt"
    users.write_text(f'"{USER}" "{PASSWORD}"\n')
    config.write_text(
        f"[databases]\n* = host={folder} port={database.port} user={USER}\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = plain\n"
        f"auth_file = {users}\npool_mode = transaction\n"
    )
    for file in (config, users):
        file.chmod(0o644)  # whatever umask a test before has left: pgbouncer runs as another user
    owner = database.server.data_folder.stat()
    process = subprocess.Popen(
        [PROGRAM, config], stderr=subprocess.PIPE, user=owner.st_uid, group=owner.st_gid
    )
    assert process.stderr is not None
    try:
        with process.stderr as log:
            assert any(b"process up" in line for line in log)
            yield f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/{database.name}"
    finally:
        process.terminate()
        process.wait(timeout=20)
