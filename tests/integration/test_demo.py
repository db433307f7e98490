"""The demo, whole, as a user starts it; and its comparison, which must be able to fail."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamer.demo.compare import Compared, compare_all
from streamer.demo.target import Target
from streamer.model import Secret
from tests.engines.postgres import Database, now
from tests.engines.workerd import Workerd

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "streamer-demo-"


@contextmanager
def demo(folder: Path, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """The demo as a process, in an environment whose settings lead astray."""
    settings = {
        "POSTGRES_DSN": "postgresql://canary:canary@127.0.0.1:1/canary",
        "PGHOST": "canary.invalid",
        "CLOUDFLARE_API_BASE_URL": "http://127.0.0.1:1/client/v4",
        "CLOUDFLARE_API_TOKEN": "canary-token",
        "D1_DATABASE_ID": "canary",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "streamer", "demo"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
        | settings
        | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process
        if process.poll() is None:
            process.kill()


def running(folder: str) -> list[str]:
    """Command lines of this machine's processes that name `folder`."""
    if Path("/proc/self/cmdline").exists():
        lines = [_command_line(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
    else:
        lines = subprocess.check_output(["ps", "-axo", "args"], text=True).splitlines()
    return [line for line in lines if folder in line]


def _command_line(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:  # it has ended
        return ""


@pytest.mark.processes
@pytest.mark.postgres
def test_the_demo_is_killed_resumes_and_proves_that_every_row_arrived(tmp_path: Path) -> None:
    before = set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))

    with demo(tmp_path) as process:
        said, _ = process.communicate(timeout=500)

    assert process.returncode == 0, said
    assert said.count("  equal\n") == 7
    assert "Killed." in said
    assert "100,200 rows" in said
    assert "No row lost" in said
    assert "canary" not in said
    assert "\x1b" not in said
    assert list(tmp_path.iterdir()) == []
    assert set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")) <= before


@pytest.mark.processes
@pytest.mark.postgres
def test_a_demo_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="t") as short:  # a socket's path must be
        place = Path(short)
        place.chmod(0o755)
        folder = ""
        with demo(tmp_path, TMPDIR=short) as process:
            for line in process.stdout or ():
                if line.startswith("2. A local D1"):
                    (folder,) = (path.name for path in place.iterdir())
                    process.send_signal(signal.SIGTERM)
            process.wait(30)

        assert process.returncode == 130
        assert folder.startswith(PREFIX)
        assert list(place.iterdir()) == []
        assert running(folder) == []


SOURCE = """
CREATE TABLE keyed (
    id bigint PRIMARY KEY, word text, yes boolean, price numeric(10,2), exact numeric,
    bytes bytea, moment timestamptz, many int[], double double precision
);
INSERT INTO keyed VALUES
    (9007199254740993, 'Zoë', true, 1.50, 0.10, '\\x00ff', '2026-01-01 01:00:00+01', '{1,2}', 0.1),
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE keyless (word text);
INSERT INTO keyless VALUES ('same'), ('same'), ('other');
"""
TARGET = (
    """CREATE TABLE keyed (id INTEGER PRIMARY KEY, word TEXT, yes INTEGER, price REAL, exact TEXT,
    bytes BLOB, moment TEXT, many TEXT, double REAL)""",
    """INSERT INTO keyed VALUES (9007199254740993, 'Zoë', 1, 1.5, '0.10', x'00ff',
    '2026-01-01 00:00:00', '[1,2]', 0.1)""",
    "INSERT INTO keyed (id) VALUES (2)",
    "CREATE TABLE keyless (word TEXT)",
    "INSERT INTO keyless VALUES ('same'), ('same'), ('other')",
)


@pytest.fixture
def uuid(workerd_d1: Workerd, database: Database) -> str:
    made = workerd_d1.create(database.name)
    database.execute_now(SOURCE)
    for sql in TARGET:
        workerd_d1.run(made, sql)
    return made


def compared(database: Database, workerd_d1: Workerd, uuid: str) -> dict[str, Compared]:
    target = Target(workerd_d1.base_url, workerd_d1.account_id, Secret(workerd_d1.token), uuid)

    def source(sql: str) -> list[str]:
        return [str(row[0]) for row in now(database.fetch(sql))]

    return {result.table: result for result in compare_all(source, target)}


@pytest.mark.postgres
@pytest.mark.workerd
def test_equal_databases_are_found_equal(
    database: Database, workerd_d1: Workerd, uuid: str
) -> None:
    assert compared(database, workerd_d1, uuid) == {
        "keyed": Compared("keyed", 2, 0, 0),
        "keyless": Compared("keyless", 3, 0, 0),
    }


@pytest.mark.postgres
@pytest.mark.workerd
@pytest.mark.parametrize(
    ("damage", "missing", "extra"),
    [
        ("UPDATE keyed SET id = 9007199254740992 WHERE id <> 2", 1, 1),
        ("UPDATE keyed SET word = 'Zoe' WHERE id <> 2", 1, 1),
        ("UPDATE keyed SET word = '' WHERE id = 2", 1, 1),
        ("UPDATE keyed SET yes = 0 WHERE id <> 2", 1, 1),
        ("UPDATE keyed SET price = 1.51 WHERE id <> 2", 1, 1),
        ("UPDATE keyed SET exact = '0.1' WHERE id <> 2", 1, 1),
        ("UPDATE keyed SET bytes = '00FF' WHERE id <> 2", 1, 1),
        ("UPDATE keyed SET moment = '2026-01-01 01:00:00' WHERE id <> 2", 1, 1),
        ("UPDATE keyed SET double = 0.1000000000000001 WHERE id <> 2", 1, 1),
        ("UPDATE keyed SET double = 0 WHERE id = 2", 1, 1),
        ("DELETE FROM keyed WHERE id = 2", 1, 0),
        ("INSERT INTO keyed (id) VALUES (3)", 0, 1),
        ("DELETE FROM keyless WHERE rowid = 1", 1, 0),
        ("INSERT INTO keyless VALUES ('other')", 0, 1),
    ],
)
def test_every_kind_of_damage_is_seen(
    database: Database, workerd_d1: Workerd, uuid: str, *, damage: str, missing: int, extra: int
) -> None:
    workerd_d1.run(uuid, damage)

    results = compared(database, workerd_d1, uuid).values()

    assert sum(result.missing for result in results) == missing
    assert sum(result.extra for result in results) == extra
