# ruff: noqa: N818 - `checkpoints.Damaged` names a state of the file; the base class carries the suffix
"""What can be wrong with a checkpoint file; each error knows the path and says the reason."""

from __future__ import annotations

from pathlib import Path


class CheckpointError(Exception):
    """A checkpoint that can't be used as it is; its file was left as it was found."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class Locked(CheckpointError):
    """Another process has the checkpoint open; what it didn't tell about itself is None."""

    def __init__(
        self, path: Path, *, pid: int | None, host: str | None, started_at: str | None = None
    ) -> None:
        who = "another process" if pid is None else f"process {pid} on {host}"
        since = "" if started_at is None else f" since {started_at}"
        super().__init__(path, f"in use by {who}{since}")
        self.pid = pid
        self.host = host
        self.started_at = started_at


class Damaged(CheckpointError):
    """The file was a checkpoint and isn't whole any more: truncated, altered, rolled back."""


class Foreign(CheckpointError):
    """Something else stands at the path: another database, a folder, a symbolic link."""


class Newer(CheckpointError):
    """The file was written in a format that this version doesn't know yet."""

    def __init__(self, path: Path, *, found: int, known: int) -> None:
        super().__init__(path, f"written in format {found}, newer than {known}, the newest known")
        self.found = found
        self.known = known


class Unwritable(CheckpointError):
    """The file can't be read or written now: disk full, read-only, no permission, no folder."""
