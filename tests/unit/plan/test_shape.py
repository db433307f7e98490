"""What is left of a table when columns aren't moved, or when something makes their values."""

from dataclasses import replace

import pytest

from streamer.errors import UsageError
from streamer.model import (
    Check,
    ColumnOptions,
    Mask,
    PgType,
    QualifiedName,
    Shaping,
    Table,
    TableOptions,
    TypeOptions,
)
from streamer.plan.shape import ShapedTable, shape
from tests.engines.catalogs import (
    INT4,
    INT8,
    TEXT,
    column,
    domain,
    identified,
    index,
    primary,
    refers,
    said,
    table,
)


def shaped(
    made: Table, asked: TableOptions, expressions: dict[str, PgType] | None = None
) -> ShapedTable:
    types = {(made.name, name): kind for name, kind in (expressions or {}).items()}
    return shape([made], Shaping(tables={str(made.name): asked}), types).tables[0]


def problem(made: Table, asked: TableOptions) -> str:
    with pytest.raises(UsageError) as caught:
        shaped(made, asked)
    return caught.value.what


def names(made: ShapedTable) -> list[str]:
    return [each.name for each in made.table.columns]


def by(name: str, *, expression: str = "", mask: Mask | None = None) -> TableOptions:
    return TableOptions(column={name: ColumnOptions(expression=expression, mask=mask)})


FULL = identified(
    "t",
    column("a", INT4),
    column("b", TEXT),
    column("c", INT4),
    column("d", INT4, generated="s", default="(a + 1)"),
    indexes=[
        index("on_a", "a"),
        index("on_both", "b", "a", unique=True),
        index("on_b", "b", included=("a", "c")),
        index("on_lower", None, expressions=("lower(b)",)),
        index("on_unknown", None, definition="CREATE INDEX x ON t USING btree (abs(a))"),
        index("where_a", "c", predicate="(a > 0)"),
        index("apart", "a", method="gist"),
    ],
    keys=[refers("fk_a", "a", "p"), refers("fk_c", "c", "p")],
    checks=(Check("a_ck", "CHECK ((a > 0))"), Check("b_ck", "CHECK ((b <> 'a'::text))")),
    exclusion_constraints=("apart",),
)


def test_nothing_asked_leaves_a_table_as_it_is():
    found = shaped(FULL, TableOptions())

    assert found.table == FULL
    assert found.said == ()
    assert found.target_of("a") == "a"


def test_columns_that_are_not_moved_take_with_them_all_that_touches_them():
    found = shaped(FULL, TableOptions(exclude_columns=("a",)))

    assert names(found) == ["id", "b", "c", "d"]
    assert [each.name for each in found.table.indexes] == ["pkey", "on_b", "on_lower"]
    assert found.table.indexes[1].included == ("c",)
    assert [key.name for key in found.table.foreign_keys] == ["fk_c"]
    assert [check.name for check in found.table.checks] == ["b_ck"]
    assert found.table.exclusion_constraints == ()
    assert not found.table.column("d").generated
    assert said(found.said).splitlines() == [
        "public.t.d: the generated column becomes a plain one that holds the values: a isn't moved ",
        "public.t.on_a: the index is left out: a isn't moved ",
        "public.t.on_both: the unique index is left out: a isn't moved ",
        "public.t.on_unknown: the index is left out: a isn't moved ",
        "public.t.where_a: the index is left out: a isn't moved ",
        "public.t.apart: the EXCLUDE constraint is left out: a isn't moved ",
        "public.t.fk_a: the foreign key to public.p is left out: a isn't moved ",
        "public.t.a_ck: the CHECK constraint CHECK ((a > 0)) is left out: a isn't moved ",
    ]


def test_the_columns_asked_for_are_those_that_are_moved_in_the_table_s_order():
    asked = TableOptions(columns=("c", "b", "id"), exclude_columns=("b",))

    assert names(shaped(FULL, asked)) == ["id", "c"]


def test_an_expression_gives_a_column_its_type_and_takes_what_the_old_values_promised():
    kind = domain(TEXT, not_null=True)
    made = identified("t", column("a", kind, default="'x'", collation="public.de"))

    found = shaped(made, by("a", expression="a::bigint"), {"a": INT8})

    assert found.table.column("a") == column("a", INT8)
    assert found.columns["a"].made
    assert said(found.said) == (
        "public.t.a: its values are made by an expression, so its NOT NULL, default isn't"
        " carried over "
    )


def test_an_expression_lets_go_of_keys_and_checks_and_keeps_plain_indexes():
    found = shaped(FULL, by("a", expression="a + 1"), {"a": INT4})

    assert [each.name for each in found.table.indexes] == [
        "pkey",
        "on_a",
        "on_b",
        "on_lower",
        "apart",
    ]
    assert [key.name for key in found.table.foreign_keys] == ["fk_c"]
    assert [check.name for check in found.table.checks] == ["b_ck"]
    assert "values of a are made by an expression" in said(found.said)


@pytest.mark.parametrize(
    ("mask", "unique", "reference"),
    [("hash", True, True), ("null", False, True), ("redact", False, False)],
)
def test_masks_keep_what_still_holds(mask: Mask, *, unique: bool, reference: bool):
    found = shaped(FULL, by("a", mask=mask))

    assert ("on_both" in [each.name for each in found.table.indexes]) == unique
    assert ("fk_a" in [key.name for key in found.table.foreign_keys]) == reference
    assert "where_a" not in [each.name for each in found.table.indexes]
    assert [check.name for check in found.table.checks] == ["b_ck"]


def test_a_column_computed_from_a_masked_one_is_pointed_out():
    found = shaped(FULL, by("a", mask="hash"))

    assert not found.table.column("d").generated
    assert "is computed from a, which is masked, and isn't masked itself" in said(found.said)


def test_a_masked_column_leaves_its_domain_and_stays_not_null():
    kind = replace(domain(TEXT, not_null=True), checks=(Check("ck", "CHECK (VALUE <> '')"),))
    made = identified("t", column("a", kind))

    found = shaped(made, by("a", mask="redact"))

    assert found.table.column("a") == column("a", TEXT, not_null=True)
    assert "domain's checks" in said(found.said)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (TableOptions(exclude_columns=("id",)), "public.t.id: a key column can't be left out."),
        (TableOptions(columns=("a",)), "public.t.id: a key column can't be left out."),
        (by("id", expression="id + 1"), "public.t.id: a key column can't be made by an expression"),
        (by("id", mask="redact"), "public.t.id: the only mask for a key column is hash."),
        (by("id", mask="null"), "public.t.id: the only mask for a key column is hash."),
        (
            TableOptions(key=("a",), exclude_columns=("a",)),
            "public.t.a: a key column can't be left out.",
        ),
    ],
)
def test_keys_stay_as_they_are(asked: TableOptions, words: str):
    assert words in problem(FULL, asked)


def test_a_key_column_may_be_hashed():
    assert shaped(FULL, by("id", mask="hash")).columns["id"].mask == "hash"


def test_a_table_keeps_a_column():
    made = table("t", column("a"))

    assert "no column is left to move" in problem(made, TableOptions(exclude_columns=("a",)))


def test_options_of_a_column_go_before_its_table_s_and_these_before_the_run_s():
    asked = TableOptions(
        types={"bytea": "hex", "uuid": "blob"},
        column={"b": ColumnOptions(types={"bytea": "base64"})},
    )
    made = table(
        "t", column("a", TEXT), column("b", PgType(17, "pg_catalog", "bytea", "bytea", INT4.kind))
    )
    run = TypeOptions(bytea="blob", json="canonical")

    columns = shape([made], Shaping(types=run, tables={"t": asked}), {}).tables[0].columns

    assert columns["a"].types == TypeOptions(bytea="hex", uuid="blob", json="canonical")
    assert columns["b"].types == TypeOptions(bytea="base64", uuid="blob", json="canonical")


def test_problems_of_all_tables_are_said_at_once():
    asked = {"t": TableOptions(exclude_columns=("id",)), "u": by("id", mask="null"), "x": by("y")}

    with pytest.raises(UsageError) as caught:
        shape([identified("t"), identified("u")], Shaping(tables=asked), {})

    assert caught.value.what.splitlines() == [
        "x: no such table.",
        "public.t.id: a key column can't be left out.",
        "public.u.id: the only mask for a key column is hash.",
    ]


def test_settings_may_be_about_tables_that_are_not_moved():
    shaping = Shaping(rename={"u": "v", "u.id": "w"})

    shapes = shape([identified("t")], shaping, {}, known=[identified("u"), identified("t")])

    assert [each.target for each in shapes.tables] == ["t"]
    assert shapes.targets == {QualifiedName("public", "t"): "t", QualifiedName("public", "u"): "v"}
    assert shapes.columns == {(QualifiedName("public", "u"), "id"): "w"}


def test_a_primary_key_that_cannot_be_read_by_is_no_less_a_key():
    made = table(
        "t", column("a", INT4, not_null=True), column("b"), indexes=[primary("a", immediate=False)]
    )

    assert "can't be left out" in problem(made, TableOptions(exclude_columns=("a",)))


def test_options_of_a_column_with_an_expression_are_about_the_expression_s_type():
    made = identified("t", column("a", INT8), column("b", TEXT))
    as_text = ColumnOptions(expression="length(b)::bigint", types={"bigint": "text"})
    wrong = ColumnOptions(expression="t.a::text", types={"bigint": "text"})

    found = shaped(made, TableOptions(column={"b": as_text}), {"b": INT8})
    with pytest.raises(UsageError) as caught:
        shaped(made, TableOptions(column={"a": wrong}), {"a": TEXT})

    assert found.columns["b"].types.bigint == "text"
    assert caught.value.what == (
        "public.t.a: the option bigint isn't about the type text, which its expression is of."
    )
