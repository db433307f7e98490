"""Small files written in one step: whole or not at all, for their owner alone or as the one they replace."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from streamer.errors import StreamerError


def write_whole(
    path: Path,
    data: bytes,
    *,
    hint: str = "Make room or access for it, then run again.",
    like: os.stat_result | None = None,
) -> None:
    """Write `data` to `path`; a link there is replaced, not followed. `hint` says what to do where
    that fails.

    Nobody but its owner may read it (None), or it has the mode of the file that is `like` this, and its
    owner and group as far as this process may give it away.

    Raises:
        StreamerError: it can't be written; a file that was there before is untouched.

    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write_durably(temporary, data, like)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise StreamerError(f"{path} can't be written: {error.strerror}.", hint=hint) from None


def _write_durably(path: Path, data: bytes, like: os.stat_result | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        if like is not None:
            _make_like(file.fileno(), like)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _make_like(descriptor: int, like: os.stat_result) -> None:
    os.fchmod(descriptor, stat.S_IMODE(like.st_mode))  # first: only its owner may do that
    for owner, group in ((-1, like.st_gid), (like.st_uid, -1)):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner, group)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
