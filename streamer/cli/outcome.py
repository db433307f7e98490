"""What ended a command → its exit code and what the user is told: what, where, and what to do."""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback

from streamer.errors import ExitCode, SettingsError, StreamerError, leaves
from streamer.frozen import frozen

_BARE_RESTART = r"(?<!run )--restart\b"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
PIPE_CLOSED = 141  # what a shell reports for a process that SIGPIPE ended


@frozen
class Outcome:
    """A command's exit code, and the lines for stderr (none: there is nothing to say)."""

    code: int
    lines: tuple[str, ...] = ()


def debugging() -> bool:
    """True where the user wants tracebacks (`STREAMER_DEBUG=1`)."""
    return os.environ.get("STREAMER_DEBUG", "") not in {"", "0"}


def explain(
    error: BaseException, *, interrupted: int, restarts: bool = False, resumes: bool = True
) -> Outcome:
    """What to tell about `error`; `interrupted` is the exit code for a keyboard interrupt.

    `restarts`: the command has the option --restart; for others, hints name the one that has.
    `resumes`: it has --resume; others are run again as they were.
    """
    from asyncio import CancelledError  # noqa: PLC0415 (slow to load, and only needed here)

    causes = [leaf for leaf in leaves(error) if not isinstance(leaf, CancelledError)]
    known = [leaf for leaf in causes if isinstance(leaf, StreamerError)]
    if not causes or any(isinstance(leaf, KeyboardInterrupt) for leaf in causes):
        advice = "; go on with --resume" if resumes and interrupted == ExitCode.RESUMABLE else ""
        return Outcome(interrupted, (f"streamer: interrupted{advice}",))
    if len(causes) == 1 and isinstance(causes[0], SystemExit):
        return Outcome(_code(causes[0]))
    if all(isinstance(leaf, BrokenPipeError) for leaf in causes):
        return Outcome(PIPE_CLOSED)
    if all(isinstance(leaf, OSError) and leaf.errno in _FULL for leaf in causes):
        known = causes = [_not_written(causes[0])]
    if len(known) == len(causes):
        # What needs the user outweighs what another try may mend.
        return _told(
            min(known, key=lambda leaf: leaf.exit_code),
            resumable=interrupted == ExitCode.RESUMABLE,
            resumes=resumes,
            restarts=restarts,
        )
    return _internal(error, next((leaf for leaf in causes if leaf not in known), error))


def flush_stdout() -> None:
    """Hand on all results, so that a reader that went away is noticed here.

    Raises: BrokenPipeError; StreamerError where they can't be written.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _detach_stdout()
        raise
    except (OSError, ValueError) as error:
        _detach_stdout()
        raise _not_written(error) from None


def _not_written(error: BaseException) -> StreamerError:
    """What was printed may go to a disk, and each print may be the one that finds it full."""
    why = (error.strerror if isinstance(error, OSError) else None) or "closed"
    return StreamerError(
        f"the results can't be written to stdout ({why})", hint="Mend that, and try again"
    )


def _code(leaf: SystemExit) -> int:
    if leaf.code is None:
        return ExitCode.DONE
    return leaf.code if isinstance(leaf.code, int) else ExitCode.FAILED


def _told(error: StreamerError, *, resumable: bool, resumes: bool, restarts: bool) -> Outcome:
    if isinstance(error, SettingsError):
        return Outcome(error.exit_code, tuple(f"streamer: {line}" for line in error.problems))
    code, hint = error.exit_code, error.hint
    if not resumable:  # a command that leaves no checkpoint has nothing to go on with
        code = ExitCode.FAILED if code is ExitCode.RESUMABLE else code
    if not (resumable and resumes):
        hint = hint.replace(" with --resume", "")
    if not restarts:
        hint = re.sub(_BARE_RESTART, "`streamer run --restart`", hint)
    advice = (f"  what to do: {hint}",) if hint else ()
    return Outcome(code, (f"streamer: {error.what}", *advice))


def _internal(error: BaseException, leaf: BaseException) -> Outcome:
    """A fault of ours: its type only, since its text may hold rows or secrets."""
    first = (
        f"streamer: internal error ({type(leaf).__name__}): this is a fault of streamer,"
        " please report it"
    )
    if debugging():
        text = "".join(traceback.format_exception(error))
        return Outcome(ExitCode.FAILED, (first, *text.splitlines()))
    return Outcome(
        ExitCode.FAILED,
        (first, "  what to do: try again with STREAMER_DEBUG=1, and report what it prints"),
    )


def _detach_stdout() -> None:
    """Let the interpreter's own flush at exit go nowhere instead of complaining."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return
