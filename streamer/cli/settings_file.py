"""A `streamer.toml` that says again what a command was told, with everything else as comments.

Secrets are never written: not from a DSN, and not the names of the files that hold them.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from streamer.cli.parser import Parser
from streamer.config import Config, Setting, known
from streamer.config.measured import toml_text
from streamer.config.source import read_dsn
from streamer.errors import SettingsError
from streamer.model import ColumnOptions, KeyKind, Plan, TableOptions, TablePlan, TypeOptions
from streamer.model.words import counted
from streamer.plan import estimated_rows

OPTION = "--write-config"
HEAD = """\
# Settings for moving the database {database}: streamer run --config THIS_FILE
# What has no # was given when this file was written; the rest are defaults and examples.
# Secrets don't belong here: POSTGRES_PASSWORD (or POSTGRES_DSN), CLOUDFLARE_API_TOKEN and
# STREAMER_HASH_KEY come from the environment, an --env-file, or the files that variables
# of these names with _FILE at their end name."""
OF_ONE_START = {
    "resume", "restart", "retry_rejects", "dry_run", "detailed", "full", "repair", "export_dir",
    "transformed_dir", "rebuild_checkpoint", "verbose", "quiet",
}  # fmt: skip
EXAMPLES = {
    "table": ["users", "sales_*", "audit.log"],
    "exclude": ["*_archive"],
    "schema": ["public"],
    "rename": ["sales.orders=shop_orders"],
    "exclude_columns": ["public.users.password_digest"],
    "checkpoint": "streamer.checkpoint.db",
    "report": "run_report.json",
    "output_report": "validation_report.json",
    "differences": "differences.ndjson",
    "batch_size": 100,
    "batch_bytes": "auto",
    "pack": "auto",
    "pushdown": "auto",
    "concurrency": "auto",
    "rate_limit": "1080/300",
    "give_up_after": "6h",
    "max_duration": "8h",
    "max_snapshot_age": "6h",
    "if_exists": "fail",
    "on_error": "stop",
    "max_rejects": 1000,
    "consistency": "snapshot",
    "indexes": "auto",
    "sample": 1000,
    "without_rowid": "auto",
    "checks": "auto",
    "defaults": "auto",
    "views": "skip",
    "matviews": "skip",
    "foreign_tables": "skip",
    "progress": "auto",
    "log_format": "text",
    "log_file": "run.log",
    "log_max_bytes": "10MB",
    "log_keep": 5,
    "metrics_port": 9400,
    "source.host": "db.example.com",
    "source.port": 5432,
    "source.database": "shop",
    "source.user": "reader",
    "source.sslmode": "verify-full",
    "source.sslrootcert": "/etc/ssl/certs/db.pem",
    "target.kind": "d1",
    "target.account_id": "0123456789abcdef0123456789abcdef",
    "target.database": "shop",
    "target.env": "staging",
    "target.proxy": "http://proxy.example.com:3128",
    "target.api_base_url": "https://api.cloudflare.com/client/v4",
}
"""What a setting may look like that nobody gave: the default where it has one."""

Value = str | int | bool | Sequence[str]


def refuse_existing(path: Path) -> None:
    """Raise SettingsError where there is something at `path` already."""
    if os.path.lexists(path):
        raise SettingsError([f"{OPTION}: {path} is there already; name another file"])


def write_settings(path: Path, text: str) -> None:
    """Write the file, for its owner alone; what is there already is never overwritten.

    Raises: SettingsError.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        refuse_existing(path)
        raise
    except OSError as error:
        raise SettingsError(
            [f"{OPTION}: {path} can't be written ({error.strerror}); name another file"]
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def how_to_use(path: Path, env_file: str | None) -> str:
    """The command that runs by the settings in `path`; secrets come from `env_file` where given."""
    words = ["streamer", "run", "--config", str(path)]
    if env_file is not None:
        words += ["--env-file", env_file]
    return shlex.join(words)


def settings_text(config: Config, plan: Plan, parser: Parser) -> str:
    """The file's text; `parser` knows what each option is for."""
    database = _of_source(config).get("source.database", "")
    parts = [
        HEAD.format(database=_line(str(database))),
        *_general(config, parser),
        _section("source", known.SOURCE, _of_source(config)),
        _section("target", known.TARGET, config.given),
        *_tables(config, plan),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _general(config: Config, parser: Parser) -> Iterator[str]:
    helps = {action.dest: action.help or "" for action in parser.actions}
    for setting in (*known.JOB, *known.OUTPUT, *known.VALIDATION, *known.SHAPING):
        if setting.secret or setting.key in OF_ONE_START:
            continue
        text = helps.get(setting.destination, "").replace("%%", "%")
        yield f"# {_line(text)}\n{_setting(setting, setting.key, config.given)}"


def _section(name: str, settings: Sequence[Setting[object]], given: Mapping[str, object]) -> str:
    lines = [
        _setting(setting, setting.key.removeprefix(f"{name}."), given)
        for setting in settings
        if not setting.secret
    ]
    return "\n".join([f"[{name}]", *lines])


def _setting(setting: Setting[object], key: str, given: Mapping[str, object]) -> str:
    if setting.key in given:
        return f"{key} = {_toml(_value(setting, given[setting.key]))}"
    if setting.key in known.TYPES:
        example: Value = TypeOptions.choices(setting.key)[0]
    else:
        example = False if setting.switch else EXAMPLES[setting.key]
    return f"# {key} = {_toml(example)}"


def _value(setting: Setting[object], texts: object) -> Value:
    """The texts that were given, as TOML would have them."""
    if not isinstance(texts, tuple):
        return texts if isinstance(texts, int) else str(texts)
    items = [str(text) for text in texts]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] -- texts, by Config.given
    if setting.many:
        return items
    if setting.switch:
        return bool(setting.parse(items[-1]))
    return int(items[-1]) if re.fullmatch(r"0|[1-9][0-9]{0,17}", items[-1]) else items[-1]


def _of_source(config: Config) -> dict[str, object]:
    """Where PostgreSQL is, without a password, whether a DSN said it or not."""
    source = config.source
    said = read_dsn(source.dsn.reveal()) if source.dsn is not None else None
    found: dict[str, object] = {}
    for setting in known.SOURCE:
        name = setting.key.removeprefix("source.")
        if setting.secret:
            continue
        value = getattr(said, name, None) or getattr(source, name)
        if value is not None:
            found[setting.key] = value
    return found


def _tables(config: Config, plan: Plan) -> Iterator[str]:
    asked = dict(config.shaping.tables)
    yield "# What is asked of single tables (docs/types.md), in the order in which they are moved."
    for table in plan.tables:
        names = [str(table.name), table.name.name] if _is_public(table) else [str(table.name)]
        spelled = next((name for name in names if name in asked), None)
        said = _asked(spelled, asked.pop(spelled)) if spelled is not None else ""
        yield "\n".join([_about(table), said or _suggestion(table)])
    for name, options in asked.items():
        yield _asked(name, options)


def _is_public(table: TablePlan) -> bool:
    return table.name.schema == "public"


def _about(table: TablePlan) -> str:
    key = "no key" if table.key.kind is KeyKind.PHYSICAL else f"key {', '.join(table.key.columns)}"
    rows = estimated_rows(table.table, table.columns)
    width = max(len(column.source) for column in table.columns)
    columns = [
        f"#   {_line(c.source):{width}}  {_line(c.type_name)} → {c.storage}" for c in table.columns
    ]
    return "\n".join(
        [f"# {_line(str(table.name))}: about {counted(rows, 'row')}, {_line(key)}", *columns]
    )


def _suggestion(table: TablePlan) -> str:
    return f'# [tables.{_key(str(table.name))}]\n# where = "..."'


def _asked(name: str, options: TableOptions) -> str:
    fields: dict[str, Value | None] = {
        "where": options.where,
        "columns": options.columns,
        "exclude_columns": options.exclude_columns,
        "rename": options.rename,
        "transform": options.transform,
        "key": options.key,
        "exclude_foreign_keys": options.exclude_foreign_keys,
        "without_rowid": options.without_rowid,
        "autoincrement": options.autoincrement,
        **options.types,
    }
    lines = [f"[tables.{_key(name)}]", *_fields(fields)]
    for column, asked in options.column.items():
        lines += [f"[tables.{_key(name)}.column.{_key(column)}]", *_fields(_of_column(asked))]
    return "\n".join(lines)


def _of_column(options: ColumnOptions) -> dict[str, Value | None]:
    return {
        "rename": options.rename,
        "expression": options.expression,
        "mask": options.mask,
        **options.types,
    }


def _fields(fields: Mapping[str, Value | None]) -> Iterator[str]:
    for key, value in fields.items():
        if value is not None and value not in ("", ()):
            yield f"{key} = {_toml(value)}"


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return toml_text(value)
    return f"[{', '.join(map(_toml, value))}]"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _line(text: str) -> str:
    """`text` where a comment may hold it."""
    return "".join(c if c.isprintable() else "?" for c in text)
