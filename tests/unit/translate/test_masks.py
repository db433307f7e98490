import pytest

from streamer.model import PgType, Storage, TypeKind, Wire
from streamer.model.shaping import TypeOptions
from streamer.postgres.hash_key import INNER, OUTER
from streamer.translate.masks import INNER_KEY, OUTER_KEY, masked
from streamer.translate.types import Mapping, Unsupported, map_type
from tests.engines.catalogs import BYTEA, CITEXT, FLOAT8, INT8, NUMERIC, TEXT, base, domain, numeric

MOOD = PgType(77, "public", "mood", "public.mood", TypeKind.ENUM, labels=("sad", "ok"))


def mapped(kind: PgType, *, numeric_text: bool = False) -> Mapping:
    found = map_type(kind, numeric_text=numeric_text)
    assert isinstance(found, Mapping)
    return found


def hidden(kind: PgType, mask: str, *, numeric_text: bool = False) -> Mapping:
    assert mask in ("null", "redact", "hash")
    found = masked(mapped(kind, numeric_text=numeric_text), mask, kind)
    assert isinstance(found, Mapping)
    return found


def test_null_keeps_the_storage_and_is_refused_where_a_value_must_be():
    found = hidden(INT8, "null")

    assert (found.storage, found.read_sql("t.v")) == (Storage.INTEGER, "NULL::text")
    for refused in (
        masked(mapped(TEXT), "null", TEXT, not_null=True),
        masked(mapped(TEXT), "null", domain(domain(TEXT, not_null=True))),
    ):
        assert isinstance(refused, Unsupported)
        assert "NOT NULL" in refused.reason


def test_only_texts_are_redacted():
    assert "'***'" in hidden(TEXT, "redact").read_sql("t.v")
    for kind in (INT8, FLOAT8, BYTEA, numeric(10, 2)):
        found = masked(mapped(kind), "redact", kind)
        assert isinstance(found, Unsupported)
        assert kind.formatted in found.reason
        assert "null or hash" in found.hint


def test_a_hash_is_text_whatever_was_hashed():
    for kind in (INT8, FLOAT8, BYTEA, TEXT, MOOD):
        found = hidden(kind, "hash")
        assert (found.storage, found.wire) == (Storage.TEXT, Wire.TEXT)
        assert mapped(kind).read_sql("t.v") in found.read_sql("t.v")
        assert (found.exact, found.keyable) == (False, mapped(kind).keyable)


@pytest.mark.parametrize("kind", [FLOAT8, base("float4"), numeric(10, 2), CITEXT, base("interval")])
def test_hashes_of_equal_values_with_several_texts_are_no_family(kind: PgType):
    assert hidden(kind, "hash").family == ""


def test_hashes_of_equal_texts_are_a_family_of_their_own():
    assert hidden(TEXT, "hash").family == "hash of text"
    assert hidden(INT8, "hash").family == "hash of integer"
    assert hidden(NUMERIC, "hash", numeric_text=True).family == "hash of numeric"


def test_only_hashes_tell_values_apart():
    assert hidden(TEXT, "hash").distinct
    assert not hidden(TEXT, "redact").distinct
    assert not hidden(TEXT, "null").distinct


def test_a_mask_carries_neither_checks_nor_counts_nor_the_case_of_its_values():
    for mask in ("null", "redact", "hash"):
        assert hidden(MOOD, mask).check == ""
        assert hidden(CITEXT, mask).counted == ()
        assert not hidden(CITEXT, mask).nocase
    options = TypeOptions(timestamps="unixms")
    moment = map_type(base("timestamptz"), options)
    assert isinstance(moment, Mapping)
    found = masked(moment, "hash", base("timestamptz"))
    assert isinstance(found, Mapping)
    assert found.counted == ()


def test_the_settings_hold_the_keys_that_the_reader_sets():
    assert (INNER_KEY, OUTER_KEY) == (INNER, OUTER)
