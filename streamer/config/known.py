"""Every setting there is: its names in options, environment and TOML, and how its text is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, Literal, TypeVar

from streamer.config import names, values
from streamer.config.names import Renaming
from streamer.config.settings import FileTarget, LogFormat, ProgressMode, WranglerTarget
from streamer.frozen import frozen
from streamer.model import (
    Consistency,
    IfExists,
    IndexTiming,
    OnError,
    Pack,
    Pushdown,
    Rate,
    Secret,
    TypeOptions,
)
from streamer.model.shaping import WithoutRowid

T_co = TypeVar("T_co", covariant=True)
AsTables = Literal["skip", "as-tables"]

PREFIX = "STREAMER_"
OUR_PREFIXES = ("POSTGRES_", "CLOUDFLARE_", "D1_", PREFIX)
NEIGHBOURS = frozenset({
    # read by PostgreSQL's container image from the same file
    "POSTGRES_INITDB_ARGS",
    "POSTGRES_INITDB_WALDIR",
    "POSTGRES_HOST_AUTH_METHOD",
    "POSTGRES_DB_FILE",
    "POSTGRES_USER_FILE",
    # read by wrangler
    "CLOUDFLARE_API_KEY",
    "CLOUDFLARE_EMAIL",
    "CLOUDFLARE_COMPLIANCE_REGION",
    "CLOUDFLARE_INCLUDE_PROCESS_ENV",
    "CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV",
    # read by us, but no setting
    "STREAMER_DEBUG",
})  # fmt: skip


@frozen
class Setting(Generic[T_co]):
    """One setting.

    `key` is its place in TOML: `section.name`, or `name` alone for what is also the option
    `--name`. `env` is its environment variable, `libpq` the name that counts where that is unset.
    A `secret` has a variant `<env>_FILE` and stands in TOML as `<key>_file` only. `many` takes a
    list: a repeated option, an array in TOML, commas in the environment. A `switch` takes no value.
    `long` is the option's name where it isn't the key's.
    """

    key: str
    parse: Callable[[str], T_co]
    env: str = ""
    libpq: str = ""
    secret: bool = False
    many: bool = False
    switch: bool = False
    long: str = ""

    @property
    def variable(self) -> str:
        """The environment variable of this setting."""
        return self.env or PREFIX + self.key.upper()

    @property
    def option(self) -> str:
        """The option of this setting; empty where it has none."""
        if self.long or "." in self.key or self.secret:
            return self.long
        return "--" + self.key.replace("_", "-")

    @property
    def destination(self) -> str:
        """What argparse calls the option's value."""
        return self.option.removeprefix("--").replace("-", "_")


DSN: Setting[Secret] = Setting("source.dsn", values.dsn, "POSTGRES_DSN", secret=True)
HOST: Setting[str] = Setting("source.host", values.host, "POSTGRES_HOST", "PGHOST")
PORT: Setting[int] = Setting(
    "source.port", values.integer(1, 65535, "a port"), "POSTGRES_PORT", "PGPORT"
)
DATABASE: Setting[str] = Setting("source.database", values.name, "POSTGRES_DB", "PGDATABASE")
USER: Setting[str] = Setting("source.user", values.name, "POSTGRES_USER", "PGUSER")
PASSWORD: Setting[Secret] = Setting(
    "source.password", values.password, "POSTGRES_PASSWORD", "PGPASSWORD", secret=True
)
SSL_MODE: Setting[str] = Setting("source.sslmode", values.ssl_mode, "POSTGRES_SSLMODE", "PGSSLMODE")
SSL_ROOT_CERT: Setting[str] = Setting(
    "source.sslrootcert", values.name, "POSTGRES_SSLROOTCERT", "PGSSLROOTCERT"
)
TARGET_KIND: Setting[FileTarget | WranglerTarget | None] = Setting(
    "target.kind", values.target, "STREAMER_TARGET", long="--target"
)
ACCOUNT_ID: Setting[str] = Setting(
    "target.account_id", values.cloudflare_id, "CLOUDFLARE_ACCOUNT_ID"
)
DATABASE_ID: Setting[str] = Setting("target.database", values.cloudflare_id, "D1_DATABASE_ID")
WRANGLER_ENV: Setting[str] = Setting("target.env", values.name, "CLOUDFLARE_ENV", long="--env")
API_TOKEN: Setting[Secret] = Setting(
    "target.api_token", values.token, "CLOUDFLARE_API_TOKEN", secret=True
)
API_BASE_URL: Setting[str] = Setting(
    "target.api_base_url", values.api_base_url, "CLOUDFLARE_API_BASE_URL"
)
PROXY: Setting[str] = Setting("target.proxy", values.proxy, "STREAMER_PROXY")

TABLE: Setting[str] = Setting("table", values.pattern, many=True)
EXCLUDE: Setting[str] = Setting("exclude", values.pattern, many=True)
SCHEMA: Setting[str] = Setting("schema", values.pattern, many=True)

CHECKPOINT: Setting[Path] = Setting("checkpoint", values.path)
REPORT: Setting[Path] = Setting("report", values.path)
BATCH_SIZE: Setting[int] = Setting("batch_size", values.batch_size)
BATCH_BYTES: Setting[int | None] = Setting("batch_bytes", values.batch_bytes)
CONCURRENCY: Setting[int | None] = Setting("concurrency", values.concurrency)
RATE_LIMIT: Setting[Rate | None] = Setting("rate_limit", values.rate)
GIVE_UP_AFTER: Setting[float] = Setting("give_up_after", values.duration)
MAX_DURATION: Setting[float] = Setting("max_duration", values.duration)
MAX_SNAPSHOT_AGE: Setting[float] = Setting("max_snapshot_age", values.duration)
PACK: Setting[Pack] = Setting("pack", values.choice(Pack))
PUSHDOWN: Setting[Pushdown] = Setting("pushdown", values.choice(Pushdown))
IF_EXISTS: Setting[IfExists] = Setting("if_exists", values.choice(IfExists))
ON_ERROR: Setting[OnError] = Setting("on_error", values.choice(OnError))
MAX_REJECTS: Setting[int] = Setting(
    "max_rejects", values.integer(0, 100_000, "how many rows may be rejected")
)
RETRY_REJECTS: Setting[bool] = Setting("retry_rejects", values.flag, switch=True)
CONSISTENCY: Setting[Consistency] = Setting("consistency", values.choice(Consistency))
INDEXES: Setting[IndexTiming] = Setting("indexes", values.choice(IndexTiming))
NO_SCHEMA: Setting[bool] = Setting("no_schema", values.flag, switch=True)
SKIP_REFUSED: Setting[bool] = Setting("skip_refused", values.flag, switch=True)
RESUME: Setting[bool] = Setting("resume", values.flag, switch=True)
REBUILD_CHECKPOINT: Setting[bool] = Setting("rebuild_checkpoint", values.flag, switch=True)
RESTART: Setting[bool] = Setting("restart", values.flag, switch=True)
VALIDATE: Setting[bool] = Setting("validate", values.flag, switch=True)
DRY_RUN: Setting[bool] = Setting("dry_run", values.flag, switch=True)
DETAILED: Setting[bool] = Setting("detailed", values.flag, switch=True)
FULL: Setting[bool] = Setting("full", values.flag, switch=True)
SAMPLE: Setting[int] = Setting("sample", values.integer(1, 1_000_000, "a number of rows"))
REPAIR: Setting[bool] = Setting("repair", values.flag, switch=True)
DIFFERENCES: Setting[Path] = Setting("differences", values.path)
OUTPUT_REPORT: Setting[Path] = Setting("output_report", values.path)
EXPORT_DIR: Setting[Path] = Setting("export_dir", values.path)
TRANSFORMED_DIR: Setting[Path] = Setting("transformed_dir", values.path)

TYPES: Mapping[str, Setting[str]] = {
    name: Setting(
        name,
        values.word(*TypeOptions.choices(name)),
        # --json is taken: `plan` and `schema` print JSON with it.
        env="STREAMER_JSON_TEXT" if name == "json" else "",
        long="--json-text" if name == "json" else "",
    )
    for name in TypeOptions.names()
}
WITHOUT_ROWID: Setting[WithoutRowid] = Setting(
    "without_rowid", values.word("auto", "always", "never")
)
AUTOINCREMENT: Setting[bool] = Setting("autoincrement", values.flag, switch=True)
STRICT: Setting[bool] = Setting("strict", values.flag, switch=True)
COMMENTS: Setting[bool] = Setting("comments", values.flag, switch=True)
CHECKS: Setting[Literal["auto", "none"]] = Setting("checks", values.word("auto", "none"))
DEFAULTS: Setting[Literal["auto", "none"]] = Setting("defaults", values.word("auto", "none"))
VIEWS: Setting[Literal["skip", "create"]] = Setting("views", values.word("skip", "create"))
MATVIEWS: Setting[AsTables] = Setting("matviews", values.word("skip", "as-tables"))
FOREIGN_TABLES: Setting[AsTables] = Setting("foreign_tables", values.word("skip", "as-tables"))
RENAME: Setting[Renaming] = Setting("rename", names.renaming, many=True)
EXCLUDE_COLUMNS: Setting[tuple[str, str]] = Setting("exclude_columns", names.column, many=True)
HASH_KEY: Setting[Secret] = Setting("hash_key", values.hash_key, secret=True)

PROGRESS: Setting[ProgressMode] = Setting("progress", values.choice(ProgressMode))
LOG_FORMAT: Setting[LogFormat] = Setting("log_format", values.choice(LogFormat))
LOG_FILE: Setting[Path] = Setting("log_file", values.path)
LOG_MAX_BYTES: Setting[int] = Setting("log_max_bytes", values.log_bytes)
LOG_KEEP: Setting[int] = Setting("log_keep", values.integer(1, 999, "a number of files"))
METRICS_PORT: Setting[int] = Setting("metrics_port", values.integer(0, 65535, "a port"))
VERBOSE: Setting[int] = Setting("verbose", values.integer(0, 2, "how talkative to be"))
QUIET: Setting[bool] = Setting("quiet", values.flag, switch=True)

SOURCE: tuple[Setting[object], ...] = (
    DSN, HOST, PORT, DATABASE, USER, PASSWORD, SSL_MODE, SSL_ROOT_CERT,
)  # fmt: skip
TARGET: tuple[Setting[object], ...] = (
    TARGET_KIND, ACCOUNT_ID, DATABASE_ID, WRANGLER_ENV, API_TOKEN, API_BASE_URL, PROXY,
)  # fmt: skip
JOB: tuple[Setting[object], ...] = (
    TABLE, EXCLUDE, SCHEMA, CHECKPOINT, REPORT, BATCH_SIZE, BATCH_BYTES, PACK, PUSHDOWN,
    CONCURRENCY, RATE_LIMIT, GIVE_UP_AFTER, MAX_DURATION, MAX_SNAPSHOT_AGE, IF_EXISTS, ON_ERROR,
    MAX_REJECTS, RETRY_REJECTS, CONSISTENCY, INDEXES, NO_SCHEMA,
    SKIP_REFUSED, RESUME, REBUILD_CHECKPOINT, RESTART, VALIDATE, DRY_RUN,
)  # fmt: skip
SHAPING: tuple[Setting[object], ...] = (
    *TYPES.values(), WITHOUT_ROWID, AUTOINCREMENT, STRICT, COMMENTS, CHECKS, DEFAULTS, VIEWS,
    MATVIEWS, FOREIGN_TABLES, RENAME, EXCLUDE_COLUMNS, HASH_KEY,
)  # fmt: skip
OUTPUT: tuple[Setting[object], ...] = (
    PROGRESS, LOG_FORMAT, LOG_FILE, LOG_MAX_BYTES, LOG_KEEP, METRICS_PORT, VERBOSE, QUIET,
)  # fmt: skip
VALIDATION: tuple[Setting[object], ...] = (
    DETAILED, FULL, SAMPLE, REPAIR, DIFFERENCES, OUTPUT_REPORT, EXPORT_DIR, TRANSFORMED_DIR,
)  # fmt: skip
ALL = SOURCE + TARGET + JOB + SHAPING + OUTPUT + VALIDATION

SECRET_VARIABLES = (
    *(setting.variable for setting in ALL if setting.secret),
    *(setting.libpq for setting in ALL if setting.secret and setting.libpq),
)
VARIABLES = frozenset({
    *(setting.variable for setting in ALL),
    *(setting.variable + "_FILE" for setting in ALL if setting.secret),
})  # fmt: skip
