from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints import Foreign, Locked, Unwritable, holder
from checkpoints.lock import Note, _is_at, take  # pyright: ignore[reportPrivateUsage] - a race's one guard


def test_the_second_taker_is_told_who_holds_it(tmp_path: Path) -> None:
    lock = take(tmp_path / "run.db")

    with pytest.raises(Locked) as caught:
        take(tmp_path / "run.db")

    assert (caught.value.pid, caught.value.host) == (os.getpid(), socket.gethostname())
    assert caught.value.started_at == lock.note.started_at
    assert f"process {os.getpid()} on {socket.gethostname()}" in str(caught.value)
    lock.release()


def test_a_released_lock_is_free_and_names_nobody(tmp_path: Path) -> None:
    lock = take(tmp_path / "run.db")
    assert holder(tmp_path / "run.db") == lock.note

    lock.release()
    lock.release()

    assert holder(tmp_path / "run.db") is None
    take(tmp_path / "run.db").release()


def test_nobody_holds_what_was_never_locked(tmp_path: Path) -> None:
    assert holder(tmp_path / "run.db") is None
    assert list(tmp_path.iterdir()) == []


def test_the_last_save_outlives_the_holder(tmp_path: Path) -> None:
    first = take(tmp_path / "run.db")
    first.record("store", 12)
    first.release()

    second = take(tmp_path / "run.db")

    assert (second.note.store_id, second.note.saves) == ("store", 12)
    second.release()


def test_nothing_is_recorded_after_the_release(tmp_path: Path) -> None:
    lock = take(tmp_path / "run.db")
    lock.release()

    lock.record("store", 12)

    again = take(tmp_path / "run.db")
    assert again.note.saves == 0
    again.release()


def test_a_holder_that_left_no_name_is_still_a_holder(tmp_path: Path) -> None:
    lock = take(tmp_path / "run.db")
    (tmp_path / "run.db.lock").write_bytes(b"")

    with pytest.raises(Locked, match="another process") as caught:
        take(tmp_path / "run.db")
    with pytest.raises(Locked, match="another process"):
        holder(tmp_path / "run.db")

    assert caught.value.pid is None
    lock.release()


def test_a_lock_file_that_was_removed_locks_nobody_out(tmp_path: Path) -> None:
    first = take(tmp_path / "run.db")
    (tmp_path / "run.db.lock").unlink()

    second = take(tmp_path / "run.db")

    assert holder(tmp_path / "run.db") == second.note
    first.release()
    second.release()


def test_a_lock_on_a_file_that_lost_its_name_isnt_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "run.db.lock"
    with path.open("w") as file:
        assert _is_at(file.fileno(), path)

        path.unlink()
        assert not _is_at(file.fileno(), path)

        path.touch()
        assert not _is_at(file.fileno(), path)


def test_the_lock_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        take(tmp_path / "run.db").release()
    finally:
        os.umask(before)

    assert (tmp_path / "run.db.lock").stat().st_mode & 0o777 == 0o600


def test_a_link_or_a_folder_in_place_of_the_lock_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.lock").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "b.lock").mkdir()

    for name in ("a", "b"):
        with pytest.raises(Foreign):
            take(tmp_path / name)

    assert not (tmp_path / "elsewhere").exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unwritable, match=r"nowhere/run\.db"):
        take(tmp_path / "nowhere" / "run.db")


NOTES = st.builds(Note, st.integers(1, 2**22), st.text(max_size=20), st.text(max_size=20))


@given(NOTES)
def test_a_note_reads_back(note: Note) -> None:
    assert Note.of_line(note.line()) == note


@given(NOTES, st.integers(0, 511), st.integers(0, 7))
def test_an_altered_note_is_no_note_or_the_same(note: Note, place: int, bit: int) -> None:
    line = bytearray(note.line())
    line[place % len(line)] ^= 1 << bit

    assert Note.of_line(bytes(line)) in (note, None)


@given(st.binary(max_size=60) | st.sampled_from([b"[]", b"[1,2]", b'["{}",0]', b"{}", b"null"]))
def test_anything_else_is_no_note(line: bytes) -> None:
    assert Note.of_line(line) is None
