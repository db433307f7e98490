"""The SELECTs, word for word where a word matters."""

from dataclasses import replace

import pytest

from streamer.model import (
    Column,
    ColumnPlan,
    KeyKind,
    KeyPlan,
    Leaf,
    PgType,
    QualifiedName,
    StepKind,
    Storage,
    Table,
    TableKind,
    TablePlan,
    TypeKind,
    Wire,
)
from streamer.plan.given_key import given_index
from streamer.postgres.copied import can_copy, copied_query
from streamer.postgres.physical import NumberedLeaf
from streamer.postgres.reader_sql import (
    count_sql,
    from_sql,
    lookup_query,
    read_query,
    size_query,
)


def column(name: str, kind: str) -> Column:
    base = PgType(1, "pg_catalog", kind, kind, TypeKind.BASE)
    return Column(name, 1, base, not_null=True)


def plan(
    columns: dict[str, tuple[str, bool]],
    key: tuple[str, ...],
    *,
    deferred: tuple[str, ...] = (),
    has_children: bool = False,
    kind: TableKind = TableKind.TABLE,
) -> TablePlan:
    """A plan of `columns`: type and whether the text is exact; PHYSICAL where `key` is empty."""
    name = QualifiedName("my schema", "t")
    table = Table(
        oid=7,
        name=name,
        kind=kind,
        columns=tuple(column(each, type_) for each, (type_, _) in columns.items()),
        indexes=(),
        foreign_keys=(),
        checks=(),
        leaves=(Leaf(7, name, 7, 1),),
        rows=-1,
        bytes=0,
        has_children=has_children,
    )
    return TablePlan(
        table=table,
        target="t",
        columns=tuple(
            ColumnPlan(
                source=each,
                target=f"{each}_d1",
                storage=Storage.TEXT,
                wire=Wire.TEXT,
                read_sql=f't."{each}"::text' if exact else f'print(t."{each}")',
                type_name=type_,
                not_null=True,
                exact_sql=exact,
            )
            for each, (type_, exact) in columns.items()
        ),
        key=KeyPlan(
            KeyKind.PRIMARY if key else KeyKind.PHYSICAL,
            key,
            tuple(f"{each}_d1" for each in key),
            tuple(columns[each][0] for each in key),
        ),
        create_sql="",
        indexes=(),
        foreign_keys=(),
        parents=(),
        without_rowid=False,
        fingerprint="",
        deferred=tuple(f"{each}_d1" for each in deferred),
    )


COLUMNS = {"v": ("text", True), "b": ("bigint", True), "at": ("timestamptz", False)}


def test_outputs_are_numbered_and_the_order_is_qualified_so_that_it_is_not_the_texts():
    query = read_query(plan(COLUMNS, ("b",)), StepKind.ROWS, None)

    assert query.sql == (
        'SELECT (t."v"::text) AS c0, (t."b"::text) AS c1, (print(t."at")) AS c2 '
        'FROM "my schema"."t" AS t ORDER BY t."b"'
    )
    assert (query.width, query.key_cells, query.parameters) == (3, (1,), ())


def test_a_key_whose_stored_text_does_not_cast_back_travels_twice():
    query = read_query(plan(COLUMNS, ("at", "b")), StepKind.ROWS, None)

    assert ', t."at"::text AS c3 FROM' in query.sql
    assert (query.width, query.key_cells) == (3, (3, 1))


def test_a_resume_compares_the_row_of_key_columns_with_typed_texts():
    query = read_query(plan(COLUMNS, ("at", "b")), StepKind.ROWS, ("2024-01-01", "5"))

    assert query.sql.endswith(
        'WHERE (t."at", t."b") > ($1::text::timestamptz, $2::text::bigint) ORDER BY t."at", t."b"'
    )
    assert query.parameters == ("2024-01-01", "5")


def test_the_second_pass_has_key_then_deferred_and_only_rows_that_need_it():
    query = read_query(plan(COLUMNS, ("at",), deferred=("b", "v")), StepKind.EDGES, ("2024-01-01",))

    assert query.sql == (
        'SELECT (print(t."at")) AS c0, (t."b"::text) AS c1, (t."v"::text) AS c2, '
        't."at"::text AS c3 FROM "my schema"."t" AS t '
        'WHERE ((t."b"::text) IS NOT NULL OR (t."v"::text) IS NOT NULL) AND '
        't."at" > $1::text::timestamptz '
        'ORDER BY t."at"'
    )
    assert (query.width, query.key_cells) == (3, (3,))


def test_a_row_as_json_is_one_cell_and_its_key_follows():
    query = read_query(plan(COLUMNS, ("b", "at")), StepKind.ROWS, None, json_rows=True)

    assert query.sql.startswith(
        'SELECT pg_catalog.json_build_array((t."v"::text), (t."b"::text), (print(t."at")))::text '
        'AS c0, t."b"::text AS c1, t."at"::text AS c2 FROM'
    )
    assert (query.width, query.key_cells, query.json_rows) == (1, (1, 2), True)


def test_a_copied_page_has_its_key_in_the_sql_and_asks_for_so_many_rows():
    wanted = plan(COLUMNS, ("v", "b"))

    query = copied_query(wanted, ("it's \\", "5"), 7, ("z", "6"))

    assert can_copy(wanted, StepKind.ROWS)
    assert query.sql == (
        'SELECT t."v" AS c0, (t."b"::text) AS c1, (print(t."at")) AS c2 '
        'FROM "my schema"."t" AS t '
        """WHERE (t."v", t."b") > (E'it''s \\\\'::text::text, '5'::text::bigint) """
        """AND NOT ((t."v", t."b") > ('z'::text::text, '6'::text::bigint)) """
        'ORDER BY t."v", t."b" LIMIT 7'
    )
    assert (query.width, query.key_cells, query.quoted) == (3, (0, 1), ("c0", "c1", "c2"))


def test_what_copy_prints_as_a_cast_to_text_would_is_not_cast():
    kinds = {"k": "int8", "n": "numeric", "at": "timestamptz", "c": "bpchar", "i": "inet"}
    wanted = plan({name: (kind, True) for name, kind in kinds.items()}, ("k",))
    zoned = "(t.\"at\" AT TIME ZONE 'UTC')"
    columns = [
        replace(c, read_sql=f"{zoned}::text" if c.source == "at" else f't."{c.source}"::text')
        for c in wanted.columns
    ]

    query = copied_query(replace(wanted, columns=tuple(columns)), None, 1)

    assert query.sql.startswith(
        f'SELECT t."k" AS c0, t."n" AS c1, {zoned} AS c2, (t."c"::text) AS c3, (t."i"::text) AS c4 '
    )


def test_numbers_are_bare_where_they_are_printed_as_they_are_and_stored_as_such():
    wanted = plan({"b": ("int8", True), "y": ("bool", True), "n": ("int4", True)}, ("b",))
    key, flag, number = (replace(each, storage=Storage.INTEGER) for each in wanted.columns)
    flag = replace(flag, read_sql='t."y"::int::text')
    masked = replace(number, read_sql="'***'::text")

    bare = copied_query(replace(wanted, columns=(key, flag, number)), None, 1)
    quoted = copied_query(replace(wanted, columns=(key, wanted.columns[1], masked)), None, 1)

    assert bare.quoted == ()
    assert quoted.quoted == ("c1", "c2")


def named_in_settings() -> TablePlan:
    keyed = plan(COLUMNS, ("b",))
    table = replace(keyed.table, indexes=(given_index(keyed.table, ("b",)),))
    return replace(keyed, table=table, key=replace(keyed.key, name=table.indexes[0].name))


def compared_by_operators_of_an_extension() -> TablePlan:
    keyed = plan(COLUMNS, ("v", "b"))
    columns = [replace(column, operators="extra") for column in keyed.columns]
    return replace(keyed, columns=tuple(columns))


@pytest.mark.parametrize(
    "wanted",
    [
        plan(COLUMNS, ()),
        plan(COLUMNS, ("at",)),
        plan(COLUMNS, ("b",), kind=TableKind.PARTITIONED),
        plan(COLUMNS, ("b",), kind=TableKind.VIEW),
        replace(plan(COLUMNS, ("b",)), transform="m:f"),
        named_in_settings(),
        compared_by_operators_of_an_extension(),
    ],
    ids=[
        "by position",
        "a key that is printed otherwise",
        "partitions",
        "a view",
        "a transform",
        "a key without an index",
        "a key that no one operator compares",
    ],
)
def test_what_has_no_page_behind_a_key_in_an_index_is_read_by_a_cursor(wanted: TablePlan):
    assert not can_copy(wanted, StepKind.ROWS)
    assert not can_copy(plan(COLUMNS, ("b",)), StepKind.EDGES)


@pytest.mark.parametrize("json_rows", [False, True])
def test_a_position_is_the_first_cell_and_comes_from_one_leaf_alone(*, json_rows: bool):
    leaf = NumberedLeaf(3, QualifiedName("my schema", "t_3"))
    after = str((3 << 48) | (17 << 16) | 5)

    query = read_query(plan(COLUMNS, ()), StepKind.ROWS, (after,), leaf=leaf, json_rows=json_rows)

    assert query.sql.endswith('FROM ONLY "my schema"."t_3" AS t WHERE t.ctid > $1::text::tid')
    assert query.parameters == ("(17,5)",)
    assert query.width == (1 if json_rows else 4)
    assert query.key_cells == ((1,) if json_rows else (0,))


def test_a_parent_by_inheritance_is_read_alone_and_a_partitioned_one_as_a_whole():
    parent = plan(COLUMNS, ("b",), has_children=True).table
    root = plan(COLUMNS, ("b",), has_children=True, kind=TableKind.PARTITIONED).table

    assert from_sql(parent) == 'ONLY "my schema"."t" AS t'
    assert from_sql(root) == '"my schema"."t" AS t'


def test_sizes_come_in_the_very_same_order_as_rows():
    wanted = plan({**COLUMNS, "j": ("jsonb", True)}, ("b",))

    rows = read_query(wanted, StepKind.ROWS, ("5",))
    sizes = size_query(wanted, StepKind.ROWS, ("5",))

    assert rows.sql.partition(" FROM ")[2] == sizes.sql.partition(" FROM ")[2]
    assert sizes.parameters == rows.parameters
    assert 'octet_length(t."v"::text)' in sizes.sql
    assert 'pg_column_size(t."j"), 0) * 8' in sizes.sql


def test_rows_are_looked_up_by_all_parts_of_their_keys():
    query = lookup_query(plan(COLUMNS, ("at", "b")))

    assert query.sql.endswith(
        't."at" AS o0, t."b" AS o1 FROM "my schema"."t" AS t '
        'WHERE (t."at", t."b") IN (SELECT k0::timestamptz, k1::bigint '
        "FROM unnest($1::text[], $2::text[]) AS wanted (k0, k1))) "
        "SELECT c0, c1, c2, c3 FROM found ORDER BY o0, o1"
    )
    assert query.key_cells == (3, 1)


def with_operators(made: TablePlan, **schemas: str) -> TablePlan:
    columns = (replace(c, operators=schemas.get(c.source, "")) for c in made.columns)
    return replace(made, columns=tuple(columns))


def test_a_key_of_an_extension_s_type_is_compared_by_the_operators_of_its_schema():
    keyed = with_operators(plan({"k": ("ext.citext", True)}, ("k",)), k="ex t")

    behind = read_query(keyed, StepKind.ROWS, ("a",))
    looked_up = lookup_query(keyed)

    assert behind.sql.endswith('WHERE t."k" OPERATOR("ex t".>) $1::text::ext.citext ORDER BY t."k"')
    assert looked_up.sql.endswith(
        " WHERE EXISTS (SELECT FROM (SELECT k0::ext.citext FROM unnest($1::text[]) AS wanted (k0))"
        ' AS w (k0) WHERE t."k" OPERATOR("ex t".=) w.k0)) SELECT c0 FROM found ORDER BY o0'
    )


def test_a_composite_key_with_operators_of_several_schemas_is_compared_column_by_column():
    keyed = with_operators(plan(COLUMNS, ("v", "b")), v="x")

    behind = read_query(keyed, StepKind.ROWS, ("a", "5"))

    assert behind.sql.endswith(
        'WHERE (t."v" OPERATOR("x".>=) $1::text::text AND (t."v" OPERATOR("x".>) $1::text::text'
        ' OR t."b" > $2::text::bigint)) ORDER BY t."v", t."b"'
    )


def test_a_key_looked_up_by_its_printed_text_needs_no_operators():
    keyed = with_operators(plan(COLUMNS, ("v",)), v="x")
    printed = replace(keyed, key=replace(keyed.key, casts=("",)))

    assert "OPERATOR" not in lookup_query(printed).sql


WHERE = "v <> '' OR b > 5 -- a comment"


def test_what_the_user_chose_is_one_condition_whose_comment_hides_nothing():
    chosen = replace(plan(COLUMNS, ("b",), deferred=("v",)), where=WHERE)
    condition = f"({WHERE}\n)"

    rows = read_query(chosen, StepKind.ROWS, None)
    behind = read_query(chosen, StepKind.ROWS, ("5",))
    sizes = size_query(chosen, StepKind.ROWS, ("5",))
    edges = read_query(chosen, StepKind.EDGES, None)
    looked_up = lookup_query(chosen)

    assert rows.sql.endswith(f' AS t WHERE {condition} ORDER BY t."b"')
    for query in (behind, sizes):
        assert query.sql.endswith(
            f' AS t WHERE t."b" > $1::text::bigint AND {condition} ORDER BY t."b"'
        )
    assert edges.sql.endswith(
        f' AS t WHERE ((t."v"::text) IS NOT NULL) AND {condition} ORDER BY t."b"'
    )
    assert looked_up.sql.endswith(f" AND {condition}) SELECT c0, c1, c2 FROM found ORDER BY o0")
    assert count_sql(chosen.table, WHERE) == (
        f'SELECT count(*) FROM "my schema"."t" AS t WHERE {condition}'
    )
    assert count_sql(chosen.table) == 'SELECT count(*) FROM "my schema"."t" AS t'


def test_a_key_without_a_type_to_cast_to_is_looked_up_as_it_is_printed():
    made = plan(COLUMNS, ("at", "b"))
    printed = replace(made, key=replace(made.key, casts=("", "bigint")))

    assert (
        'WHERE ((print(t."at")), t."b") IN (SELECT k0, k1::bigint FROM unnest($1::text[], $2::text[])'
        in lookup_query(printed).sql
    )


@pytest.mark.parametrize("kind", [k for k in TableKind if k is not TableKind.TABLE])
def test_only_tables_leave_out_what_inherits_from_them(kind: TableKind):
    assert "ONLY" not in from_sql(plan(COLUMNS, ("b",), has_children=True, kind=kind).table)
