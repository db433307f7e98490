from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from checkpoints import CheckpointStore, Damaged, RunRecord, Saved, StepRecord, Unwritable, peek
from checkpoints.file import translated, uri

RUN = RunRecord("run-1", "loading", 1, {})


def step(number: int, step_id: int = 1) -> StepRecord:
    return StepRecord(step_id, "public.t", "rows", "open", (str(number),), number, 0, 0, {})


def modes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


@pytest.mark.parametrize("umask", [0o000, 0o777])
async def test_all_files_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = await CheckpointStore.open(tmp_path / "run.db")
        await store.begin(RUN, [])
    finally:
        os.umask(before)

    assert modes(tmp_path) == dict.fromkeys(
        ["run.db", "run.db-wal", "run.db-shm", "run.db.lock"], 0o600
    )
    await store.close()


async def test_a_copied_checkpoint_becomes_private_again(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    async with await CheckpointStore.open(path) as store:
        await store.begin(RUN, [step(1)])
    path.chmod(0o644)

    await (await CheckpointStore.open(path)).close()

    assert modes(tmp_path) == {"run.db": 0o600, "run.db.lock": 0o600}


async def test_a_new_checkpoint_in_which_no_run_was_begun_goes_again(tmp_path: Path) -> None:
    await (await CheckpointStore.open(tmp_path / "run.db")).close()

    assert sorted(modes(tmp_path)) == ["run.db.lock"]


async def test_closing_leaves_one_file_and_the_lock_file(tmp_path: Path) -> None:
    async with await CheckpointStore.open(tmp_path / "run.db") as store:
        await store.begin(RUN, [step(1)])

    assert sorted(modes(tmp_path)) == ["run.db", "run.db.lock"]


async def test_a_save_is_on_the_disk_when_it_returns(tmp_path: Path) -> None:
    path, copy = tmp_path / "run.db", tmp_path / "copy"
    copy.mkdir()
    async with await CheckpointStore.open(path) as store:
        await store.begin(RUN, [step(1)])
        await store.save(None, [step(2)])
        for name in ("run.db", "run.db-wal", "run.db.lock"):
            shutil.copy(tmp_path / name, copy)

    assert peek(copy / "run.db") == Saved(RUN, (step(2),))


def test_looking_at_a_missing_checkpoint_makes_nothing(tmp_path: Path) -> None:
    assert peek(tmp_path / "run.db") is None
    assert list(tmp_path.iterdir()) == []


async def test_looking_at_a_closed_checkpoint_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    async with await CheckpointStore.open(path) as store:
        await store.begin(RUN, [step(1)])
    before = modes(tmp_path)

    assert peek(path) == Saved(RUN, (step(1),))
    assert modes(tmp_path) == before


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "what?.db", "#1.db", "é.db", "a&mode=x.db"])
async def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    async with await CheckpointStore.open(tmp_path / name) as store:
        await store.begin(RUN, [step(1)])

        assert peek(tmp_path / name) == Saved(RUN, (step(1),))
    assert sorted(modes(tmp_path)) == [name, f"{name}.lock"]


async def test_a_relative_path_stays_the_same_file_when_the_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = await CheckpointStore.open(Path("run.db"))
    monkeypatch.chdir("/")

    await store.begin(RUN, [step(1)])

    await store.close()
    assert peek(tmp_path / "run.db") == Saved(RUN, (step(1),))


async def test_a_missing_folder_is_unwritable(tmp_path: Path) -> None:
    with pytest.raises(Unwritable) as caught:
        await CheckpointStore.open(tmp_path / "nowhere" / "run.db")

    assert caught.value.path == tmp_path / "nowhere" / "run.db"


async def test_a_failed_opening_leaves_the_lock_free(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    path.touch()
    with pytest.raises(Damaged):
        await CheckpointStore.open(path)
    path.unlink()

    await (await CheckpointStore.open(path)).close()


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancelled_save_is_whole_or_not_there_and_the_next_one_works(
    tmp_path: Path, turns: int
) -> None:
    path = tmp_path / "run.db"
    async with await CheckpointStore.open(path) as store:
        await store.begin(RUN, [step(0, 1), step(0, 2)])
        save = asyncio.create_task(store.save(None, [step(1, 1), step(1, 2), step(1, 3)]))
        for _ in range(turns):
            await asyncio.sleep(0)
        save.cancel()
        await asyncio.wait({save})

        found = await store.read()
        assert found in (
            Saved(RUN, (step(0, 1), step(0, 2))),
            Saved(RUN, (step(1, 1), step(1, 2), step(1, 3))),
        )
        await store.save(replace(RUN, epoch=2), [step(2, 1), step(2, 2), step(2, 3)])

    assert peek(path) == Saved(replace(RUN, epoch=2), (step(2, 1), step(2, 2), step(2, 3)))


async def test_a_save_cancelled_after_its_commit_is_known_to_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    async with await CheckpointStore.open(path) as store:
        await store.begin(RUN, [step(0)])
        save = asyncio.create_task(store.save(None, [step(1)]))
        while not save.done():
            await asyncio.sleep(0)
            # Looking takes a while, and the loop stands still: time for the store's thread.
            if any(peek(path) == Saved(RUN, (step(1),)) for _ in range(8)):
                save.cancel()
        assert save.cancelled()

        await store.save(None, [step(5, step_id=2)])

        assert await store.read() == Saved(RUN, (step(1), step(5, step_id=2)))


async def test_a_save_waits_its_turn_when_closing_comes_first(tmp_path: Path) -> None:
    store = await CheckpointStore.open(tmp_path / "run.db")
    await store.begin(RUN, [])

    closing_task = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="closed"):
        await store.save(None, [step(1)])

    await closing_task
    assert peek(tmp_path / "run.db") == Saved(RUN, ())


async def test_a_stranger_who_writes_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    async with await CheckpointStore.open(path) as store:
        await store.begin(RUN, [step(1)])
        with closing(sqlite3.connect(path)) as stranger:
            stranger.execute("UPDATE step SET next_number = 9")
            stranger.commit()

        with pytest.raises(Damaged):
            await store.read()


@pytest.mark.parametrize(
    ("options", "sql"),
    [
        ("mode=rwc", "PRAGMA max_page_count=2; CREATE TABLE a (x); CREATE TABLE b (x)"),
        ("mode=ro", "DELETE FROM known"),
        ("mode=rw", "BEGIN IMMEDIATE"),
        ("mode=rw", "ATTACH '/nowhere/at.all' AS other"),
    ],
    ids=["full", "read-only", "busy", "not there"],
)
def test_fault_18_what_room_or_access_would_mend_is_no_damage(
    options: str, sql: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE known (x)")
        other.execute("BEGIN IMMEDIATE" if "IMMEDIATE" in sql else "BEGIN")
        with (
            closing(sqlite3.connect(uri(path, options), uri=True, timeout=0)) as connection,
            pytest.raises(sqlite3.Error) as refused,
        ):
            connection.executescript(sql)

    told = translated(refused.value, path)

    assert isinstance(told, Unwritable)
    assert "can't be read or written" in str(told)


async def test_what_sqlite_refuses_is_damage_or_a_lack_of_room(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    async with await CheckpointStore.open(path) as store:
        await store.begin(RUN, [step(1)])
        with closing(sqlite3.connect(path)) as stranger:
            stranger.execute("DROP TABLE step")
            stranger.commit()

        with pytest.raises(Damaged):
            await store.save(None, [step(2)])
        with pytest.raises(Damaged):
            await store.read()
