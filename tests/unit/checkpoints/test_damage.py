"""A checkpoint that isn't what was saved is noticed, however it came about."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from checkpoints import (
    CheckpointError,
    CheckpointStore,
    Damaged,
    Foreign,
    Newer,
    RunRecord,
    Saved,
    StepRecord,
    peek,
)

NAME = "run.db"
RUN = RunRecord("run-1", "loading", 2, {"source": {"database": "shop"}})


def step(step_id: int, number: int) -> StepRecord:
    return StepRecord(
        step_id, f"public.t{step_id}", "rows", "open", (f"{number}", "é"), number, number, 9, {}
    )


@dataclass(frozen=True)
class Sample:
    """A checkpoint with its lock file, as a kill leaves it (with a log) or as closing does."""

    folder: Path
    saved: Saved

    def copy(self, folder: Path) -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder)
        return folder / NAME


@pytest.fixture(scope="module", params=["killed", "closed"])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    work, folder = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("sample")

    def keep() -> None:
        for file in work.iterdir():
            if not file.name.endswith("-shm"):
                shutil.copy(file, folder)

    async def fill() -> Saved | None:
        async with await CheckpointStore.open(work / NAME) as store:
            await store.begin(RUN, [step(number, 0) for number in range(4)])
        async with await CheckpointStore.open(work / NAME) as store:
            for number in range(1, 5):
                await store.save(None, [step(1, number), step(3, number)])
            if request.param == "killed":
                keep()
            return await store.read()

    saved = asyncio.run(fill())
    if request.param == "closed":
        keep()
    assert saved is not None
    return Sample(folder, saved)


def read_and_save(path: Path) -> Saved | None:
    """What opening finds; and it lets itself be written and read after that."""

    async def run() -> Saved | None:
        async with await CheckpointStore.open(path) as store:
            found = await store.read()
            await store.save(None, [step(2, 77)])
        async with await CheckpointStore.open(path) as store:
            after = await store.read()
            assert after is not None
            assert after.steps[2] == step(2, 77)
        return found

    return asyncio.run(run())


def replaced(path: Path, change: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize("end", ["", "-wal", ".lock"])
@settings(max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_fault_19_a_flipped_bit_is_noticed_or_changes_nothing(
    sample: Sample,
    tmp_path_factory: pytest.TempPathFactory,
    end: str,
    place: float,
    bit: int,
) -> None:
    path = sample.copy(tmp_path_factory.getbasetemp() / "flipped")
    file = path.with_name(path.name + end)
    if not file.exists():
        return  # a closed checkpoint has no log
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    file.write_bytes(content)

    try:
        looked_at, found = peek(path), read_and_save(path)
    except CheckpointError:
        return
    assert looked_at == found == sample.saved


@settings(max_examples=40)
@given(share=st.floats(0, 1, exclude_max=True))
@example(share=1 / 256)  # within the header
def test_fault_19_a_file_cut_short_is_noticed_or_its_log_makes_up_for_it(
    sample: Sample, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    path = sample.copy(tmp_path_factory.getbasetemp() / "cut")
    replaced(path, lambda content: content[: int(share * len(content))])

    try:
        found = read_and_save(path)
    except Damaged:
        return
    assert found == sample.saved
    assert (sample.folder / f"{NAME}-wal").exists()


@settings(max_examples=40)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_log_cut_short_is_noticed(
    sample: Sample, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    path = sample.copy(tmp_path_factory.getbasetemp() / "log")
    log = path.with_name(NAME + "-wal")
    if not log.exists():
        return
    replaced(log, lambda content: content[: int(share * len(content))])

    with pytest.raises(Damaged, match="save 5 was acknowledged"):
        read_and_save(path)


def test_a_lost_log_is_noticed_by_opener_and_onlooker(sample: Sample, tmp_path: Path) -> None:
    path = sample.copy(tmp_path / "copy")
    log = path.with_name(NAME + "-wal")
    if not log.exists():
        return
    log.unlink()

    for look in (read_and_save, peek):
        with pytest.raises(Damaged, match="holds save 1, but save 5 was acknowledged"):
            look(path)


def test_a_log_without_its_file_is_no_reason_to_start_over(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}-wal").write_bytes(b"frames")

    with pytest.raises(Damaged, match="still there"):
        read_and_save(tmp_path / NAME)

    assert not (tmp_path / NAME).exists()


def test_an_older_copy_put_back_is_noticed_until_its_lock_file_goes(tmp_path: Path) -> None:
    path, backup = tmp_path / NAME, tmp_path / "backup"

    async def run() -> None:
        async with await CheckpointStore.open(path) as store:
            await store.begin(RUN, [step(2, 0)])
        shutil.copy(path, backup)
        async with await CheckpointStore.open(path) as store:
            await store.save(None, [step(2, 1)])

    asyncio.run(run())
    shutil.copy(backup, path)

    with pytest.raises(Damaged, match="older copy"):
        peek(path)
    (tmp_path / f"{NAME}.lock").unlink()
    assert peek(path) == Saved(RUN, (step(2, 0),))


def test_a_checkpoint_of_another_run_may_be_put_in_place(tmp_path: Path) -> None:
    async def run(path: Path, saves: int) -> None:
        async with await CheckpointStore.open(path) as store:
            await store.begin(RUN, [step(2, 0)])
            for number in range(saves):
                await store.save(None, [step(2, number)])

    asyncio.run(run(tmp_path / NAME, saves=5))
    asyncio.run(run(tmp_path / "other.db", saves=1))
    (tmp_path / "other.db").rename(tmp_path / NAME)

    assert peek(tmp_path / NAME) == Saved(RUN, (step(2, 0),))


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("DELETE FROM step WHERE step_id = 1", "4 rows where 5 were saved"),
        ("DELETE FROM run", "4 rows where 5 were saved"),
        ("DELETE FROM seal", "0 seals"),
        ("UPDATE step SET row_count = row_count + 1 WHERE step_id = 3", "row 4 of table step"),
        ("UPDATE step SET last_key = NULL WHERE step_id = 3", "row 4 of table step"),
        ("UPDATE step SET step_id = 9 WHERE step_id = 3", "row 4 of table step"),
        ("UPDATE run SET document = x'00'", "row 1 of table run"),
        ("UPDATE run SET epoch = 'x'", "row 1 of table run"),
        ("UPDATE seal SET saves = 1", "row 1 of table seal"),
        ("ALTER TABLE step RENAME COLUMN kind TO sort", "its tables aren't those"),
        ("CREATE TRIGGER t AFTER UPDATE ON run BEGIN SELECT 1; END", "its tables aren't those"),
        ("DROP TABLE step", "its tables aren't those"),
        ("PRAGMA user_version = 0", "header"),
    ],
)
def test_a_meddled_checkpoint_is_noticed(
    sample: Sample, tmp_path: Path, sql: str, complaint: str
) -> None:
    path = sample.copy(tmp_path / "copy")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql)
        connection.commit()

    with pytest.raises(Damaged, match=complaint):
        read_and_save(path)


def test_a_page_that_sqlite_would_read_but_not_keep_is_noticed(
    sample: Sample, tmp_path: Path
) -> None:
    path = sample.copy(tmp_path / "copy")
    with closing(sqlite3.connect(path)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'step'")
    fragments = 4096 * (page - 1) + 7  # sqlite.org/fileformat2.html, section 1.6
    replaced(path, lambda content: content[:fragments] + b"\x09" + content[fragments + 1 :])

    with pytest.raises(Damaged, match="own check"):
        read_and_save(path)


def test_a_schema_that_is_no_text_is_noticed(sample: Sample, tmp_path: Path) -> None:
    path = sample.copy(tmp_path / "copy")
    replaced(path, lambda content: content.replace(b"CHECK", b"CH\xc5CK"))

    with pytest.raises(Damaged, match="its tables aren't those"):
        read_and_save(path)


def test_a_row_of_an_earlier_save_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / NAME

    async def run(number: int) -> None:
        async with await CheckpointStore.open(path) as store:
            if number == 0:
                await store.begin(RUN, [step(1, 0), step(2, 0)])
            else:
                await store.save(None, [step(1, number), step(2, number)])

    asyncio.run(run(0))
    with closing(sqlite3.connect(path)) as connection:
        (old,) = connection.execute("SELECT * FROM step WHERE step_id = 1").fetchall()
    asyncio.run(run(1))
    with closing(sqlite3.connect(path)) as connection:
        marks = ", ".join("?" * len(old))
        connection.execute(f"REPLACE INTO step VALUES ({marks})", old)
        connection.commit()

    with pytest.raises(Damaged, match="different saves"):
        read_and_save(path)


def test_a_newer_format_is_refused_and_named(sample: Sample, tmp_path: Path) -> None:
    path = sample.copy(tmp_path / "copy")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")

    for look in (read_and_save, peek):
        with pytest.raises(Newer, match="format 7, newer than 1"):
            look(path)


def other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE run (run_id)")
        connection.commit()


def a_folder(path: Path) -> None:
    path.mkdir()


def holding(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def linked_to(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


@pytest.mark.parametrize(
    ("put", "error", "complaint"),
    [
        (holding(b""), Damaged, "empty"),
        (holding(bytes(8192)), Damaged, "zeros"),
        (holding(b"id,name\n" * 99), Foreign, "no database"),
        (holding(b"SQLite for"), Damaged, "damaged"),
        (holding(b"x"), Foreign, "no database"),
        (other_database, Foreign, "another program"),
        (a_folder, Foreign, "not a file"),
        (linked_to("/dev/null"), Foreign, "symbolic link"),
        (linked_to("nowhere"), Foreign, "symbolic link"),
    ],
    ids=["empty", "zeros", "text", "cut", "byte", "database", "folder", "link", "dangling"],
)
def test_fault_19_what_is_no_checkpoint_is_refused_by_name_and_left_alone(
    tmp_path: Path,
    put: Callable[[Path], object],
    error: type[CheckpointError],
    complaint: str,
) -> None:
    path = tmp_path / "it.db"
    put(path)
    before = (path.read_bytes(), path.stat().st_mode) if path.is_file() else None

    for look in (read_and_save, peek):
        with pytest.raises(error, match=complaint) as caught:
            look(path)
        assert caught.value.path == path

    if before is None:
        assert list(tmp_path.iterdir()) == [path]
    assert ((path.read_bytes(), path.stat().st_mode) if path.is_file() else None) == before


@pytest.mark.parametrize("end", ["-wal", "-shm", ".lock"])
def test_a_link_in_place_of_a_companion_is_refused(
    sample: Sample, tmp_path: Path, end: str
) -> None:
    path = sample.copy(tmp_path / "copy")
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    companion = path.with_name(NAME + end)
    companion.unlink(missing_ok=True)
    companion.symlink_to(victim)

    with pytest.raises(Foreign, match="symbolic link"):
        read_and_save(path)

    assert victim.read_bytes() == b"precious"


def test_a_damaged_file_and_its_log_are_left_as_found(sample: Sample, tmp_path: Path) -> None:
    path = sample.copy(tmp_path / "copy")
    replaced(path, lambda content: content[:4000] + bytes(96) + content[4096:])

    def evidence() -> dict[str, bytes]:
        return {end: path.with_name(NAME + end).read_bytes() for end in ends}

    ends = [end for end in ("", "-wal") if path.with_name(NAME + end).exists()]
    before = evidence()

    with pytest.raises(Damaged):
        read_and_save(path)

    assert evidence() == before


def test_no_complaint_quotes_what_the_file_holds(sample: Sample, tmp_path: Path) -> None:
    path = sample.copy(tmp_path / "copy")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE run SET document = CAST(x'636f666665ff65' AS TEXT)")
        connection.commit()

    with pytest.raises(Damaged) as caught:
        read_and_save(path)

    assert "coff" not in str(caught.value)
    assert caught.value.__cause__ is None
