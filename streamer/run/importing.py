"""A whole import: the files are checked, then moved as `run` moves tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from streamer.config import Config
from streamer.errors import BadRowsError, ExitCode, UsageError
from streamer.files.manifest import TransformManifest, read_transform
from streamer.files.source import FilesSource, Looked, checked
from streamer.files.stored import refuse_other_columns
from streamer.frozen import frozen
from streamer.model import Plan, Shaping
from streamer.model.words import counted
from streamer.plan.estimate import measured
from streamer.plan.requests import Packing
from streamer.progress import Events
from streamer.progress.wording import size
from streamer.run.sources import JobSource, RowsFrom
from streamer.run.start import run
from streamer.run.stopping import Stopping
from streamer.run.transforming import plan_files, selected

_MEND = (
    "Set such rows aside with --resume --on-error reject. Or mend the files, and start over with "
    "--restart --edited: a resume goes on with the files that it began with only."
)


@frozen
class ImportOptions:
    """What an import was told besides the settings; `edited`: files may have been changed since."""

    folder: Path
    edited: bool = False


@frozen
class Checked:
    """Files that hold rows of their tables, and the plan of moving them."""

    config: Config
    manifest: TransformManifest
    plan: Plan
    looked: Looked


def check(
    config: Config,
    options: ImportOptions,
    events: Events,
    heed: Callable[[], None] = lambda: None,
) -> Checked:
    """Read all files, and plan, with an estimate by what they hold; nothing is sent. What `heed`
    raises, which is called all the time, ends this.

    Raises:
        BadFileError: a file isn't what it should be.
        UsageError: the settings ask for other rows than these are.

    """
    manifest = read_transform(options.folder)
    shaping = _shaping(config.shaping, manifest)
    config = replace(config, shaping=shaping, selection=selected(manifest))
    plan = plan_files(config, manifest)
    refuse_other_columns(options.folder, manifest, plan.tables)
    events.phase(f"reading {counted(len(manifest.tables), 'file')}")
    tell = _so_far(events, manifest)
    looked = checked(options.folder, manifest, edited=options.edited, heed=heed, tell=tell)
    packing = Packing.of(config)
    plan = measured(plan, config.pacing.rate, looked.measures, packing=packing)
    return Checked(config, manifest, plan, looked)


def _so_far(events: Events, manifest: TransformManifest) -> Callable[[int], None]:
    """What tells `events` how much of all files was read, when it is told how much more that is."""
    whole = sum(table.file.bytes for table in manifest.tables)
    read = 0

    def tell(more: int) -> None:
        nonlocal read
        read += more
        events.so_far(f"{size(read)} of {size(whole)}")

    return tell


async def check_aside(
    config: Config, options: ImportOptions, events: Events, stop: asyncio.Event
) -> Checked:
    """What `check` does, beside whoever shows how far it is.

    Raises: as `check` does.

    """
    again = "streamer import --dry-run" if config.run.dry_run else "streamer import --resume"
    stopping = Stopping(stop, kept="nothing was sent", again=again)
    return await asyncio.to_thread(check, config, options, events, stopping.heed)


async def import_files(
    config: Config, options: ImportOptions, events: Events, stop: asyncio.Event
) -> ExitCode:
    """Move the transformed files of a folder into D1, and leave a report there.

    Raises:
        StreamerError: with the exit code of its kind, as `run` does.

    """
    files = await check_aside(config, options, events, stop)

    @asynccontextmanager
    async def opened(*_: object) -> AsyncGenerator[JobSource]:
        yield FilesSource(options.folder, files.manifest, files.looked)

    def database(_config: Config) -> str:
        return files.manifest.origin.catalog.source.database

    try:
        rows_from = RowsFrom(opened, database, "import", files.looked.digest)
        return await run(files.config, events, stop, rows_from)
    except BadRowsError as error:
        raise BadRowsError(error.what, hint=_MEND) from None


def _shaping(asked: Shaping, manifest: TransformManifest) -> Shaping:
    """What was asked when the files were made; the settings may say the same again, or nothing.

    Raises:
        UsageError: they say something else.

    """
    then = manifest.origin.shaping
    tables = {name: replace(one, transform="") for name, one in asked.tables.items()}
    if asked == Shaping() or replace(asked, tables=tables, hash_key=None) == then:
        return then
    raise UsageError(
        "the settings ask for other rows, columns, types or names than the files were made with.",
        hint="Use the settings of `streamer transform`, or none, or transform again with these.",
    )
