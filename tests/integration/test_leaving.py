"""The end of a process: quick, and still all that those who count on Python's own end were promised."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """\
import atexit
import os
import sys
import threading
import time
from pathlib import Path

from streamer.cli.leaving import leave
from streamer.pipeline.transform import loading

SEEN = threading.Event()


class Object:
    def __del__(self, write=os.write):
        write(1, b"taken apart\\n")


def other_thread():
    SEEN.wait()
    print("from a thread")


def users_module():
    loading._imported("users", Path.cwd())


taken_apart = Object()
for preparation in sys.argv[1:]:
    globals()[preparation]()
atexit.register(SEEN.set)
atexit.register(print, "called")
print("printed")
leave(75)
"""
STARTED = "import threading\nthreading.Thread(target=other_thread).start()\nthreading._register_atexit(SEEN.set)\n"
USERS = "kept = open('kept.txt', 'w')\nkept.write('what a user wrote')\n"
AROUND = "import runpy\ntry:\n    runpy.run_path('program.py', run_name='__main__')\nfinally:\n    print('the profile')\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "users.py").write_text(USERS)
    (tmp_path / "around.py").write_text(AROUND)
    return tmp_path


def ended(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    """The exit code of Python with `arguments`, and the lines that it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{folder}"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("started", [["program.py"], ["-m", "program"]], ids=["file", "module"])
def test_objects_are_left_to_the_system_once_all_is_printed_and_who_asked_for_it_was_called(
    folder: Path, started: list[str]
) -> None:
    assert ended(folder, *started) == (75, ["printed", "called"])


@pytest.mark.parametrize(
    "started",
    [["-X", "dev", "program.py"], ["-W", "error", "program.py"], ["program.py", "users_module"]],
    ids=["for developers", "warned", "with users' modules"],
)
def test_python_ends_as_always_where_somebody_may_count_on_it(
    folder: Path, started: list[str]
) -> None:
    assert ended(folder, *started) == (75, ["printed", "called", "taken apart"])


def test_what_a_users_module_left_in_an_open_file_is_written(folder: Path) -> None:
    ended(folder, "program.py", "users_module")

    assert (folder / "kept.txt").read_text() == "what a user wrote"


def test_a_program_around_it_goes_on_to_its_own_end(folder: Path) -> None:
    code, lines = ended(folder, "around.py")

    assert (code, lines.index("the profile") < lines.index("called")) == (75, True)


def test_other_threads_come_to_their_end_first(folder: Path) -> None:
    program = folder / "program.py"
    program.write_text(PROGRAM.replace("taken_apart =", f"{STARTED}taken_apart ="))

    assert ended(folder, "program.py") == (
        75,
        ["printed", "from a thread", "called", "taken apart"],
    )


def test_what_cannot_be_printed_is_told_by_the_exit_code(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "program.py"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    assert (done.returncode, "No space left" in done.stderr) == (120, True)
