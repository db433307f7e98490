"""What becomes of a column whose values must not be carried over as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from streamer.model import PgType, Storage, TypeKind, Wire
from streamer.model.shaping import Mask
from streamer.translate.types import Mapping, Unsupported

INNER_KEY, OUTER_KEY = "streamer.hash_inner", "streamer.hash_outer"
"""Settings of the reading transaction: HMAC's padded keys, as bytea prints them."""

REDACTED = "***"

# The families whose equal values are the same number or the same letters, but not the same text:
# two such values within a column.
_OTHER_TEXTS = {
    "numeric real": "",  # of one column all have the same number of digits
    "float4": "0 and -0",
    "float8": "0 and -0",
    "citext": "'A' and 'a'",
}


def masked(
    mapping: Mapping, mask: Mask, kind: PgType, *, not_null: bool = False
) -> Mapping | Unsupported:
    """How a column of type `kind`, which would be moved by `mapping`, is moved under `mask`.

    `not_null`: the column may hold no NULL. Reading still goes by PostgreSQL's own key, so the
    result is as `keyable` as `mapping` is; but its text is none.
    """
    match mask:
        case "null":
            return _null(mapping, kind, not_null=not_null)
        case "redact":
            return _redacted(mapping, kind)
        case "hash":
            return _hashed(mapping)
    assert_never(mask)


def _bare(mapping: Mapping) -> Mapping:
    """`mapping` without all that is true of its values."""
    return replace(
        mapping, family="", exact=False, nocase=False, distinct=False, check="", counted=(), announce=""
    )  # fmt: skip


def _null(mapping: Mapping, kind: PgType, *, not_null: bool) -> Mapping | Unsupported:
    if not_null or _domain_not_null(kind):
        return Unsupported(
            "the mask null can't be used where the column is NOT NULL", "Use the mask hash"
        )
    return replace(_bare(mapping), template="NULL::text", note="always NULL (masked)")


def _domain_not_null(kind: PgType) -> bool:
    inner: PgType | None = kind
    while inner is not None and inner.kind is TypeKind.DOMAIN:
        if inner.not_null:
            return True
        inner = inner.inner
    return False


def _redacted(mapping: Mapping, kind: PgType) -> Mapping | Unsupported:
    if mapping.storage is not Storage.TEXT:
        return Unsupported(
            f"the mask redact is for texts, and {kind.formatted} is stored as {mapping.storage}",
            "Use the mask null or hash",
        )
    # IS NOT NULL asks a composite for each of its fields.
    template = f"CASE WHEN num_nulls({{c}}) = 0 THEN '{REDACTED}' END"
    return replace(_bare(mapping), template=template, note=f"{REDACTED} (masked)")


def _hashed(mapping: Mapping) -> Mapping:
    """HMAC-SHA256 (RFC 2104) of the text that would be stored, in 64 hex digits."""
    inner, outer = (f"current_setting('{name}')::bytea" for name in (INNER_KEY, OUTER_KEY))
    text = f"convert_to({mapping.template}, 'UTF8')"
    known = mapping.family and mapping.family not in _OTHER_TEXTS
    return replace(
        _bare(mapping),
        storage=Storage.TEXT,
        template=f"encode(sha256({outer} || sha256({inner} || {text})), 'hex')",
        wire=Wire.TEXT,
        family=f"hash of {mapping.family}" if known else "",
        distinct=mapping.distinct,
        alike=mapping.alike or _OTHER_TEXTS.get(mapping.family, ""),
        note="HMAC-SHA256 of its text, 64 hex digits (masked)",
    )
