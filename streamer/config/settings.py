"""The settings of a command, checked and frozen: values only, no reading of anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path

from streamer.config.measured import MeasuredTarget
from streamer.frozen import frozen
from streamer.limits import API_WINDOW_S, BATCH_STATEMENTS, RATE_LIMIT_REQUESTS
from streamer.model import (
    Consistency,
    IfExists,
    IndexTiming,
    OnError,
    Pack,
    Pushdown,
    QualifiedName,
    Rate,
    Secret,
    Shaping,
)

API_BASE_URL = "https://api.cloudflare.com/client/v4"
GIVE_UP_AFTER_S = 6 * 3600.0
MAX_REJECTS = 1_000
MAX_SNAPSHOT_AGE_S = 6 * 3600.0
FILE_CONCURRENCY = 6  # what comes while others are executed is committed with them
DEFAULT_RATE = Rate(RATE_LIMIT_REQUESTS, API_WINDOW_S)


class ProgressMode(StrEnum):
    """How progress is shown: bars on a terminal and lines elsewhere, bars, lines, or nothing."""

    AUTO = "auto"
    RICH = "rich"
    PLAIN = "plain"
    NONE = "none"


class LogFormat(StrEnum):
    """How a log line is written: for people, or one JSON object a line."""

    TEXT = "text"
    JSON = "json"


@frozen
class SourceSettings:
    """Where PostgreSQL is.

    With a `dsn` (postgresql://…), the other fields hold only what it leaves open; None leaves a
    part to its default: port 5432, the user of this process, the local socket. `host` may be a
    socket folder. `sslmode` and `sslrootcert` are spelled as libpq does; `sslrootcert` may be
    `system`. The password of a matching `.pgpass` line is in `password` already.
    """

    dsn: Secret | None = None
    host: str | None = None
    port: int | None = None
    database: str | None = None
    user: str | None = None
    password: Secret | None = None
    sslmode: str | None = None
    sslrootcert: str | None = None


@frozen
class TargetSettings:
    """Which D1 database, and how to reach it; `database` is its id or its name.

    `api_base_url` has no slash at its end; it is https, or http to a loopback address. `proxy` is
    what https goes through (None: nothing); a login may be in it.
    """

    account_id: str
    database: str
    token: Secret
    api_base_url: str = API_BASE_URL
    proxy: Secret | None = None


@frozen
class FileTarget:
    """A plain SQLite file that obeys D1's rules; `path` as the user wrote it."""

    path: Path


@frozen
class WranglerTarget:
    """The local database of a Worker project, which `wrangler dev` uses.

    `folder` as the user wrote it (or a configuration file). `database` is a binding, name or id of
    its configuration, None where it has only one; `environment` is one of wrangler's, None for the
    top level.
    """

    folder: Path
    database: str | None = None
    environment: str | None = None


Target = TargetSettings | FileTarget | WranglerTarget


@frozen
class Selection:
    """Which tables: globs, `schema.table` or `table` alone; no `tables` means all of `schemas`.

    `exactly` are tables that are known by name, whatever letters these hold: these and no others are
    meant then, and nobody looks at the patterns.
    """

    tables: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ("public",)
    exactly: frozenset[QualifiedName] = frozenset()


@frozen
class PacingSettings:
    """How fast. `rate` None: no limit of ours; `concurrency`, `batch_bytes` None: found by itself.

    `give_up_after_s` is how long a run goes on without any progress.
    """

    rate: Rate | None = DEFAULT_RATE
    concurrency: int | None = None
    batch_bytes: int | None = None
    give_up_after_s: float = GIVE_UP_AFTER_S


@frozen
class RunSettings:
    """What `run` does and how; `batch_size` counts the statements of a batch that carry rows.

    `max_rejects` is how many rows of a run may be rejected before it stops. `max_duration_s` is after
    how long a run stops as on a signal (None: never), `max_snapshot_age_s` after how long its
    snapshot of the source ends. At most one of `resume`, `restart` and `retry_rejects` is true; with
    `rebuild_checkpoint`, a checkpoint that is lost is made anew for `resume`.
    """

    checkpoint: Path = Path("streamer.checkpoint.db")
    report: Path = Path("run_report.json")
    batch_size: int = BATCH_STATEMENTS
    pack: Pack = Pack.AUTO
    pushdown: Pushdown = Pushdown.AUTO
    if_exists: IfExists = IfExists.FAIL
    on_error: OnError = OnError.STOP
    max_rejects: int = MAX_REJECTS
    retry_rejects: bool = False
    consistency: Consistency = Consistency.SNAPSHOT
    max_duration_s: float | None = None
    max_snapshot_age_s: float = MAX_SNAPSHOT_AGE_S
    indexes: IndexTiming = IndexTiming.AUTO
    create_schema: bool = True
    skip_refused: bool = False
    resume: bool = False
    rebuild_checkpoint: bool = False
    restart: bool = False
    dry_run: bool = False
    validate: bool = False


@frozen
class ValidateSettings:
    """What `validate` compares: the keys of all rows; with `detailed` the values of a sample of
    `sample_rows` a table, with `full` all values. `repair`, which compares all values
    too, makes the target equal. `differences` is a file that names all, None for none.

    With `exported` or `transformed`, folders of files, these are compared: exported ones with
    PostgreSQL, transformed ones with the target, and with exported ones where both are given.
    """

    report: Path = Path("validation_report.json")
    exported: Path | None = None
    transformed: Path | None = None
    differences: Path | None = None
    detailed: bool = False
    full: bool = False
    sample_rows: int = 1_000
    repair: bool = False

    @property
    def files(self) -> bool:
        """Whether files are compared."""
        return self.exported is not None or self.transformed is not None

    @property
    def reads_source(self) -> bool:
        """Whether PostgreSQL is needed."""
        return self.exported is not None or self.transformed is None

    @property
    def reads_target(self) -> bool:
        """Whether D1 is needed."""
        return self.transformed is not None or self.exported is None


@frozen
class OutputSettings:
    """What is said while working: `verbosity` is -1 for `-q`, 0, or the number of `-v`.

    A log file that would grow beyond `log_max_bytes` (None: any size is right) is rotated, and
    `log_keep` older ones are kept beside it.
    `metrics_port` is where metrics are served on loopback: 0 for any free port, None for not.
    """

    progress: ProgressMode = ProgressMode.AUTO
    log_format: LogFormat = LogFormat.TEXT
    log_file: Path | None = None
    log_max_bytes: int | None = None
    log_keep: int = 5
    metrics_port: int | None = None
    verbosity: int = 0


@frozen
class Config:
    """Everything a command was told. `target` is None for commands that need none.

    `origins` says for each setting that was given where it came from (`--batch-size`,
    `POSTGRES_HOST (environment)`, `pack (streamer.toml)`), `given` what was written there of those
    that are no secret, also of a target that isn't needed, by their keys; `warnings` what to mention to the
    user, `secrets` every secret text that must not appear in any output. `measured` is what the settings' file holds of a
    target's speed, whichever target that is.
    """

    source: SourceSettings = field(default_factory=SourceSettings)
    target: Target | None = None
    selection: Selection = field(default_factory=Selection)
    pacing: PacingSettings = field(default_factory=PacingSettings)
    run: RunSettings = field(default_factory=RunSettings)
    validation: ValidateSettings = field(default_factory=ValidateSettings)
    shaping: Shaping = field(default_factory=Shaping)
    output: OutputSettings = field(default_factory=OutputSettings)
    origins: Mapping[str, str] = field(default_factory=dict[str, str])
    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    warnings: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    measured: MeasuredTarget | None = None
