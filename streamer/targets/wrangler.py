"""The local database of a Worker project: where `wrangler dev` keeps it, and whether that runs.

Wrangler names a local database's file after the database's id, as workerd names the Durable Object
that holds it (miniflare's src/shared/durable-object-namespace; measured with wrangler 4.93, 2026-11).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from streamer.config import WranglerTarget
from streamer.errors import UsageError
from streamer.frozen import frozen

CONFIGURATIONS = ("wrangler.json", "wrangler.jsonc", "wrangler.toml")  # in wrangler's own order
_STATE = Path(".wrangler/state/v3/d1/miniflare-D1DatabaseObject")
_OBJECTS = b"miniflare-D1DatabaseObject"
_DOCUMENT_BYTES = 4 * 1024 * 1024


@frozen
class LocalDatabase:
    """A database of a Worker project, as its configuration has it, and its file.

    `binding` is the Worker's name for it; `name` and `id` are '' where they aren't given. The file
    needn't exist.
    """

    binding: str
    name: str
    id: str
    file: Path

    @property
    def guard(self) -> Path:
        """A SQLite file that `wrangler dev` keeps open all the time, this database in use or not."""
        return self.file.with_name("metadata.sqlite")

    def __str__(self) -> str:
        """How messages call it."""
        return f"{self.name} ({self.binding})" if self.name else self.binding


def find(target: WranglerTarget) -> LocalDatabase:
    """The database that `target` means.

    Raises:
        UsageError: there is no configuration, it can't be read, or it has no such database; or it
            has several and none was chosen.
    """
    configuration = _configuration(target.folder)
    settings = _section(_document(configuration), target.environment, configuration)
    state = configuration.parent.resolve() / _STATE
    databases = [_database(entry, state) for entry in _entries(settings, configuration)]
    if not databases:
        raise UsageError(
            f"{configuration} has no D1 database{_within(target.environment)}",
            hint="Add one under d1_databases, or name the environment that has it with --env",
        )
    return _chosen(databases, target, configuration)


def file_name(database_id: str) -> str:
    """The name of the file that holds the local database with this id."""
    key = hashlib.sha256(_OBJECTS).digest()
    head = hmac.digest(key, database_id.encode(), "sha256")[:16]
    return (head + hmac.digest(key, head, "sha256")[:16]).hex() + ".sqlite"


def _configuration(folder: Path) -> Path:
    if folder.is_file():
        return folder
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder {folder}", hint="Write --target wrangler:DIR, a Worker project"
        )
    for name in CONFIGURATIONS:
        if (folder / name).is_file():
            return folder / name
    raise UsageError(
        f"{folder} has no configuration of a Worker ({', '.join(CONFIGURATIONS)})",
        hint="Write --target wrangler:DIR with the folder where wrangler is run",
    )


def _document(configuration: Path) -> Mapping[str, object]:
    try:
        with configuration.open("rb") as file:
            text = file.read(_DOCUMENT_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"{configuration} can't be read: {error.strerror}",
            hint="Give this user the right to read it",
        ) from None
    except UnicodeDecodeError:
        raise _unreadable(configuration, "it isn't UTF-8") from None
    try:
        document = _parsed(text, configuration.suffix)
    except ValueError as error:
        raise _unreadable(configuration, str(error)) from None
    except RecursionError:
        raise _unreadable(configuration, "it is nested too deeply") from None
    return _table(document, configuration, "it")


def _parsed(text: str, suffix: str) -> object:
    if suffix == ".toml":
        import tomllib  # noqa: PLC0415 (slow to load, and no other target needs it)

        return tomllib.loads(text)
    import json5  # noqa: PLC0415 (likewise)

    return json5.loads(text)


def _section(
    document: Mapping[str, object], environment: str | None, configuration: Path
) -> Mapping[str, object]:
    """The part of the configuration that counts: bindings aren't inherited by environments."""
    if environment is None:
        return document
    environments = _table(document.get("env", {}), configuration, "env")
    if environment not in environments:
        known = ", ".join(sorted(environments)) or "none"
        raise UsageError(
            f"{configuration} has no environment {environment}",
            hint=f"Name with --env one that it has: {known}",
        )
    return _table(environments[environment], configuration, f"env.{environment}")


def _entries(settings: Mapping[str, object], configuration: Path) -> Iterable[Mapping[str, object]]:
    found = settings.get("d1_databases", [])
    if not isinstance(found, list):
        raise _unreadable(configuration, "d1_databases is no list")
    for entry in cast("list[object]", found):
        table = _table(entry, configuration, "an entry of d1_databases")
        if not isinstance(table.get("binding"), str):
            raise _unreadable(configuration, "an entry of d1_databases has no binding")
        yield table


def _database(entry: Mapping[str, object], state: Path) -> LocalDatabase:
    texts = {key: value for key, value in entry.items() if isinstance(value, str)}
    binding, given = texts["binding"], texts.get("database_id", "")
    kept_as = texts.get("preview_database_id") or given or binding
    return LocalDatabase(
        binding=binding,
        name=texts.get("database_name", ""),
        id=given,
        file=state / file_name(kept_as),
    )


def _chosen(
    databases: list[LocalDatabase], target: WranglerTarget, configuration: Path
) -> LocalDatabase:
    wanted = target.database
    listed = ", ".join(str(database) for database in databases)
    if wanted is None:
        if len(databases) > 1:
            raise UsageError(
                f"{configuration} has {len(databases)} D1 databases"
                f"{_within(target.environment)}: {listed}",
                hint="Choose one by its binding or name with D1_DATABASE_ID",
            )
        return databases[0]
    # As wrangler does: a binding or a name; and the id, which is what D1_DATABASE_ID also may hold.
    for database in databases:
        if wanted in {database.binding, database.name, database.id}:
            return database
    raise UsageError(
        f"{configuration} has no D1 database {wanted}{_within(target.environment)}",
        hint=f"Set D1_DATABASE_ID to the binding or name of one that it has: {listed}",
    )


def _within(environment: str | None) -> str:
    return f" in the environment {environment}" if environment else ""


def _table(found: object, configuration: Path, called: str) -> Mapping[str, object]:
    if not isinstance(found, dict):
        raise _unreadable(configuration, f"{called} is no table of settings")
    return cast("dict[str, object]", found)


def _unreadable(configuration: Path, why: str) -> UsageError:
    return UsageError(
        f"{configuration} is no configuration of a Worker: {why}",
        hint="Mend it; `wrangler d1 list` must be able to read it too",
    )
