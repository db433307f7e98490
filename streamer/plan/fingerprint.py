"""What must stay as it is between a run and its resumption, in a few digits."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson

from streamer.model import Secret, TableKind, TypeOptions
from streamer.plan.shape import ShapedColumn
from streamer.translate.types import option_applies

if TYPE_CHECKING:
    from streamer.plan.draft import Draft

# The digest lies in checkpoints, so guessing at the key must be slow: 16 MiB and about 40 ms a guess.
_COST, _BLOCKS, _BYTES = 2**14, 8, 8
_DEFAULTS = TypeOptions()
_SALT = b"streamer: the key of the mask hash"


def key_digest(key: Secret | None) -> str:
    """A digest of the key of the mask `hash`, from which the key can't be guessed cheaply."""
    if key is None:
        return ""
    text = key.reveal().encode()
    return hashlib.scrypt(text, salt=_SALT, n=_COST, r=_BLOCKS, p=1, dklen=_BYTES).hex()


def fingerprint(draft: Draft) -> str:
    """A digest of what must stay as it is between a run and its resumption.

    Sizes, indexes, foreign keys and the order of loading aren't part of it: they may change while
    rows already moved stay right.
    """
    shaped = draft.shaped
    facts = {
        "name": str(draft.table.name),
        "target": draft.target,
        "where": shaped.where,
        "transform": shaped.transform,
        "columns": [
            [
                *(c.source, c.target, c.type_name, c.storage, c.wire, c.read_sql),
                *(c.not_null, c.nocase, *_asked(draft, shaped.columns[c.source], c.source)),
            ]
            for c in draft.columns
        ],
        "key": [draft.key.kind, draft.key.columns, draft.key.casts, draft.key.rowid],
        "hash_key": draft.hash_digest,
        **({"labels": draft.table.definition} if draft.table.kind is TableKind.LABELS else {}),
    }
    return hashlib.sha256(orjson.dumps(facts)).hexdigest()


def _asked(draft: Draft, column: ShapedColumn, source: str) -> list[object]:
    """What the user decided about a column; of the options those that have a say in its type."""
    kind = draft.table.column(source).type
    options = {
        name: chosen
        for name in (TypeOptions.names() if column.types != _DEFAULTS else ())
        if (chosen := getattr(column.types, name)) != getattr(_DEFAULTS, name)
        and option_applies(kind, name)
    }
    return [column.expression, column.mask, options]
