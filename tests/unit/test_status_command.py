import argparse
import json
import os
import pty
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from checkpoints import CheckpointStore, RunRecord, StepRecord
from streamer.cli import status as command
from streamer.config import Config, RunSettings
from streamer.errors import CheckpointProblemError, ExitCode, StreamerError

RUN = RunRecord("8f2c", "running", 1, {"started_at": "2026-11-22T10:00:00Z"})
STEP = StepRecord(
    step_id=1,
    table="public.a",
    kind="rows",
    state="doing",
    last_key=("7",),
    next_number=3,
    rows=7,
    bytes=700,
    document={"target": "a", "rows_estimate": 70},
)


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[CheckpointStore]:
    store = await CheckpointStore.open(tmp_path / "c.db")
    await store.begin(RUN, [STEP])
    yield store
    await store.close()


def call(path: Path, *, as_json: bool = False, watch: bool = False) -> ExitCode:
    arguments = argparse.Namespace(json=as_json, watch=watch)
    return command.run(arguments, Config(run=RunSettings(checkpoint=path)))


async def test_a_run_s_status_can_be_asked_for_while_it_holds_the_checkpoint(
    held: CheckpointStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = call(tmp_path / "c.db", as_json=True)

    document = json.loads(capsys.readouterr().out)
    assert code is ExitCode.DONE
    assert (document["state"], document["pid"]) == ("running", os.getpid())
    assert document["tables"][0]["percent"] == 10.0


async def test_a_run_whose_process_is_gone_is_stopped(
    held: CheckpointStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await held.close()

    code = call(tmp_path / "c.db")

    assert code is ExitCode.DONE
    assert capsys.readouterr().out.startswith("Run 8f2c: stopped; go on with: streamer run")


def test_without_a_checkpoint_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StreamerError, match="no run is recorded") as caught:
        call(tmp_path / "c.db")

    assert "streamer run" in caught.value.hint
    assert caught.value.exit_code is ExitCode.FAILED


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.db").write_text("not a checkpoint")

    with pytest.raises(CheckpointProblemError, match=r"c\.db"):
        call(tmp_path / "c.db")


async def test_watching_ends_when_the_run_does(
    held: CheckpointStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = 0
    read = command.read_status

    def running_twice(path: Path) -> command.RunStatus:
        nonlocal looked
        looked += 1
        status = read(path)
        return replace(status, state=command.RunState.DONE) if looked == 3 else status

    monkeypatch.setattr(command, "read_status", running_twice)
    monkeypatch.setattr(command, "WATCH_EVERY_S", 0.0)

    call(tmp_path / "c.db", as_json=True, watch=True)

    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["running", "running", "done"]


async def test_watching_can_be_interrupted(
    held: CheckpointStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command.time, "sleep", interrupt)

    assert call(tmp_path / "c.db", watch=True) is ExitCode.DONE


def on_a_terminal(work: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> str:
    """What `work` prints on a terminal of 60 columns and 8 rows."""
    ours, theirs = pty.openpty()
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "8")
    seen: list[bytes] = []

    def read() -> None:
        try:
            while block := os.read(ours, 65536):
                seen.append(block)
        except OSError:  # Linux: the other end is closed
            return

    reader = threading.Thread(target=read)
    with os.fdopen(theirs, "w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        reader.start()
        work()
    reader.join()
    os.close(ours)
    return b"".join(seen).decode()


async def test_on_a_terminal_each_look_is_drawn_over_the_one_before_and_fits(
    held: CheckpointStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [replace(STEP, step_id=n, table=f"public.table_{n}") for n in range(1, 30)]
    await held.save(steps=many)
    looks = iter([None])

    def once_more(_seconds: float) -> None:
        if next(looks, "over") == "over":
            raise KeyboardInterrupt

    monkeypatch.setattr(command.time, "sleep", once_more)

    shown = on_a_terminal(lambda: call(tmp_path / "c.db", watch=True), monkeypatch)

    first, second = shown.split("\x1b[6A\r\x1b[J")
    assert len(first.splitlines()) == len(second.splitlines()) == 6
    assert "(30 more lines)" in second
    assert all(len(line) < 60 for line in second.splitlines())
