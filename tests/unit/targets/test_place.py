"""Which files may be a target, and who may write into one."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from checkpoints import CheckpointStore, RunRecord
from streamer.errors import TargetError, UsageError
from streamer.targets.place import Place, inspect, located
from tests.engines.somebody import as_somebody

HOLDER = """
import sys; from pathlib import Path; from streamer.targets.place import Place
place = Place.take(Path(sys.argv[1])); print("held", flush=True); sys.stdin.readline()
"""


@contextmanager
def held_by_another(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def sqlite(path: Path) -> Path:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    return path


def test_a_new_file_is_its_owner_s_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        place = Place.take(tmp_path / "x.db")
    finally:
        os.umask(before)

    assert place.made
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o600
    place.leave(unused=False)
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


def test_a_file_that_was_made_for_nothing_goes_and_one_that_was_there_stays(tmp_path: Path) -> None:
    for path in (tmp_path / "new.db", sqlite(tmp_path / "old.db")):
        Place.take(path).leave(unused=True)

    assert [path.name for path in tmp_path.iterdir()] == ["old.db"]


def folder(path: Path) -> None:
    path.mkdir()


def link(path: Path) -> None:
    path.symlink_to(sqlite(path.with_name("real.db")))


def dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere.db"))


def pipe(path: Path) -> None:
    os.mkfifo(path)


def text(path: Path) -> None:
    path.write_text("id,name\n1,precious\n")


def checkpoint(path: Path) -> None:
    async def make() -> None:
        store = await CheckpointStore.open(path)
        await store.begin(RunRecord("run", "running", 1, {}), [])
        await store.close()

    asyncio.run(make())
    path.with_name("x.db.lock").unlink()


def link_for_a_lock(path: Path) -> None:
    path.with_name("x.db.lock").symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (folder, "is a folder, not a SQLite database"),
        (link, "is a symbolic link"),
        (dangling_link, "is a symbolic link"),
        (pipe, "is no file, not a SQLite database"),
        (text, "is not a SQLite database"),
        (checkpoint, "is a checkpoint"),
        (link_for_a_lock, "can't be a target: .*x.db.lock is a symbolic link"),
    ],
)
def test_what_cannot_be_a_target_is_refused_and_left_as_it_is(tmp_path: Path, make, words) -> None:
    path = tmp_path / "x.db"
    make(path)
    before = {p.name: p.lstat().st_mtime_ns for p in tmp_path.iterdir()}

    with pytest.raises(UsageError, match=f"{re.escape(str(tmp_path))}/x.db {words}") as caught:
        Place.take(path)

    assert caught.value.hint
    assert "precious" not in str(caught.value)
    assert {p.name: p.lstat().st_mtime_ns for p in tmp_path.iterdir()} == before


def test_without_its_folder_a_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no folder .*missing for the target x\.db"):
        Place.take(tmp_path / "missing" / "x.db")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("forbidden", ["file", "folder"])
def test_what_may_not_be_written_is_refused(forbidden: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are for their owner only
        place = Path(folder)
        path = sqlite(place / "x.db")
        place.chmod(0o777)
        (path if forbidden == "file" else place).chmod(0o555)

        with as_somebody(), pytest.raises(UsageError, match="Permission denied") as caught:
            Place.take(path)

        assert caught.value.hint
        assert [path.name for path in place.iterdir()] == ["x.db"]


def test_a_second_process_is_refused_and_told_who_is_there(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with held_by_another(path) as holder:
        with pytest.raises(TargetError, match=f"is in use by process {holder.pid} on ") as caught:
            Place.take(path)
        assert "Wait" in caught.value.hint

    Place.take(path).leave(unused=False)  # what a process that died left behind is no obstacle
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


def test_a_file_has_one_name_however_its_folder_is_called(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "real")

    assert located(tmp_path / "linked" / "x.db") == located(tmp_path / "real" / ".." / "real/x.db")
    assert inspect(tmp_path / "linked" / "x.db") is False
