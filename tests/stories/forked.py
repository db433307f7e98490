"""The command in a process of its own that costs 20 ms to start: forked off one that is loaded.

What is forked has imported Streamer and done nothing else: no thread, no socket, no event loop. So a
test can afford hundreds of starts, each of which can be killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

LOADED = ("streamer.cli.run", "streamer.run.start", "streamer.cli.plan", "asyncpg", "aiohttp")
TIMEOUT_S = 100.0


class Loaded:
    """A process that starts commands on demand, one at a time: an async context manager."""

    def __init__(self) -> None:
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.stories.forked"), stdin=PIPE, stdout=PIPE
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def run(
        self,
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
        order = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": dict(environment),
            "said": str(said),
        }
        pid = int(await self._ask(json.dumps(order)))
        killer = asyncio.create_task(self._kill_when(kill_when, pid)) if kill_when else None
        try:
            code = int(await asyncio.wait_for(self._line(), kill_after_s or TIMEOUT_S))
        except TimeoutError:
            # It isn't reaped before we say so: the number can't be another process's.
            os.kill(pid, signal.SIGKILL)
            code = int(await self._line())
            if kill_after_s is None:
                raise AssertionError(f"still running:\n{said.read_text()}") from None
        finally:
            if killer is not None:
                killer.cancel()
        await self._ask("reap")
        return code, said.read_text()

    @staticmethod
    async def _kill_when(so: asyncio.Event, pid: int) -> None:
        await so.wait()
        os.kill(pid, signal.SIGKILL)

    async def _ask(self, line: str) -> str:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()
        return await self._line()

    async def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode()


def main() -> None:
    """Read orders from stdin; for each, print the child's id, then its exit code, then `reaped`."""
    for module in LOADED:
        __import__(module)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(order)
        print(pid, flush=True)
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        exited = ended.si_code == os.CLD_EXITED
        print(ended.si_status if exited else -ended.si_status, flush=True)
        sys.stdin.readline()
        os.waitpid(pid, 0)
        print("reaped", flush=True)


def _become(order: dict[str, object]) -> None:
    code = 70
    with suppress(BaseException):
        os.chdir(str(order["folder"]))
        said = os.open(str(order["said"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for ours, theirs in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(ours, theirs)
        os.environ.clear()
        os.environ.update(order["environment"])  # type: ignore[arg-type] - JSON of ours

        from streamer import cli  # noqa: PLC0415 (loaded in the child)

        code = cli.main(list(order["arguments"]))  # type: ignore[call-overload] - JSON of ours
        sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
