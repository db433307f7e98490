"""The log's file: rotated by size, shared by processes, moved away by others."""

from __future__ import annotations

import logging
import multiprocessing
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.cli.log_file import LogFile
from streamer.cli.logs import logging_to
from streamer.cli.redact import Redactor
from streamer.config import OutputSettings, resolve
from streamer.errors import SettingsError


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("streamer.test", logging.INFO, __file__, 0, text, None, None)


def written(folder: Path) -> list[Path]:
    """The log's files, the oldest first."""
    return sorted(folder.iterdir(), key=lambda path: -int(path.suffix[1:] or 0))


@given(lines=st.lists(st.text("abcü", max_size=12), max_size=40), keep=st.integers(1, 4))
def test_what_is_kept_is_the_end_of_what_was_said_in_files_of_the_size_asked_for(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], keep: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    file = LogFile(folder / "log", "--log-file", most_bytes=30, keep=keep)

    for line in lines:
        file.emit(record(line))
    file.close()

    files = written(folder)
    kept = "".join(path.read_text() for path in files)
    assert "".join(f"{line}\n" for line in lines).endswith(kept)
    assert len(files) <= keep + 1
    assert all(path.stat().st_size <= 30 for path in files)
    assert len(files) == keep + 1 or kept.count("\n") == len(lines)


def test_files_are_for_their_owner_alone_and_the_newest_has_the_name(tmp_path: Path) -> None:
    settings = OutputSettings(
        log_file=tmp_path / "log", log_max_bytes=4_096, log_keep=2, verbosity=-1
    )

    for start in range(3):  # as resumes of one run
        with logging_to(settings, Redactor()):
            for number in range(100):
                logging.getLogger("streamer.test").info("%d.%d %s", start, number, "x" * 60)

    assert {path.name for path in tmp_path.iterdir()} == {"log", "log.1", "log.2"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert " 2.99 " in (tmp_path / "log").read_text()


def test_a_file_that_somebody_else_moved_away_is_begun_anew(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "log", "--log-file")
    file.emit(record("one"))

    (tmp_path / "log").rename(tmp_path / "elsewhere")
    file.emit(record("two"))
    (tmp_path / "log").unlink()
    file.emit(record("three"))
    file.close()

    assert (tmp_path / "elsewhere").read_text() == "one\n"
    assert (tmp_path / "log").read_text() == "three\n"


def test_a_link_that_was_put_in_its_place_is_not_followed(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "log", "--log-file", most_bytes=4, keep=1)
    file.emit(record("one"))
    (tmp_path / "log").rename(tmp_path / "elsewhere")
    (tmp_path / "log").symlink_to(tmp_path / "victim")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging, "raiseExceptions", False)
        file.emit(record("two"))
    file.close()

    assert not (tmp_path / "victim").exists()


def write_lines(path: Path, name: str, count: int) -> None:
    """A process that logs."""
    file = LogFile(path, "--log-file", most_bytes=400, keep=500)
    for number in range(count):
        file.emit(record(f"{name} {number}"))
    file.close()
    os._exit(0)


@pytest.mark.processes
def test_processes_that_share_a_file_lose_and_mix_no_line(tmp_path: Path) -> None:
    processes = [
        multiprocessing.get_context("spawn").Process(
            target=write_lines, args=(tmp_path / "log", name, 400)
        )
        for name in "ab"
    ]

    for process in processes:
        process.start()
    for process in processes:
        process.join()

    lines = [line for path in written(tmp_path) for line in path.read_text().splitlines()]
    for name in "ab":
        own = [line for line in lines if line.startswith(f"{name} ")]
        assert own == [f"{name} {number}" for number in range(400)]
    assert len(lines) == 800


@pytest.mark.parametrize("size", ["10", "4095", "much", "-1"])
def test_sizes_that_make_no_sense_are_refused(size: str) -> None:
    with pytest.raises(SettingsError, match="--log-max-bytes"):
        resolve({"log_max_bytes": size}, {})


def test_the_size_and_the_number_of_files_are_settings() -> None:
    output = resolve({"log_max_bytes": "10MB", "log_keep": "3"}, {}).output

    assert (output.log_max_bytes, output.log_keep) == (10_000_000, 3)


def test_a_file_that_cannot_be_opened_leaves_nothing_to_close(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be opened") as caught:
        LogFile(tmp_path / "nowhere" / "x.log", "--log-file")

    # logging closes whatever handler was begun, once the process ends.
    handler = caught.traceback[-1].frame.f_locals["self"]
    handler.close()
