"""The command on a terminal, where it asks before it does something."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.stories.command import TIMEOUT_S, Outcome, Streamer

QUESTION = b"Type yes: "


@dataclass(frozen=True, slots=True)
class Asked:
    """A command that asks on its terminal."""

    process: asyncio.subprocess.Process
    terminal: int

    async def question(self) -> str:
        """Wait until it asks; what it said on stderr since the last time."""
        assert self.process.stderr is not None
        waited_for = self.process.stderr.readuntil(QUESTION)
        return (await asyncio.wait_for(waited_for, TIMEOUT_S)).decode()

    def answer(self, word: str) -> None:
        """Type a word, and enter."""
        os.write(self.terminal, f"{word}\n".encode())

    async def ended(self) -> Outcome:
        """Wait for its end; its stderr since the last question."""
        stdout, stderr = await asyncio.wait_for(self.process.communicate(), TIMEOUT_S)
        assert self.process.returncode is not None
        return Outcome(self.process.returncode, stdout.decode(), stderr.decode())


@asynccontextmanager
async def asking(streamer: Streamer, *arguments: str) -> AsyncGenerator[Asked]:
    """Start a command on a terminal of its own; it is killed where it hasn't ended by then."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *streamer.program, *arguments),
        cwd=streamer.folder,
        env=streamer.environment,
        stdin=theirs,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(theirs)
    try:
        yield Asked(process, ours)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(ours)
