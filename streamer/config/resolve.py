"""Options, environment, env file and TOML → one `Config`, or all problems at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from streamer.config import known, layers, names, values
from streamer.config.known import Setting
from streamer.config.layers import Given, Layer, Place
from streamer.config.settings import (
    API_BASE_URL,
    FILE_CONCURRENCY,
    Config,
    FileTarget,
    OutputSettings,
    PacingSettings,
    RunSettings,
    Selection,
    Target,
    TargetSettings,
    ValidateSettings,
    WranglerTarget,
)
from streamer.config.shaping import resolve_shaping
from streamer.config.source import resolve_source
from streamer.config.validation import resolve_validation
from streamer.errors import SettingsError
from streamer.model import Secret, Shaping, TableOptions

T = TypeVar("T")
U = TypeVar("U")

_SECRET_FILE_BYTES = 65_536


class Lookup:
    """Finds settings in the layers and keeps the origins, the warnings, and every problem met."""

    def __init__(self, found: list[Layer], problems: list[str]) -> None:
        self._layers = found
        self.problems = problems
        self.warnings: list[str] = []
        self.origins: dict[str, str] = {}
        self._given: dict[str, Given | None] = {}

    def given(self, setting: Setting[object]) -> Given | None:
        """Who gave `setting`, if anyone: the highest place under its own name, then libpq's."""
        # Asked once: a secret's file may be a pipe, and a problem is to be told once.
        if setting.key not in self._given:
            self._given[setting.key] = self._search(setting)
        return self._given[setting.key]

    def _search(self, setting: Setting[object]) -> Given | None:
        for layer in self._layers:
            plain, file = layer.plain(setting), layer.file(setting)
            if plain is not None and file is not None:
                self.problems.append(
                    f"{plain.where} and {file.where}: both are set; remove one of them"
                )
                return None
            if plain is not None:
                return plain
            if file is not None:
                return self._read(file)
        return self.variable(setting.libpq) if setting.libpq else None

    @property
    def tables(self) -> Mapping[str, TableOptions]:
        """What is asked of single tables; the highest place counts for all of a table."""
        lowest_first = reversed(self._layers)
        return {name: asked for layer in lowest_first for name, asked in layer.tables.items()}

    def variable(self, name: str) -> Given | None:
        """An environment variable that is no setting of ours."""
        found = (layer.variables.get(name) for layer in self._layers)
        return next((given for given in found if given is not None), None)

    def optional(self, setting: Setting[T]) -> T | None:
        """The setting's value; None where nobody gave it, or where it is a problem."""
        return self.one(setting, None)

    def one(self, setting: Setting[T], default: U) -> T | U:
        """The setting's value, else `default`."""
        if (given := self.given(setting)) is None:
            return default
        values = self._parsed(setting, given, given.texts)
        return values[-1] if values else default

    def many(self, setting: Setting[T], default: tuple[T, ...]) -> tuple[T, ...]:
        """The values of a setting that takes a list, else `default`."""
        if (given := self.given(setting)) is None:
            return default
        return self._parsed(setting, given, self._each(given)) or default

    def _each(self, given: Given) -> tuple[str, ...]:
        """The items of a list; in the environment it is one text, with commas."""
        from_text = given.place in {Place.ENVIRONMENT, Place.ENV_FILE}
        return names.split(given.texts[0]) if from_text else given.texts

    def noted(self) -> dict[str, tuple[str, ...]]:
        """The texts of all settings that are no secret and can be read, asked for or not."""
        noted: dict[str, tuple[str, ...]] = {}
        for setting in known.ALL:
            given = None if setting.secret else self.given(setting)
            if given is None:
                continue
            texts = self._each(given) if setting.many else given.texts[-1:]
            with suppress(ValueError):
                for text in texts:
                    setting.parse(text)
                noted[setting.key] = texts
        return noted

    def required(self, setting: Setting[T], what: str) -> T | None:
        """The setting's value; missing is a problem, `what` says what it is for."""
        before = len(self.problems)
        value = self.optional(setting)
        if value is None and len(self.problems) == before:
            self.problems.append(f"{setting.variable}: not set; set it to {what}")
        return value

    def _parsed(self, setting: Setting[T], given: Given, texts: tuple[str, ...]) -> tuple[T, ...]:
        before = len(self.problems)
        values: list[T] = []
        for text in texts:
            try:
                values.append(setting.parse(text))
            except ValueError as error:
                self.problems.append(f"{given.where}: {error}")
        if len(self.problems) > before:
            return ()
        self.origins[setting.key] = given.where
        return tuple(values)

    def _read(self, given: Given) -> Given | None:
        # A secret put here by mistake would be shown with the file's name, so the name isn't.
        try:
            with Path(given.texts[0]).expanduser().open("rb") as file:
                text = file.read(_SECRET_FILE_BYTES).decode().rstrip("\r\n")
        except (OSError, RuntimeError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "not UTF-8 text"
            self.problems.append(
                f"{given.where}: the file can't be read ({why});"
                " write the path of a file that holds the secret"
            )
            return None
        if not text:
            self.problems.append(f"{given.where}: the file is empty; write the secret into it")
            return None
        return Given((text,), given.where, given.place)


def resolve(
    options: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    source: bool = False,
    target: bool = False,
    job: bool = False,
    arguments: Mapping[str, object] | None = None,
    tables: Mapping[str, object] | None = None,
    compares: bool = False,
) -> Config:
    """The settings a command works with; `source`, `target` and `job` say which it needs.

    One that `compares` needs only the ends of what it was told to compare.

    `options` are the command line's by their long names with underscores (`config` and `env_file`
    among them), absent or None where not given. What a command doesn't need isn't looked at, save
    for unknown keys in the files; a dry run needs no target. A program without a command line gives
    `arguments`, by the settings' keys, and `tables`, as they stand in TOML.

    Raises: SettingsError with every problem there is.
    """
    problems: list[str] = []
    found = [
        layers.from_arguments(arguments or {}, tables or {}, problems),
        layers.from_options(options),
        layers.from_environment(environ),
    ]
    if (env_file := options.get("env_file")) is not None:
        found.append(layers.from_env_file(Path(str(env_file)), problems))
    if (toml := options.get("config")) is not None:
        found.append(layers.from_toml(Path(str(toml)), problems))
    look = Lookup(found, problems)
    output = _output(look)
    selection, pacing, run = _job(look) if job else (Selection(), PacingSettings(), RunSettings())
    validation = resolve_validation(look, compares=compares) if job else ValidateSettings()
    source = source and validation.reads_source
    target = target and validation.reads_target
    shaping = resolve_shaping(look, reads=source) if job else Shaping()
    source_settings = resolve_source(look, environ) if source else None
    target_settings = _target(look) if target and not run.dry_run else None
    if isinstance(target_settings, FileTarget | WranglerTarget):
        pacing = _unpaced(look, pacing)
    if job:
        target_file = target_settings.path if isinstance(target_settings, FileTarget) else None
        _keep_apart(look, target_file, run, validation, output)
    if problems:
        raise SettingsError(problems)
    secrets = [*(source_settings.secrets if source_settings else ())]
    if isinstance(target_settings, TargetSettings):
        secrets.append(target_settings.token)
        if target_settings.proxy is not None:
            secrets.append(target_settings.proxy)
    if shaping.hash_key is not None:
        secrets.append(shaping.hash_key)
    config = Config(
        target=target_settings,
        selection=selection,
        pacing=pacing,
        run=run,
        validation=validation,
        shaping=shaping,
        output=output,
        origins=look.origins,
        given=look.noted(),
        warnings=tuple(look.warnings),
        secrets=tuple(secrets),
        measured=next((layer.measured for layer in found if layer.measured is not None), None),
    )
    if source_settings is None:
        return config
    return replace(config, source=source_settings.settings)


def _target(look: Lookup) -> Target | None:
    """What `--target` names; D1's settings are looked at only where it is D1."""
    before = len(look.problems)
    chosen = look.optional(known.TARGET_KIND)
    if isinstance(chosen, WranglerTarget):
        return replace(
            chosen,
            database=look.optional(known.DATABASE_ID),
            environment=look.optional(known.WRANGLER_ENV),
        )
    if chosen is not None or len(look.problems) > before:
        return chosen
    account = look.required(known.ACCOUNT_ID, "the account's id (dash.cloudflare.com shows it)")
    database = look.required(known.DATABASE_ID, "the id or name of a D1 database")
    token = look.required(known.API_TOKEN, "an API token with the permission D1 Edit")
    address = look.one(known.API_BASE_URL, API_BASE_URL)
    proxy = _proxy(look)
    if account is None or database is None or token is None:
        return None
    return TargetSettings(account, database, token, address, proxy)


def _proxy(look: Lookup) -> Secret | None:
    """The proxy that was asked for; the environment's alone would send secrets through what others
    have set up.
    """
    chosen = look.optional(known.PROXY)
    if chosen != "environment":
        return Secret(chosen) if chosen is not None else None
    given = look.variable("HTTPS_PROXY") or look.variable("https_proxy")
    if given is None:
        look.problems.append("HTTPS_PROXY: not set; set it, or write the proxy into STREAMER_PROXY")
        return None
    try:
        return Secret(values.proxy_address(given.texts[0]))
    except ValueError as error:
        look.problems.append(f"{given.where}: {error}")
        return None


def _unpaced(look: Lookup, pacing: PacingSettings) -> PacingSettings:
    """Pacing for a file of this machine: no limit and few at once, unless the user says otherwise."""
    return replace(
        pacing,
        rate=pacing.rate if look.given(known.RATE_LIMIT) else None,
        concurrency=pacing.concurrency if look.given(known.CONCURRENCY) else FILE_CONCURRENCY,
    )


def _keep_apart(
    look: Lookup,
    target: Path | None,
    run: RunSettings,
    validation: ValidateSettings,
    output: OutputSettings,
) -> None:
    """Refuse files that would overwrite the checkpoint, or be overwritten by the target."""
    files = (
        (known.CHECKPOINT, run.checkpoint, "checkpoint"),
        (known.REPORT, run.report, "report"),
        (known.OUTPUT_REPORT, validation.report, "validation's report"),
        (known.DIFFERENCES, validation.differences, "file of differences"),
        (known.LOG_FILE, output.log_file, "log"),
        (known.TARGET_KIND, target, "target"),
    )
    called: dict[str, str] = {}
    for setting, path, name in files:
        if path is None or (path.exists() and not path.is_file()):
            continue  # nothing is overwritten in /dev/null
        other = called.setdefault(os.path.realpath(path), name)
        if other != name and (other == "checkpoint" or setting is known.TARGET_KIND):
            given = look.given(setting)
            where = given.where if given else setting.option
            look.problems.append(f"{where}: {path} is the {other}; write another file")


def _job(look: Lookup) -> tuple[Selection, PacingSettings, RunSettings]:
    selection = Selection(
        tables=look.many(known.TABLE, ()),
        exclude=look.many(known.EXCLUDE, ()),
        schemas=look.many(known.SCHEMA, Selection().schemas),
    )
    base = PacingSettings()
    pacing = PacingSettings(
        rate=look.one(known.RATE_LIMIT, base.rate),
        concurrency=look.one(known.CONCURRENCY, base.concurrency),
        batch_bytes=look.one(known.BATCH_BYTES, base.batch_bytes),
        give_up_after_s=look.one(known.GIVE_UP_AFTER, base.give_up_after_s),
    )
    return selection, pacing, _run(look)


def _run(look: Lookup) -> RunSettings:
    base = RunSettings()
    resume, restart = _exclusive(look, known.RESUME, known.RESTART)
    resume_alone, retry = _exclusive(look, known.RESUME, known.RETRY_REJECTS)
    restart_alone, retry_too = _exclusive(look, known.RESTART, known.RETRY_REJECTS)
    return RunSettings(
        checkpoint=look.one(known.CHECKPOINT, base.checkpoint),
        report=look.one(known.REPORT, base.report),
        batch_size=look.one(known.BATCH_SIZE, base.batch_size),
        pack=look.one(known.PACK, base.pack),
        pushdown=look.one(known.PUSHDOWN, base.pushdown),
        if_exists=look.one(known.IF_EXISTS, base.if_exists),
        on_error=look.one(known.ON_ERROR, base.on_error),
        max_rejects=look.one(known.MAX_REJECTS, base.max_rejects),
        consistency=look.one(known.CONSISTENCY, base.consistency),
        max_duration_s=look.optional(known.MAX_DURATION),
        max_snapshot_age_s=look.one(known.MAX_SNAPSHOT_AGE, base.max_snapshot_age_s),
        indexes=look.one(known.INDEXES, base.indexes),
        create_schema=not look.one(known.NO_SCHEMA, default=False),
        skip_refused=look.one(known.SKIP_REFUSED, default=False),
        resume=resume and resume_alone,
        rebuild_checkpoint=_rebuilding(look, resume=resume and resume_alone),
        restart=restart and restart_alone,
        retry_rejects=retry and retry_too,
        dry_run=look.one(known.DRY_RUN, default=False),
        validate=look.one(known.VALIDATE, default=False),
    )


def _rebuilding(look: Lookup, *, resume: bool) -> bool:
    """Whether a lost checkpoint is made anew; that is for going on alone."""
    rebuilding = look.one(known.REBUILD_CHECKPOINT, default=False)
    given = look.given(known.REBUILD_CHECKPOINT)
    if rebuilding and not resume and given is not None:
        look.problems.append(f"{given.where} is for going on; write {known.RESUME.option} too")
    return rebuilding and resume


def _output(look: Lookup) -> OutputSettings:
    base = OutputSettings()
    quiet, verbose = _exclusive(look, known.QUIET, known.VERBOSE)
    return OutputSettings(
        progress=look.one(known.PROGRESS, base.progress),
        log_format=look.one(known.LOG_FORMAT, base.log_format),
        log_file=look.optional(known.LOG_FILE),
        log_max_bytes=look.optional(known.LOG_MAX_BYTES),
        log_keep=look.one(known.LOG_KEEP, base.log_keep),
        metrics_port=look.optional(known.METRICS_PORT),
        verbosity=-1 if quiet else int(verbose),
    )


def _exclusive(look: Lookup, first: Setting[bool], second: Setting[T]) -> tuple[bool, T | bool]:
    """Two settings of which the one from the higher place counts; from one place it's a problem."""
    one, other = look.one(first, default=False), look.one(second, default=False)
    if not one or not other:
        return one, other
    given, rival = look.given(first), look.given(second)
    if given is None or rival is None:
        return one, other
    if given.place == rival.place:
        look.problems.append(f"{given.where} and {rival.where} exclude each other; write one")
    return (one, False) if given.place <= rival.place else (False, other)
