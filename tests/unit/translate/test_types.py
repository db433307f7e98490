import pytest

from streamer.model import PgType, Storage, TypeKind, Wire
from streamer.translate.types import Mapping, Unsupported, map_type, numeric_storage
from tests.engines.catalogs import (
    BOOL,
    BYTEA,
    CITEXT,
    INT4,
    INT8,
    NUMERIC,
    TEXT,
    array,
    base,
    domain,
    numeric,
)


def mapped(kind: PgType, **more: bool | int) -> Mapping:
    found = map_type(kind, **more)
    assert isinstance(found, Mapping)
    return found


@pytest.mark.parametrize(
    ("kind", "storage"),
    [
        (numeric(18), Storage.INTEGER),
        (numeric(19), Storage.TEXT),
        (numeric(1), Storage.INTEGER),
        (numeric(10, 2), Storage.REAL),
        (numeric(15, 15), Storage.REAL),
        (numeric(3, 5), Storage.REAL),
        (numeric(16, 2), Storage.TEXT),
        (numeric(5, -2), Storage.TEXT),
        (numeric(15, 300), Storage.TEXT),
        (NUMERIC, Storage.TEXT),
    ],
)
def test_a_numeric_is_stored_by_its_precision_and_scale(kind: PgType, storage: Storage):
    assert numeric_storage(kind.modifier) is storage
    assert mapped(kind).storage is storage


def test_a_numeric_in_a_key_prints_equal_values_alike():
    assert mapped(NUMERIC).read_sql('t."n"') == 't."n"::text'
    new = mapped(numeric(20, 4), numeric_text=True, server_version=130_000)
    assert new.read_sql('t."n"') == 'trim_scale(t."n")::text'
    old = mapped(numeric(20, 4), numeric_text=True, server_version=120_022)
    assert "trim_scale" not in old.read_sql('t."n"')
    assert mapped(numeric(10, 2), numeric_text=True).storage is Storage.TEXT
    assert mapped(numeric(10), numeric_text=True).storage is Storage.INTEGER


def test_bytes_travel_as_hex_and_everything_else_as_text():
    assert mapped(BYTEA).wire is Wire.HEX
    assert mapped(BYTEA).read_sql('t."b"') == "encode(t.\"b\", 'hex')"
    assert mapped(TEXT).wire is Wire.TEXT


def test_only_texts_that_cast_back_to_the_same_value_serve_as_key_texts():
    assert mapped(INT8).exact
    assert mapped(base("uuid")).exact
    assert not mapped(BOOL).exact
    assert not mapped(BYTEA).exact
    assert not mapped(base("timestamptz")).exact


def test_a_domain_is_moved_as_what_it_is_based_on():
    assert mapped(domain(domain(numeric(10, 2)))) == mapped(numeric(10, 2))


def test_arrays_become_json_whatever_their_depth():
    assert mapped(array(INT4)).read_sql('t."a"') == 'to_json(t."a")::text'
    assert mapped(array(domain(array(TEXT)))).storage is Storage.TEXT
    assert not mapped(array(INT4)).keyable


@pytest.mark.parametrize("kind", [TypeKind.ENUM, TypeKind.RANGE, TypeKind.MULTIRANGE])
def test_enums_and_ranges_are_texts_and_only_enums_serve_as_keys(kind: TypeKind):
    found = mapped(PgType(7, "public", "made", "public.made", kind))

    assert (found.storage, found.wire) == (Storage.TEXT, Wire.TEXT)
    assert found.read_sql('t."m"') == 't."m"::text'
    assert found.keyable is (kind is TypeKind.ENUM)


def test_a_composite_becomes_a_json_object():
    kind = PgType(7, "public", "point3", "public.point3", TypeKind.COMPOSITE)

    assert mapped(kind).read_sql('t."p"') == 'to_json(t."p")::text'
    assert not mapped(kind).keyable


def test_an_extension_s_type_is_called_with_its_schema():
    hstore = PgType(1, "ext ra", "hstore", '"ext ra".hstore', TypeKind.BASE, extension="hstore")

    assert mapped(hstore).read_sql('t."h"') == '"ext ra".hstore_to_json(t."h")::text'


def test_citext_ignores_case_and_is_read_by_its_own_operators():
    assert mapped(CITEXT).nocase
    assert mapped(CITEXT).keyable
    assert mapped(CITEXT).operator_schema == "public"


@pytest.mark.parametrize(
    "kind",
    [
        PgType(1, "public", "complex", "public.complex", TypeKind.BASE),
        PgType(1, "public", "text", "public.text", TypeKind.BASE),
        PgType(1, "other", "hstore", "other.hstore", TypeKind.BASE, extension="mine"),
        base("pg_node_tree"),
        PgType(1, "pg_catalog", "anyarray", "anyarray", TypeKind.PSEUDO),
        array(PgType(1, "public", "g", "public.geometry", TypeKind.BASE, extension="postgis")),
        PgType(1, "pg_catalog", "_x", "x[]", TypeKind.ARRAY),
    ],
)
def test_what_is_not_known_is_refused_by_name(kind: PgType):
    found = map_type(kind)

    assert isinstance(found, Unsupported)
    assert kind.formatted in found.reason


def test_inet_is_printed_without_the_netmask_that_a_cast_adds():
    assert mapped(base("inet")).read_sql('t."i"') == 'textin(inet_out(t."i"))'
