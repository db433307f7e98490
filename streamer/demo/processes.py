"""The processes that the demo starts, all of which end with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

STOP_TIMEOUT_S = 10.0


class Children:
    """Starts processes in sessions of their own, so that Ctrl-C reaches them through us only.

    It is a class because the demo must know, at any moment, what is running.
    """

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def started(
        self,
        command: Sequence[str],
        *,
        log: Path,
        errors: Path | None = None,
        cwd: Path,
        environment: Mapping[str, str],
        account: tuple[int, int] | None = None,
    ) -> Generator[subprocess.Popen[bytes]]:
        """A process that writes to `log`, and its errors there too or to `errors`; ends with the block.

        `account` is the uid and gid to run as, None: ours.
        """
        user, group = account or (None, None)
        with ExitStack() as files:
            output = files.enter_context(log.open("wb"))
            complaints = files.enter_context(errors.open("wb")) if errors else output
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=complaints,
                cwd=cwd,
                env=environment,
                user=user,
                group=group,
                extra_groups=[] if account else None,
                start_new_session=True,
            )
        self._running.append(process)
        try:
            yield process
        finally:
            stop(process)
            self._running.remove(process)

    @property
    def running(self) -> Sequence[subprocess.Popen[bytes]]:
        """What was started and hasn't been stopped."""
        return tuple(self._running)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End `process`: asked first, and if that takes too long, killed with all that it started."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)  # to PostgreSQL: fast shutdown
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def signals_end_us() -> Generator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, so that what it opened is closed.

    While that goes on, further signals are ignored.
    """
    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in watched:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in watched}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tail(log: Path, lines: int = 3) -> str:
    """The last lines of a log, as one."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "it left no log"
    return " / ".join(text.strip().splitlines()[-lines:]) or "it said nothing"
