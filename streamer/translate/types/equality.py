"""Values that PostgreSQL takes for equal although they are printed differently.

Where such a type tells rows apart, in a key or a unique index, D1 compares what is stored, so it may
hold two rows that PostgreSQL wouldn't.
"""

from __future__ import annotations

from streamer.model import PgType, TypeKind

_NUMBERS = "1.0 and 1.00"
_ZEROS = "0 and -0"
# Found by asking PostgreSQL 18: whatever has a btree class of its own. timetz, inet, tsvector, seg,
# isn, hstore and ltree are printed alike where they are equal.
_ANYWHERE = {
    ("pg_catalog", "interval"): "'1 mon' and '30 days'",
    ("pg_catalog", "jsonb"): _NUMBERS,
    ("pg_catalog", "tsquery"): "'a:A' and 'a:B'",
    ("cube", "cube"): _ZEROS,
    ("vector", "vector"): _ZEROS,
    ("vector", "halfvec"): _ZEROS,
    ("vector", "sparsevec"): _ZEROS,
}
_WITHIN = {
    ("pg_catalog", "numeric"): _NUMBERS,
    ("pg_catalog", "float4"): _ZEROS,
    ("pg_catalog", "float8"): _ZEROS,
    ("pg_catalog", "bpchar"): "'a' and 'a '",
    ("citext", "citext"): "'A' and 'a'",
}
# Once they have a modifier, all are printed to the same length.
_ALIGNED = frozenset({"numeric", "bpchar"})


def alike(kind: PgType) -> str:
    """Two values of the type that are equal for PostgreSQL and printed differently; '' for none.

    Of a number, a text or a citext by itself there are none: how it is stored makes them the same.
    """
    return _alike(kind.base, _ANYWHERE)


def _alike(kind: PgType, known: dict[tuple[str, str], str]) -> str:
    inside = {**_ANYWHERE, **_WITHIN}
    match kind.kind:
        case TypeKind.BASE:
            if kind.schema == "pg_catalog" and kind.name in _ALIGNED and kind.modifier >= 0:
                return ""
            owner = "pg_catalog" if kind.schema == "pg_catalog" else kind.extension
            return known.get((owner, kind.name), "")
        case TypeKind.ARRAY | TypeKind.RANGE | TypeKind.MULTIRANGE:
            return _alike(kind.inner.base, inside) if kind.inner is not None else ""
        case TypeKind.COMPOSITE:
            found = (_alike(field.type.base, inside) for field in kind.fields)
            return next((words for words in found if words), "")
        case TypeKind.DOMAIN | TypeKind.ENUM | TypeKind.PSEUDO:
            return ""
