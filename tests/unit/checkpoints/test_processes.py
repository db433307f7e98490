"""What only real processes show: kills, full disks, permissions, threads that stay behind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from checkpoints import CheckpointStore, Locked, RunRecord, Saved, holder, peek

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[3]

PRELUDE = """
import asyncio, os, resource, sys, threading
from pathlib import Path
from checkpoints import *

path = Path(sys.argv[1])

def step(step_id, number, padding=""):
    return StepRecord(step_id, "public.t", "rows", "open", (str(number),), number, number, number, {"padding": padding})

def say(*words):
    print(*words, flush=True)
"""


def child(body: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + body, str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(body: str, path: Path) -> tuple[int, str, str]:
    with child(body, path) as process:
        out, err = process.communicate(timeout=30)
    return process.returncode, out, err


SAVE_FOR_EVER = """
async def main():
    store = await CheckpointStore.open(path)
    saved = await store.read()
    number = 0 if saved is None else saved.steps[0].next_number
    if saved is None:
        await store.begin(RunRecord("r", "loading", 1, {}), [step(n, 0) for n in range(5)])
    while True:
        number += 1
        await store.save(RunRecord("r", "loading", number, {}), [step(n, number, "x" * 999) for n in range(5)])
        say(number)

asyncio.run(main())
"""


def test_a_save_that_was_killed_is_whole_and_every_acknowledged_one_is_there(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run.db"
    for life in range(6):
        with child(SAVE_FOR_EVER, path) as process:
            assert process.stdout is not None
            acknowledged = [int(process.stdout.readline()) for _ in range(2 + 7 * life)]
            process.kill()
            acknowledged += [
                int(line) for line in process.stdout.readlines() if line.endswith("\n")
            ]

        saved = peek(path)
        opened = asyncio.run(read(path))

        assert saved == opened
        assert saved is not None
        numbers = {saved.run.epoch, *(step.next_number for step in saved.steps)}
        assert len(saved.steps) == 5
        assert len(numbers) == 1
        assert numbers.pop() >= acknowledged[-1]


async def begun(path: Path) -> None:
    async with await CheckpointStore.open(path) as store:
        await store.begin(RunRecord("r", "loading", 1, {}), [])


async def read(path: Path) -> Saved | None:
    async with await CheckpointStore.open(path) as store:
        return await store.read()


def test_another_process_is_locked_out_looks_on_and_takes_over_at_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with child(SAVE_FOR_EVER, path) as process:
        assert process.stdout is not None
        number = int(process.stdout.readline())

        with pytest.raises(Locked) as caught:
            asyncio.run(read(path))
        looked_at = peek(path)
        note = holder(path)
        process.kill()
        process.wait()

        assert caught.value.pid == process.pid
        assert note is not None
        assert note.pid == process.pid
        assert looked_at is not None
        assert looked_at.run.epoch >= number
        assert holder(path) is None
        assert asyncio.run(read(path)) is not None
        process.stdout.read()


def test_a_creation_that_was_killed_leaves_nothing_half_made(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    code, _, _ = outcome(
        """
import checkpoints.file
fill = checkpoints.file._fill
def fill_and_die(new, tally):
    fill(new, tally)
    os.kill(os.getpid(), 9)
checkpoints.file._fill = fill_and_die
asyncio.run(CheckpointStore.open(path))
""",
        path,
    )
    assert code == -signal.SIGKILL
    assert peek(path) is None

    assert asyncio.run(read(path)) is None

    assert sorted(file.name for file in tmp_path.iterdir()) == ["run.db.lock"]


def test_a_process_that_fails_with_its_checkpoint_open_still_ends(tmp_path: Path) -> None:
    code, _, err = outcome(
        """
async def main():
    store = await CheckpointStore.open(path)
    await store.begin(RunRecord("r", "loading", 1, {}), [])
    raise RuntimeError("on purpose")

asyncio.run(main())
""",
        tmp_path / "run.db",
    )

    assert code == 1
    assert "on purpose" in err
    assert peek(tmp_path / "run.db") == Saved(RunRecord("r", "loading", 1, {}), ())


def test_no_thread_of_an_open_checkpoint_is_waited_for(tmp_path: Path) -> None:
    code, out, err = outcome(
        """
async def main():
    await CheckpointStore.open(path)
    say([t.daemon for t in threading.enumerate() if t is not threading.main_thread()])

asyncio.run(main())
""",
        tmp_path / "run.db",
    )

    assert (code, out) == (0, "[True]\n"), err


def test_fault_18_a_full_disk_is_reported_and_costs_only_the_save_that_met_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run.db"
    code, out, err = outcome(
        """
async def main():
    store = await CheckpointStore.open(path)
    await store.begin(RunRecord("r", "loading", 1, {}), [step(1, 0)])
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, unlimited[1]))
    number = 0
    try:
        while True:
            await store.save(None, [step(1, number + 1, "x" * 20_000)])
            number += 1
    except Unwritable as error:
        say(number)
        say(error.path == path, (await store.read()).steps[0].next_number == number)
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    await store.save(None, [step(1, number + 1)])
    await store.close()

asyncio.run(main())
""",
        path,
    )

    assert code == 0, err
    number, verdict = out.splitlines()
    assert int(number) > 0
    assert verdict == "True True"
    saved = peek(path)
    assert saved is not None
    assert saved.steps[0].next_number == int(number) + 1
    assert asyncio.run(read(path)) == saved


def test_a_disk_without_room_for_a_new_checkpoint_is_reported(tmp_path: Path) -> None:
    code, out, err = outcome(
        """
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    asyncio.run(CheckpointStore.open(path))
except Unwritable as error:
    say(error.path == path)
""",
        tmp_path / "run.db",
    )

    assert (code, out) == (0, "True\n"), err
    assert not (tmp_path / "run.db").exists()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that others may enter, which pytest's own are not."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)
        Path(folder).chmod(0o700)


@pytest.mark.parametrize("forbidden", ["folder", "file"])
def test_a_folder_or_file_without_permission_is_named(public_folder: Path, forbidden: str) -> None:
    path = public_folder / "run.db"
    asyncio.run(begun(path))
    path.with_name("run.db.lock").chmod(0o666)
    (path if forbidden == "file" else public_folder).chmod(0o000)

    code, out, err = outcome(
        """
if os.getuid() == 0:  # whom no mode stops
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for look in (peek, lambda path: asyncio.run(CheckpointStore.open(path))):
    try:
        look(path)
    except Unwritable as error:
        say(error.path == path, "ermission" in str(error) or "unable to open" in str(error))
""",
        path,
    )

    assert (code, out) == (0, "True True\nTrue True\n"), err
