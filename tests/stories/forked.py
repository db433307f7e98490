"""The command in a process of its own that costs 20 ms to start: forked off one that is loaded.

What is forked has imported Streamer and done nothing else: no thread, no socket, no event loop. So a
test can afford hundreds of starts. Each is a child of the test's own process, like any other: the
process in between has died, and we adopt what it leaves.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

TIMEOUT_S = 100.0
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_LENGTH = 8  # bytes


class Forked(subprocess.Popen[str]):
    """`python -m streamer`, started by forking."""

    # What Popen does between making the pipes and waiting for the end; it has no public hook there.
    def _execute_child(self, args: list[str], *others: Any) -> None:
        folder, environment = others[4:6]
        theirs = (others[9], others[12], others[14])
        self.pid = _loaded().fork(args, folder, environment, theirs)
        self._child_created = True
        self._close_pipe_fds(*others[9:15])


class _Loaded:
    """The process that forks commands off."""

    def __init__(self) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._socket, theirs = socket.socketpair()
        self._turn = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.stories.forked", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def fork(
        self,
        arguments: list[str],
        folder: str,
        environment: Mapping[str, str],
        descriptors: tuple[int, ...],
    ) -> int:
        """Start a command; its number."""
        status = Path("/proc/self/status").read_text()
        umask = next(line for line in status.splitlines() if line.startswith("Umask:")).split()[1]
        order = [arguments, str(folder), dict(environment), int(umask, 8)]
        text = json.dumps(order).encode()
        with self._turn:
            socket.send_fds(self._socket, [len(text).to_bytes(_LENGTH)], descriptors)
            self._socket.sendall(text)
            return int.from_bytes(self._socket.recv(_LENGTH))


@functools.cache
def _loaded() -> _Loaded:
    return _Loaded()


async def run_or_kill(
    arguments: tuple[str, ...],
    *,
    folder: Path,
    environment: Mapping[str, str],
    kill_after_s: float | None = None,
    kill_when: asyncio.Event | None = None,
) -> tuple[int, str]:
    """Run a command to its end, or kill it, after a time or when something is so.

    Its exit code (-9 where it was killed) and words.
    """
    said = folder / "said"
    with said.open("w") as file:
        process = Forked(
            arguments,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )
    killer = asyncio.create_task(_kill_when(kill_when, process)) if kill_when else None
    try:
        code = await asyncio.to_thread(process.wait, kill_after_s or TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        code = await asyncio.to_thread(process.wait)
        if kill_after_s is None:
            raise AssertionError(f"still running:\n{said.read_text()}") from None
    finally:
        if killer is not None:
            killer.cancel()
    return code, said.read_text()


async def _kill_when(so: asyncio.Event, process: Forked) -> None:
    await so.wait()
    process.kill()


def main() -> None:
    """Take orders from the socket whose number is the argument, and answer with the child's number."""
    import streamer.cli  # noqa: PLC0415 (the tests' own process needs none of it)

    for module in pkgutil.iter_modules(streamer.cli.__path__, "streamer.cli."):
        import_module(module.name)
    for name in ("streamer.run.start", "asyncpg", "aiohttp"):
        import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        while True:
            header, descriptors, _, _ = socket.recv_fds(orders, _LENGTH, 3)
            if not header:
                return
            text = b""
            while len(text) < int.from_bytes(header):
                text += orders.recv(int.from_bytes(header) - len(text))
            pid = _fork_off()
            if pid == 0:
                break
            for descriptor in descriptors:
                os.close(descriptor)
            orders.sendall(pid.to_bytes(_LENGTH))
    _become(json.loads(text), descriptors)


def _fork_off() -> int:
    """0 in a process whose parent has ended; else its number."""
    read, write = os.pipe()
    between = os.fork()
    if between == 0:
        if (pid := os.fork()) == 0:
            os.close(read)
            os.close(write)
            return 0
        os.write(write, pid.to_bytes(_LENGTH))
        os._exit(0)
    os.close(write)
    os.waitpid(between, 0)
    pid = int.from_bytes(os.read(read, _LENGTH))
    os.close(read)
    return pid


def _become(order: list[Any], descriptors: list[int]) -> None:
    arguments, folder, environment, umask = order
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.umask(umask)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["streamer", *arguments]
    sys.path[0] = folder
    # Buffers and encodings as at a start with these descriptors.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it stays open, as the one that Python makes
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - it stays open, as the one that Python makes
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115 - it stays open, as the one that Python makes

    from streamer.__main__ import main as command  # noqa: PLC0415 - as late as `-m` does

    sys.exit(command())


if __name__ == "__main__":
    main()
