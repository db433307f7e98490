"""The places that settings come from, as texts with their origin: nothing is interpreted here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import IntEnum
from pathlib import Path
from typing import cast

from streamer.config import envfile, known
from streamer.config.known import Setting
from streamer.config.measured import SECTION, MeasuredTarget, read_measured
from streamer.config.tables import ABOVE, read_tables, spelled
from streamer.errors import nearest
from streamer.frozen import frozen
from streamer.model import TableOptions

ARGUMENT = "argument"
"""Where a program's own settings stand."""

_LONG = 128
_NO_TABLES = {
    "table": "says which tables are moved; write [tables.NAME] for what is asked of one",
    "rename": 'is a list; write rename = ["schema.table=new", "schema.table.column=new"]',
}


class Place(IntEnum):
    """Where a setting was given; the lowest wins."""

    OPTION = 0
    ENVIRONMENT = 1
    ENV_FILE = 2
    TOML = 3


@frozen
class Given:
    """A setting's texts as someone wrote them (one, or several where it takes a list)."""

    texts: tuple[str, ...]
    where: str
    place: Place


@frozen
class Layer:
    """What one place says: by option or TOML `keys`, or by environment `variables`.

    `tables` is what TOML asks of single tables, `measured` what it holds of a target's speed.
    """

    place: Place
    keys: Mapping[str, Given] = field(default_factory=dict[str, Given])
    variables: Mapping[str, Given] = field(default_factory=dict[str, Given])
    tables: Mapping[str, TableOptions] = field(default_factory=dict[str, TableOptions])
    measured: MeasuredTarget | None = None

    def plain(self, setting: Setting[object]) -> Given | None:
        """The setting itself."""
        return self.keys.get(setting.key) or self.variables.get(setting.variable)

    def file(self, setting: Setting[object]) -> Given | None:
        """The name of the file that a secret stands in."""
        if not setting.secret:
            return None
        return self.keys.get(setting.key + "_file") or self.variables.get(
            setting.variable + "_FILE"
        )


def from_options(options: Mapping[str, object]) -> Layer:
    """What the command line says; None, False and empty lists mean that nothing was said."""
    found: dict[str, Given] = {}
    for setting in known.ALL:
        value = options.get(setting.destination) if setting.option else None
        if value is None or value is False or value == []:
            continue
        texts = cast("list[object]", value) if isinstance(value, list) else [value]
        found[setting.key] = Given(
            tuple(_text(text) for text in texts), setting.option, Place.OPTION
        )
    return Layer(Place.OPTION, keys=found)


def from_arguments(
    arguments: Mapping[str, object], tables: Mapping[str, object], problems: list[str]
) -> Layer:
    """What a program says: settings by their keys, secrets too, and what is asked of single tables.

    None means that nothing was said; an unknown name is a problem.
    """
    found: dict[str, Given] = {}
    settings = {setting.key: setting for setting in known.ALL}
    for key, value in arguments.items():
        where = f"{key} ({ARGUMENT})"
        if value is None:
            continue
        if (setting := settings.get(key)) is None:
            guess = nearest(key, [name for name in settings if "." not in name])
            problems.append(f"{where}: unknown setting{guess}; correct its name or remove it")
        elif isinstance(value, str | Path) or not isinstance(value, Iterable):
            found[key] = Given((_text(value),), where, Place.OPTION)
        elif setting.many:
            texts = tuple(map(_text, cast("Iterable[object]", value)))
            if texts:
                found[key] = Given(texts, where, Place.OPTION)
        else:
            problems.append(f"{where}: takes one value, not several; give one")
    asked = read_tables(dict(tables), ARGUMENT, problems)
    return Layer(Place.OPTION, keys=found, tables=asked)


def from_environment(environ: Mapping[str, str]) -> Layer:
    """What the environment says; an empty variable counts as unset, as it does for libpq."""
    return Layer(
        Place.ENVIRONMENT,
        variables={
            key: Given((value,), f"{key} (environment)", Place.ENVIRONMENT)
            for key, value in environ.items()
            if value
        },
    )


def from_env_file(path: Path, problems: list[str]) -> Layer:
    """What an env file says; keys of other programs are left alone."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"--env-file: {path} can't be read ({_reason(error)}); write a file's path")
        return Layer(Place.ENV_FILE)
    entries, wrong = envfile.parse(text)
    problems += [f"{path}, line {line}: {what}" for line, what in wrong]
    variables: dict[str, Given] = {}
    for entry in entries:
        where = f"{entry.key} ({path}, line {entry.line})"
        ours = entry.key.startswith(known.OUR_PREFIXES)
        if ours and entry.key not in known.VARIABLES | known.NEIGHBOURS:
            guess = nearest(entry.key, sorted(known.VARIABLES))
            problems.append(f"{where}: unknown setting{guess}; correct its name or remove it")
        elif entry.value:
            variables[entry.key] = Given((entry.value,), where, Place.ENV_FILE)
        else:
            variables.pop(entry.key, None)
    return Layer(Place.ENV_FILE, variables=variables)


def from_toml(path: Path, problems: list[str]) -> Layer:
    """What a TOML file says; unknown keys and secrets are problems."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"--config: {path} can't be read ({_reason(error)}); write a file's path")
        return Layer(Place.TOML)
    import tomllib  # noqa: PLC0415 (slow to load, and many runs have no such file)

    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Numbers of thousands of digits and brackets in thousands of brackets are no settings.
        why = error if isinstance(error, tomllib.TOMLDecodeError) else "too long or too deep"
        problems.append(f"{path}: not TOML: {why}; correct that line")
        return Layer(Place.TOML)
    tables = read_tables(document.pop("tables", {}), str(path), problems)
    measured = None
    if SECTION in document:
        measured = read_measured(document.pop(SECTION), str(path), problems)
    found: dict[str, Given] = {}
    for key, value in _flat(document, {"source", "target"}):
        where = f"{'.'.join(map(spelled, key.split('.')))} ({path})"
        if (problem := _refused(key, value)) is not None:
            problems.append(f"{where}: {problem}")
        elif (texts := _texts(value)) is not None:
            found[key] = Given(texts, where, Place.TOML)
        elif isinstance(value, dict) and key in _NO_TABLES:
            problems.append(f"{where}: {_NO_TABLES[key]}")
        else:
            problems.append(f"{where}: a setting is a text, a number, true or false; write one")
    return Layer(Place.TOML, keys=found, tables=tables, measured=measured)


def _refused(key: str, value: object) -> str | None:
    settings = {setting.key: setting for setting in known.ALL}
    setting = known.API_TOKEN if key == "target.token" else settings.get(key)
    if setting is None:
        names = [name for name in settings if not settings[name].secret]
        names += [name + "_file" for name in settings if settings[name].secret]
        if key in names:
            return None
        if key.rpartition(".")[2] in settings and not isinstance(value, dict):
            return f"is a setting for the whole run; {ABOVE}"
        kind = "table" if isinstance(value, dict) else "setting"
        return f"unknown {kind}{nearest(key, names)}; correct its name or remove it"
    if setting.secret:
        return (
            "a secret doesn't belong into this file; put it into the environment"
            f" ({setting.variable}), an env file, or a file that {setting.variable}_FILE names"
        )
    if isinstance(value, list) and not setting.many:
        return "takes one value, not a list; write it without brackets"
    return None


def _flat(document: Mapping[str, object], sections: set[str]) -> Iterable[tuple[str, object]]:
    for key, value in document.items():
        if key in sections and isinstance(value, dict):
            section = cast("dict[str, object]", value)
            yield from ((f"{key}.{name}", inner) for name, inner in section.items())
        else:
            yield key, value


def _texts(value: object) -> tuple[str, ...] | None:
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    if not all(isinstance(item, (str, int, float)) for item in items):
        return None
    return tuple(_text(item) for item in items)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # Python prints no number of thousands of digits in decimal; no setting is that large.
    return hex(value) if isinstance(value, int) and value.bit_length() > _LONG else str(value)


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "no reason given") if isinstance(error, OSError) else "not UTF-8 text"
