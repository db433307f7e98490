"""Opens the target that a command was told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.config import FileTarget, PacingSettings, Target, TargetSettings, WranglerTarget
from streamer.d1 import D1Database, TargetObserver, begin_to_load_http, open_database
from streamer.model import Secret
from streamer.model.target import TargetIdentity, TargetKind
from streamer.targets import wrangler
from streamer.targets.place import located

if TYPE_CHECKING:
    from streamer.targets.file import FileTransport


def prepare(target: Target) -> None:
    """Begin with what `open_target` will take its time for, while a source is reached; nothing is waited for."""
    if isinstance(target, TargetSettings):
        begin_to_load_http()


async def open_target(
    target: Target,
    pacing: PacingSettings,
    observer: TargetObserver,
    *,
    writing: bool = True,
    stranger: bool = False,
) -> D1Database:
    """Open the database `target`; a file is made where there is none, unless only to be looked at.

    A `stranger` is one that no earlier start has reached: a name without an address is told soon.

    Raises:
        UsageError: the settings, or the file, can't be what they should be.
        TargetError: there is no such database, or another process uses the file.
        TargetUnavailableError: D1 couldn't be reached for as long as `pacing` says.
    """
    match target:
        case TargetSettings():
            return await open_database(target, pacing, observer, stranger=stranger)
        case FileTarget() | WranglerTarget():
            transport = await asyncio.to_thread(_transport, target, writing=writing)
            stand_in = TargetSettings(transport.account, transport.database, Secret("none"))
            return await open_database(
                stand_in,
                pacing,
                observer,
                transport=transport,
                shared=False,
                identity=identity_of(target),
            )


def identity_of(target: FileTarget | WranglerTarget) -> TargetIdentity:
    """Which database a file is; it needn't exist.

    Raises:
        UsageError: a Worker's configuration doesn't say which.
    """
    match target:
        case FileTarget():
            return TargetIdentity(TargetKind.SQLITE, f"sqlite:{located(target.path)}")
        case WranglerTarget():
            local = wrangler.find(target)
            return TargetIdentity(TargetKind.WRANGLER, f"wrangler:{local.file}", name=str(local))


def file_of(target: FileTarget | WranglerTarget) -> Path:
    """Where the target's SQLite file is, or will be.

    Raises:
        UsageError: a Worker's configuration doesn't say which.
    """
    return target.path if isinstance(target, FileTarget) else wrangler.find(target).file


def _transport(target: FileTarget | WranglerTarget, *, writing: bool) -> FileTransport:
    # Most runs go to D1 itself and need no engine.
    from streamer.targets.file import FileTransport  # noqa: PLC0415 (slow to load)

    if isinstance(target, FileTarget):
        return FileTransport.open(target.path, writing=writing)
    local = wrangler.find(target)
    return FileTransport.open(local.file, writing=writing, guard=local.guard)
