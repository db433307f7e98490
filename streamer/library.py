"""The commands `plan`, `run` and `validate` for Python programs: `streamer.Transfer`.

Settings mean what they mean on the command line, and come from the same places: what the program
says outweighs the environment, that an env file, and that a TOML file. What a command prints, a
method returns; what ends a command, it raises. Log records go to the logger `streamer`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import TypedDict, TypeVar, Unpack

from streamer.config import Config, resolve
from streamer.errors import StreamerError
from streamer.frozen import frozen
from streamer.model import Plan
from streamer.progress import Events, RunReport, View
from streamer.progress.story import log_line
from streamer.run import run
from streamer.run.outlook import read_plan
from streamer.run.start import first_cause
from streamer.run.validation import validate
from streamer.run.validation_of_files import validate_files
from streamer.tracing import counting, of_the_host
from streamer.validate.report import ValidationReport

T = TypeVar("T")
OnProgress = Callable[[View], None]
Work = Callable[[Config, Events, asyncio.Event], Awaitable[T]]

PROGRESS_S = 1.0  # between two calls of `on_progress`
FILES = ("config", "env_file")
NAMED = {"env": "target.env"}  # options whose setting has another name

log = logging.getLogger("streamer.run")


@frozen
class D1:
    """A D1 database, by its id or name; the token needs the permission *D1 Edit*.

    `api_base_url` is another address for the API: a local D1, a proxy.
    """

    account_id: str
    database: str
    token: str = field(repr=False)
    api_base_url: str | None = None


class Options(TypedDict, total=False):
    """All settings of `streamer run` and `validate` that aren't an argument of a method.

    docs/cli.md says what each does and how it is written: durations as `"6h"`, rates as
    `"1080/300"`, sizes as `"2MB"`. `env` is wrangler's environment; `config` and `env_file` name files with more of them.
    """

    env: str
    config: str | Path
    env_file: str | Path
    table: Sequence[str]
    exclude: Sequence[str]
    schema: Sequence[str]
    checkpoint: str | Path
    report: str | Path
    batch_size: int
    batch_bytes: int | str
    pack: str
    pushdown: str
    concurrency: int | str
    rate_limit: str
    give_up_after: str
    max_duration: str
    max_snapshot_age: str
    if_exists: str
    on_error: str
    max_rejects: int
    consistency: str
    indexes: str
    no_schema: bool
    skip_refused: bool
    sample: int
    differences: str | Path
    output_report: str | Path
    timestamps: str
    dates: str
    intervals: str
    bigint: str
    numeric: str
    money: str
    nan: str
    booleans: str
    varchar: str
    char: str
    bytea: str
    uuid: str
    json: str
    arrays: str
    composites: str
    enums: str
    bits: str
    hstore: str
    geometry: str
    regs: str
    inet: str
    cidr: str
    macaddr: str
    vectors: str
    ranges: str
    points: str
    shapes: str
    without_rowid: str
    autoincrement: bool
    strict: bool
    comments: bool
    checks: str
    defaults: str
    views: str
    matviews: str
    foreign_tables: str
    rename: Sequence[str]
    exclude_columns: Sequence[str]
    hash_key: str


class Transfer:
    """The tables of one PostgreSQL database on their way into one target.

    `source` is a DSN (`postgresql://USER:PASSWORD@HOST:PORT/DATABASE`), `target` a `D1`, or
    `"sqlite:FILE"`, or `"wrangler:DIR"`. Where one is None, the environment says it, as it does for
    the command. `tables` asks things of single tables, in the shape that `[tables."schema.table"]`
    has in TOML (docs/types.md). `environ` takes the place of the process's environment.

    The methods block, and have an event loop of their own: a program with a loop calls them by
    `await asyncio.to_thread(transfer.run)`. They raise StreamerError, of the kind that says who must
    act, and SettingsError with every problem of the settings at once.
    """

    def __init__(
        self,
        source: str | None = None,
        target: str | D1 | None = None,
        *,
        tables: Mapping[str, Mapping[str, object]] | None = None,
        environ: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> None:
        given: Mapping[str, object] = {**options}
        self._files = {name: given[name] for name in FILES if name in given}
        self._arguments: dict[str, object] = {
            **{NAMED.get(name, name): given[name] for name in given if name not in FILES},
            "source.dsn": source,
            **_target(target),
        }
        self._tables = dict(tables or {})
        self._environ = environ
        self._stops: set[Callable[[], None]] = set()

    def plan(self) -> Plan:
        """What a run would do, and cost. Touches nothing, and needs no target.

        Raises:
            UsageError: the selection names what isn't there, or a setting fits nothing.
            SourceError, SourceLostError: the source can't be read.

        """
        config = self._config({}, target=False)
        return _with_loop(lambda: read_plan(config))

    def run(
        self,
        *,
        resume: bool = False,
        restart: bool = False,
        retry_rejects: bool = False,
        rebuild_checkpoint: bool = False,
        on_progress: OnProgress | None = None,
    ) -> RunReport:
        """Move the tables, and return the report, which is also written to `report`.

        `status` is DONE, or INCOMPLETE where something was left out: `errors` says what. With
        `resume` the run in the checkpoint goes on; where it is finished, its report comes again.
        `on_progress` is called at the beginning, once a second, and at the end, in the event loop:
        it must be quick. What it raises comes out once the run has stopped, which can be resumed.

        Raises:
            StreamerError: the run ended early; where `exit_code` is RESUMABLE, `resume` goes on.

        """
        chosen = {
            "resume": resume,
            "restart": restart,
            "retry_rejects": retry_rejects,
            "rebuild_checkpoint": rebuild_checkpoint,
        }
        return self._carry_out("run", _moved, self._config(chosen), on_progress)

    def validate(
        self,
        *,
        detailed: bool = False,
        full: bool = False,
        repair: bool = False,
        resume: bool = False,
        export_dir: str | Path | None = None,
        transformed_dir: str | Path | None = None,
        on_progress: OnProgress | None = None,
    ) -> ValidationReport:
        """Compare both sides, and return the report, which is also written to `output_report`.

        Compares keys, counts and references; with `detailed` the values of a `sample` of rows, with
        `full` all of them. `repair` makes the target equal. `status` is DONE where both sides are
        equal, else INCOMPLETE.

        With folders of files, exported files are compared with the source, transformed ones with
        what their exported ones make and with the target; each verdict says `between` which sides.

        Raises:
            StreamerError: the comparison ended early.

        """
        chosen = {"detailed": detailed, "full": full, "repair": repair, "resume": resume}
        folders = {"export_dir": export_dir, "transformed_dir": transformed_dir}
        config = self._config(chosen | folders, compares=True)
        return self._carry_out("validate", _compared, config, on_progress)

    def stop(self) -> None:
        """Let what goes on end soon, as SIGTERM lets the command: it raises InterruptedRunError.

        May be called from any thread, from a signal handler, and by `on_progress`.
        """
        for ask in tuple(self._stops):
            ask()

    def _config(
        self, chosen: Mapping[str, object], *, target: bool = True, compares: bool = False
    ) -> Config:
        config = resolve(
            self._files,
            os.environ if self._environ is None else self._environ,
            source=True,
            target=target,
            job=True,
            compares=compares,
            arguments={**self._arguments, **{name: said for name, said in chosen.items() if said}},
            tables=self._tables,
        )
        for warning in config.warnings:
            log.warning("%s", warning)
        return config

    def _carry_out(
        self, name: str, work: Work[T], config: Config, on_progress: OnProgress | None
    ) -> T:
        return _with_loop(lambda: self._watched(name, work, config, on_progress))

    async def _watched(
        self, name: str, work: Work[T], config: Config, on_progress: OnProgress | None
    ) -> T:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()

        def ask() -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(stop.set)

        self._stops.add(ask)
        job = counting(of_the_host(), name, rate=config.pacing.rate, say=log_line)
        try:
            with job as events:
                if on_progress is None:
                    return await work(config, events, stop)
                watcher = _Watcher(on_progress, events, stop)
                return await watcher.over(work(config, events, stop))
        finally:
            self._stops.discard(ask)


def _with_loop(work: Callable[[], Coroutine[object, object, T]]) -> T:
    """What comes of `work` in an event loop of its own; of several errors, the most telling."""
    if _loop_is_running():
        raise RuntimeError(
            "an event loop is running in this thread; call it in another one:"
            " `await asyncio.to_thread(transfer.run)`"
        )
    with asyncio.Runner() as runner:
        try:
            return runner.run(work())
        except BaseExceptionGroup as group:
            raise first_cause(group) from None


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _target(target: str | D1 | None) -> dict[str, object]:
    if not isinstance(target, D1):
        return {"target.kind": target}
    return {
        "target.kind": "d1",
        "target.account_id": target.account_id,
        "target.database": target.database,
        "target.api_token": target.token,
        "target.api_base_url": target.api_base_url,
    }


async def _moved(config: Config, events: Events, stop: asyncio.Event) -> RunReport:
    await run(config, events, stop)
    assert events.report is not None, "a run that ends well has a report"
    return events.report


async def _compared(config: Config, events: Events, stop: asyncio.Event) -> ValidationReport:
    compare = validate_files if config.validation.files else validate
    found = await compare(config, events, stop)
    assert found.report is not None, "a comparison that ends well has a report"
    return found.report


class _Watcher:
    """Calls `on_progress` while a job goes on; what that raises stops the job, in order."""

    def __init__(self, on_progress: OnProgress, events: Events, stop: asyncio.Event) -> None:
        self._on_progress = on_progress
        self._events = events
        self._stop = stop
        self._raised: Exception | None = None

    async def over(self, job: Awaitable[T]) -> T:
        """What comes of the job, or what `on_progress` raised."""
        telling = asyncio.create_task(self._keep_telling(), name="progress")
        try:
            ended = await job
        except StreamerError:
            if self._raised is not None:
                raise self._raised from None
            raise
        finally:
            telling.cancel()
        self._tell()
        if self._raised is not None:
            raise self._raised
        return ended

    async def _keep_telling(self) -> None:
        while self._raised is None:
            self._tell()
            await asyncio.sleep(PROGRESS_S)

    def _tell(self) -> None:
        if self._raised is not None:
            return
        try:
            self._on_progress(self._events.view())
        except Exception as error:  # noqa: BLE001 (the caller's own; it is raised once the job has ended)
            self._raised = error
            self._stop.set()
