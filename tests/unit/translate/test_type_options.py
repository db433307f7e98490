"""What each option decides: how values are stored, which are spelled alike, what keys keep."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamer.model import PgType, Storage, TypeField, TypeKind, Wire
from streamer.model.shaping import TypeOptions
from streamer.translate.types import Mapping, map_type, numeric_storage, option_applies
from tests.engines.catalogs import (
    BOOL,
    BPCHAR,
    BYTEA,
    CITEXT,
    FLOAT8,
    INT4,
    INT8,
    JSONB,
    NUMERIC,
    TEXT,
    array,
    base,
    domain,
    numeric,
)

MOOD = PgType(77, "public", "mood", "public.mood", TypeKind.ENUM, labels=("sad", "it's", ""))
ADDR = PgType(78, "public", "addr", "public.addr", TypeKind.COMPOSITE)
RANGE = PgType(79, "pg_catalog", "int4range", "int4range", TypeKind.RANGE)
VARCHAR = PgType(1043, "pg_catalog", "varchar", "character varying(7)", TypeKind.BASE, modifier=11)
BIT8 = PgType(1560, "pg_catalog", "bit", "bit(8)", TypeKind.BASE, modifier=8)
GEOMETRY = PgType(80, "gis", "geometry", "gis.geometry", TypeKind.BASE, extension="postgis")
VECTOR = PgType(82, "ext", "vector", "ext.vector", TypeKind.BASE, extension="vector")
HSTORE = PgType(81, "ext", "hstore", "ext.hstore", TypeKind.BASE, extension="hstore")
TIMESTAMP, TIMESTAMPTZ = base("timestamp"), base("timestamptz")


def mapped(kind: PgType, **choices: str) -> Mapping:
    found = map_type(kind, TypeOptions().but(choices), server_version=170_000)
    assert isinstance(found, Mapping)
    return found


# option, type, storage by choice: the first is the default.
STORED = {
    "timestamps": (TIMESTAMPTZ, {"exact": "TEXT", "seconds": "TEXT", "ms": "TEXT", "unixms": "INTEGER", "iso": "TEXT", "offset": "TEXT"}),
    "dates": (base("date"), {"text": "TEXT", "days": "INTEGER", "seconds": "INTEGER"}),
    "intervals": (base("interval"), {"iso": "TEXT", "postgres": "TEXT", "seconds": "REAL"}),
    "bigint": (INT8, {"integer": "INTEGER", "text": "TEXT"}),
    "numeric": (numeric(12, 2), {"auto": "REAL", "text": "TEXT", "real": "REAL", "scaled": "INTEGER"}),
    "money": (base("money"), {"text": "TEXT", "cents": "INTEGER"}),
    "nan": (FLOAT8, {"text": "REAL", "null": "REAL", "refuse": "REAL"}),
    "booleans": (BOOL, {"integer": "INTEGER", "checked": "INTEGER"}),
    "varchar": (VARCHAR, {"text": "TEXT", "checked": "TEXT"}),
    "char": (BPCHAR, {"trim": "TEXT", "pad": "TEXT"}),
    "bytea": (BYTEA, {"blob": "BLOB", "hex": "TEXT", "base64": "TEXT"}),
    "uuid": (base("uuid"), {"text": "TEXT", "blob": "BLOB"}),
    "json": (base("json"), {"exact": "TEXT", "canonical": "TEXT"}),
    "arrays": (array(INT4), {"json": "TEXT", "postgres": "TEXT"}),
    "composites": (ADDR, {"json": "TEXT", "postgres": "TEXT", "columns": "TEXT"}),
    "enums": (MOOD, {"checked": "TEXT", "text": "TEXT", "integer": "INTEGER", "lookup": "INTEGER"}),
    "ranges": (RANGE, {"text": "TEXT", "columns": "TEXT"}),
    "bits": (BIT8, {"text": "TEXT", "integer": "INTEGER"}),
    "inet": (base("inet"), {"plain": "TEXT", "masked": "TEXT"}),
    "cidr": (base("cidr"), {"text": "TEXT", "integer": "INTEGER"}),
    "macaddr": (base("macaddr8"), {"text": "TEXT", "integer": "INTEGER"}),
    "points": (base("point"), {"text": "TEXT", "json": "TEXT", "columns": "TEXT"}),
    "shapes": (base("circle"), {"text": "TEXT", "json": "TEXT"}),
    "hstore": (HSTORE, {"json": "TEXT", "postgres": "TEXT"}),
    "geometry": (GEOMETRY, {"ewkb": "TEXT", "ewkt": "TEXT", "geojson": "TEXT", "blob": "BLOB"}),
    "vectors": (VECTOR, {"text": "TEXT", "blob": "BLOB"}),
    "regs": (base("regclass"), {"name": "TEXT", "oid": "INTEGER"}),
}  # fmt: skip


def test_every_option_and_every_choice_is_tried_here():
    assert {name: tuple(stored) for name, (_, stored) in STORED.items()} == {
        name: TypeOptions.choices(name) for name in TypeOptions.names()
    }


@pytest.mark.parametrize("name", STORED)
def test_an_option_changes_its_own_types_and_no_others(name: str):
    kind, storages = STORED[name]
    for choice, storage in storages.items():
        assert mapped(kind, **{name: choice}).storage == storage
        assert mapped(domain(domain(kind)), **{name: choice}) == mapped(kind, **{name: choice})
    # A numeric(12, 2) is a REAL by itself, and what can't become columns stays whole.
    alike = 1 if name == "numeric" or "columns" in storages else 0
    assert len({mapped(kind, **{name: choice}) for choice in storages}) == len(storages) - alike
    assert option_applies(domain(kind), name)
    for other, (unconcerned, _) in STORED.items():
        if not option_applies(unconcerned, name):
            for choice in storages:
                assert mapped(unconcerned, **{name: choice}) == mapped(unconcerned), other


def test_an_option_concerns_columns_of_its_types_alone():
    concerned = {
        name: {other for other, (kind, _) in STORED.items() if option_applies(kind, name)}
        for name in STORED
    }

    assert concerned == {
        **{name: {name} for name in STORED},
        "nan": {"nan", "numeric"},
    }
    assert not option_applies(TEXT, "timestamps")
    assert not option_applies(array(TIMESTAMP), "timestamps")
    assert option_applies(JSONB, "json")
    assert option_applies(TIMESTAMPTZ, "timestamps")
    assert not option_applies(base("varbit"), "bits")
    with pytest.raises(KeyError):
        option_applies(TEXT, "no such option")


FAMILIES = (
    *(TIMESTAMP, TIMESTAMPTZ, base("date"), INT8, base("uuid"), BYTEA, MOOD, BIT8, FLOAT8, BOOL),
    *(numeric(12, 2), numeric(12, 3), BPCHAR, replace(BPCHAR, modifier=12), base("money"), TEXT),
)


def test_columns_of_the_same_family_print_alike_whatever_the_options():
    by_family: dict[str, set[tuple[str, Storage, Wire]]] = {}
    for kind in FAMILIES:
        for name in TypeOptions.names():
            for choice in TypeOptions.choices(name):
                found = mapped(kind, **{name: choice})
                printed = (found.template, found.storage, found.wire)
                # NULL for NaN or the text is all the same: neither refers to a parent.
                if found.family and name != "nan":
                    by_family.setdefault(found.family, set()).add(printed)

    several = {family for family, printed in by_family.items() if len(printed) > 1}
    # A double is the same number whether PostgreSQL or SQLite makes it one, where it is exact.
    assert several <= {"numeric real"}


def test_digits_of_decimal_text_are_a_family_unless_zeros_are_trimmed():
    assert mapped(numeric(12, 2), numeric="text").family == "numeric text 2"
    assert mapped(numeric(30, 2)).family == "numeric text 2"
    assert mapped(NUMERIC).family == ""
    trimmed = map_type(NUMERIC, numeric_text=True)
    assert isinstance(trimmed, Mapping)
    assert trimmed.family == "numeric"


def test_the_options_real_and_scaled_win_over_text_in_keys():
    for choice, storage in (
        *(("auto", Storage.TEXT), ("text", Storage.TEXT)),
        *(("real", Storage.REAL), ("scaled", Storage.INTEGER)),
    ):
        options = TypeOptions().but({"numeric": choice})
        found = map_type(numeric(12, 2), options, numeric_text=True)
        assert isinstance(found, Mapping)
        assert found.storage is storage


@pytest.mark.parametrize(
    ("kind", "storage"),
    [
        (numeric(18, 18), Storage.INTEGER),
        (numeric(5, -2), Storage.INTEGER),
        (numeric(3, 5), Storage.INTEGER),
        (numeric(19, 2), Storage.TEXT),
        (NUMERIC, Storage.TEXT),
    ],
)
def test_scaled_numbers_have_at_most_18_digits_and_others_say_that_they_stay_text(
    kind: PgType, storage: Storage
):
    assert numeric_storage(kind.modifier, "scaled") is storage
    found = mapped(kind, numeric="scaled")
    assert found.storage is storage
    assert bool(found.announce) is (storage is Storage.TEXT)


def test_texts_that_lost_something_are_no_key_texts_but_rows_are_still_read_by_the_key():
    for choice in ("seconds", "ms", "unixms"):
        found = mapped(TIMESTAMP, timestamps=choice)
        assert (found.exact, found.keyable, found.distinct) == (False, True, False)
    assert mapped(TIMESTAMP, timestamps="iso").exact
    assert mapped(TIMESTAMPTZ, timestamps="offset").exact
    assert not mapped(numeric(12, 2), numeric="scaled").exact
    assert not mapped(MOOD, enums="integer").exact
    assert not mapped(base("uuid"), uuid="blob").exact
    assert mapped(INT8, bigint="text").exact
    assert mapped(BPCHAR, char="pad").exact


def test_what_nothing_can_be_cut_off_from_stays_distinct():
    whole = replace(TIMESTAMP, modifier=0)
    assert mapped(whole, timestamps="seconds").distinct
    assert mapped(replace(TIMESTAMP, modifier=3), timestamps="ms").distinct
    assert not mapped(replace(TIMESTAMP, modifier=3), timestamps="seconds").distinct
    assert mapped(numeric(12, 2), numeric="real").distinct
    assert not mapped(NUMERIC, numeric="real").distinct
    assert not mapped(FLOAT8, nan="null").distinct


def test_checks_are_over_the_target_s_own_values():
    assert mapped(BOOL).check == ""
    assert mapped(BOOL, booleans="checked").check == "{c} IN (0, 1)"
    assert mapped(VARCHAR).check == ""
    assert mapped(VARCHAR, varchar="checked").check == "length({c}) <= 7"
    assert mapped(replace(VARCHAR, modifier=-1), varchar="checked").check == ""
    assert mapped(MOOD).check == "{c} IN ('sad', 'it''s', '')"
    assert mapped(MOOD, enums="text").check == ""
    assert mapped(MOOD, enums="integer").check == "{c} BETWEEN 1 AND 3"


def test_nulls_and_refusals_are_counted_as_what_they_are():
    (null,) = [told for told in mapped(FLOAT8, nan="null").counted if told.nulls]
    assert not null.refuses
    (refused,) = [told for told in mapped(FLOAT8, nan="refuse").counted if told.refuses]
    assert "{rows}" in refused.what
    assert [told.refuses for told in mapped(TIMESTAMP, timestamps="unixms").counted] == [
        True,
        False,
    ]


def test_bits_that_are_no_integer_say_that_they_stay_text():
    for modifier in (64, -1):
        found = mapped(replace(BIT8, modifier=modifier), bits="integer")
        assert found.storage is Storage.TEXT
        assert "stays text" in found.announce


def test_geometry_is_printed_by_functions_of_its_schema_and_says_what_is_lost():
    assert mapped(GEOMETRY).announce == ""
    found = mapped(GEOMETRY, geometry="geojson")
    assert found.read_sql("(x)") == '"gis".st_asgeojson((x), 15)'
    assert "SRID" in found.announce


def test_of_composites_geometry_alone_is_told_to_become_geojson():
    geography = replace(GEOMETRY, name="geography", formatted="gis.geography")
    told = {
        kind.name: mapped(
            PgType(
                1,
                "public",
                "place",
                "public.place",
                TypeKind.COMPOSITE,
                fields=(TypeField("at", kind),),
            )
        ).counted
        for kind in (GEOMETRY, geography)
    }

    assert ["GeoJSON" in told.what for told in told["geometry"]] == [True]
    assert told["geography"] == ()


def test_a_type_that_nobody_knows_is_printed_by_its_output_function_and_announced():
    kind = PgType(
        1,
        "my types",
        "complex",
        '"my types".complex',
        TypeKind.BASE,
        output='"my types".complex_out',
    )

    found = mapped(kind)

    assert found.read_sql("t.v") == 'textin("my types".complex_out(t.v))'
    assert "moved as PostgreSQL text" in found.announce
    assert not found.keyable
    assert mapped(array(kind)).read_sql("t.v") == "to_json(t.v)::text"


def test_elements_whose_json_says_less_are_cast_first():
    assert mapped(array(base("money"))).read_sql("t.v") == "to_json(t.v::numeric[])::text"
    assert mapped(array(domain(GEOMETRY))).read_sql("t.v") == "to_json(t.v::text[])::text"


def test_keys_of_extensions_name_the_schema_of_their_operators():
    found = mapped(CITEXT)

    assert (found.operator_schema, found.exact, found.keyable) == ("public", True, True)


def test_conditions_name_the_column_and_sentences_the_rows():
    for name, (kind, storages) in STORED.items():
        for choice in storages:
            for told in mapped(kind, **{name: choice}).counted:
                assert "{c}" in told.condition
                assert "{rows}" in told.what
