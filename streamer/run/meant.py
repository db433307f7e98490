"""Whether what is known of a target is of the one that the settings name; nobody is asked."""

from __future__ import annotations

from collections.abc import Mapping

from checkpoints import JSON
from streamer.config import API_BASE_URL, Config, FileTarget, WranglerTarget, known
from streamer.errors import UsageError
from streamer.targets import identity_of


def is_meant(config: Config, then: Mapping[str, JSON]) -> bool:
    """Whether `then`, a target as a checkpoint remembers it, may be the one that is configured.

    What the settings don't say rules nothing out: a plan needs no target. One that is said in no way is D1.
    """
    said = {key: texts[-1] for key, texts in config.given.items() if texts}
    kind = known.TARGET_KIND.parse(said.get(known.TARGET_KIND.key, "d1"))
    database = said.get(known.DATABASE_ID.key)
    if kind is not None:
        return _file(kind, database, said.get(known.WRANGLER_ENV.key)) == then.get("database")
    account = said.get(known.ACCOUNT_ID.key)
    base_url = said.get(known.API_BASE_URL.key, API_BASE_URL).rstrip("/")
    return (
        bool(then.get("account"))
        and account in (None, then.get("account"))
        and database in (None, then.get("database"), then.get("database_name"))
        and then.get("api_base_url", base_url) == base_url
    )


def _file(kind: FileTarget | WranglerTarget, database: str | None, env: str | None) -> str | None:
    """What the file is called that is a target; None where a Worker's configuration doesn't say."""
    if isinstance(kind, WranglerTarget):
        kind = WranglerTarget(kind.folder, database, env)
    try:
        return identity_of(kind).database
    except UsageError:
        return None
