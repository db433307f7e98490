"""What can go wrong, sorted by what to do about it.

Every error that a user may meet is a `StreamerError`: one sentence that says what and where, a hint
that says what to do now, and the exit code of the command. Anything else that reaches the command
line is a fault of ours. No message ever holds a row's value or a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import ClassVar, cast


class ExitCode(IntEnum):
    """Exit codes of every command, a contract that scripts rely on."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INCOMPLETE = 3
    RESUMABLE = 75


class StreamerError(Exception):
    """An error with a sentence for the user (`what`) and what to do about it (`hint`)."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} {self.hint}".rstrip() if self.hint else self.what


class UsageError(StreamerError):
    """Wrong options or settings, or a run that must not start; nothing was touched."""

    exit_code = ExitCode.USAGE


class SettingsError(UsageError):
    """All problems of the settings at once, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class RefusedError(UsageError):
    """Something in the source can't be moved exactly, so nothing was started."""


class SettingsChangedError(UsageError):
    """Settings aren't those that the rows so far were moved by; nothing was touched."""


class SourceError(StreamerError):
    """PostgreSQL said no for good: credentials, permissions, a missing object."""


class SourceLostError(StreamerError):
    """The connection to PostgreSQL went away; trying again may work."""

    exit_code = ExitCode.RESUMABLE


class SourceMovedError(StreamerError):
    """Rows changed while they were read; reading them again may work."""

    exit_code = ExitCode.RESUMABLE


class SourceChangedError(StreamerError):
    """The source isn't what the checkpoint was made from, or a table's definition changed."""


class TargetError(StreamerError):
    """D1 said no for good: credentials, permission, a missing database, a full database."""


class TargetUnavailableError(StreamerError):
    """D1 can't be reached or used for now (outage, quota); the run can be resumed."""

    exit_code = ExitCode.RESUMABLE


class OddAnswerError(TargetUnavailableError):
    """What D1 answered isn't what its statement gives, whatever the database holds."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The answers aren't those of the D1 API: {what}.",
            hint="Check CLOUDFLARE_API_BASE_URL and whatever stands between; then --resume",
        )


class FencedError(StreamerError):
    """Another run owns the target's tables; this one must not write any more."""


class BadRowsError(StreamerError):
    """D1 will never take some rows as they are (a constraint, a limit)."""


class BadFileError(StreamerError):
    """A file that was given isn't what it should be: not there, cut off, changed, or malformed."""


class CheckpointProblemError(StreamerError):
    """The checkpoint can't be used: locked, damaged, foreign, of a newer format."""


class CheckpointFullError(StreamerError):
    """The checkpoint can't be written (disk full, read-only); the run can be resumed."""

    exit_code = ExitCode.RESUMABLE


class InterruptedRunError(StreamerError):
    """A signal, or a time limit of the run; it can be resumed."""

    exit_code = ExitCode.RESUMABLE


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in groups of any depth, in order; an error that is no group alone."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for inner in group.exceptions:
            yield from leaves(inner)
    else:
        yield error


def nearest(word: str, words: Iterable[str]) -> str:
    """` (did you mean X?)` where one of `words` is like `word`, else nothing."""
    import difflib  # noqa: PLC0415 (only for such a message)

    found = difflib.get_close_matches(word, list(words), n=1, cutoff=0.55)
    return f" (did you mean {found[0]}?)" if found else ""
