"""What a checkpoint remembers of the settings that shape rows, so that a resume can name a change.

Texts of the user's are kept as digests: the checkpoint needs to know that they changed, not how.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from streamer.errors import UsageError
from streamer.model import ColumnPlan, Secret, TablePlan
from streamer.pipeline.transform import Function, code_digest
from streamer.run.recorded import members

if TYPE_CHECKING:
    from checkpoints import JSON

_ROUNDS = 100_000  # so that a weak key can't be guessed from a stolen checkpoint in no time


def chosen_facts(plan: TablePlan) -> dict[str, JSON]:
    """What was decided about a table: its names, which rows, and how columns are read."""
    return {
        "target": plan.target,
        "where": _digest(plan.where.strip()),
        "transform": plan.transform,
        "names": {column.source: column.target for column in plan.columns},
        "read": {column.source: _digest(_way(column)) for column in plan.columns},
        "split": split_columns(plan),
    }


def split_columns(plan: TablePlan) -> list[JSON]:
    """The columns whose parts are moved."""
    return [*dict.fromkeys(column.whole for column in plan.columns if column.whole)]


def differing(now: Mapping[str, JSON], then: JSON) -> list[str]:
    """The settings, in a user's words, in which the facts `then` and `now` differ.

    Of columns only those that both know are compared; nothing is known of a checkpoint without facts.
    """
    was = members(then)
    if not was:
        return []
    found = [name for name in ("where", "transform") if was.get(name) != now[name]]
    if was.get("target") != now["target"]:
        found.append("rename")
    if was.get("split", []) != now["split"]:
        found.append("which columns are split into several")
    found += [f"rename of {name}" for name in _changed(now["names"], was.get("names"))]
    return found + [
        f"how {name} is read (expression, mask or type options)"
        for name in _changed(now["read"], was.get("read"))
    ]


def _changed(now: JSON, then: JSON) -> list[str]:
    is_now, was = members(now), members(then)
    return [name for name in was if name in is_now and was[name] != is_now[name]]


def _way(column: ColumnPlan) -> str:
    return f"{column.storage} {column.wire} {column.read_sql}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""


def code_of(transforms: Mapping[str, Function]) -> dict[str, JSON]:
    """What tells the code of the users' functions from other code."""
    return {name: code_digest(function) for name, function in transforms.items()}


def other_code(now: Mapping[str, JSON], then: JSON) -> list[str]:
    """Warnings of transforms whose module isn't what the run began with.

    A function may be mended and gone on with: of what it made before nobody knows whether it changed.
    """
    was = members(then)
    return [
        f"the code of the transform {name} changed since the run began: rows moved before were made"
        " by the former code; --restart makes all of them anew"
        for name, digest in now.items()
        if digest and was.get(name, digest) != digest
    ]


def hash_key_facts(key: Secret | None, run_id: str) -> dict[str, JSON]:
    """What tells the key of the mask `hash` from others; nothing where there is none."""
    return {"hash_key": _fingerprint(key, run_id)} if key is not None else {}


def check_hash_key(key: Secret | None, run_id: str, then: Mapping[str, JSON]) -> None:
    """Refuse to go on with another key: equal values would be hashed to different texts.

    Raises:
        UsageError: the key isn't the one that the run began with.

    """
    known = then.get("hash_key")
    if known is not None and (key is None or _fingerprint(key, run_id) != known):
        raise UsageError(
            "the run was begun with another key for the mask `hash`",
            hint="Set STREAMER_HASH_KEY to that one, or start over with --restart.",
        )


def _fingerprint(key: Secret, run_id: str) -> str:
    return hashlib.pbkdf2_hmac(
        "sha256", key.reveal().encode(), run_id.encode(), _ROUNDS, dklen=16
    ).hex()
