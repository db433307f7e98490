"""Settings find the tables and columns that they name, or say all that doesn't fit at once."""

from dataclasses import replace

import pytest

from streamer.errors import UsageError
from streamer.model import ColumnOptions, QualifiedName, Shaping, Table, TableOptions
from streamer.plan.resolve import resolve
from tests.engines.catalogs import column, identified, refers, table


def options(shaping: Shaping, *tables: Table) -> dict[str, TableOptions]:
    return {str(name): found for name, found in resolve(tables, shaping).items()}


def problems(shaping: Shaping, *tables: Table) -> str:
    with pytest.raises(UsageError) as caught:
        resolve(tables, shaping)
    return caught.value.what


def dotted(schema: str, name: str, *columns: str) -> Table:
    made = table("t", *(column(each) for each in columns))
    return replace(made, name=QualifiedName(schema, name))


def test_tables_of_public_go_by_their_name_alone_and_others_by_their_schema_s_too():
    asked = {"t": TableOptions(where="a"), "s.t": TableOptions(where="b")}

    found = options(Shaping(tables=asked), identified("t"), identified("s.t"))

    assert {name: each.where for name, each in found.items()} == {"public.t": "a", "s.t": "b"}


def test_names_may_hold_dots():
    asked = Shaping(
        tables={"a.b.c": TableOptions(where="x")}, rename={"a.b.c.d.e": "f", "a.b.c": "g"}
    )

    found = options(asked, dotted("a.b", "c", "d.e"), dotted("a", "b"))

    assert found["a.b.c"].rename == "g"
    assert found["a.b.c"].where == "x"
    assert found["a.b.c"].column["d.e"].rename == "f"


def test_a_spelling_of_two_things_is_no_spelling():
    shaping = Shaping(tables={"a.b.c": TableOptions()}, rename={"a.b": "x"})

    text = problems(
        shaping, dotted("a.b", "c"), dotted("a", "b.c"), identified("a.b"), table("a", column("b"))
    )

    assert 'a.b.c may be "a.b"."c" or "a"."b.c"' in text
    assert 'rename a.b may be "a"."b" or "public"."a"."b"' in text


def test_all_that_fits_nothing_is_said_at_once_with_what_is_like_it():
    shaping = Shaping(
        tables={
            "order": TableOptions(),
            "orders": TableOptions(
                columns=("nam",),
                exclude_columns=("zzz",),
                key=("idd",),
                exclude_foreign_keys=("fk_custmer",),
                column={"nmae": ColumnOptions(mask="hash")},
            ),
        },
        rename={"orders.naem": "x", "orderss": "y"},
    )
    made = identified("orders", column("name"), keys=[refers("fk_customer", "id", "orders")])

    text = problems(shaping, made).splitlines()

    assert text == [
        "order: no such table (did you mean orders?).",
        "public.orders: no column is called nmae (did you mean name?).",
        "public.orders: no foreign key is called fk_custmer (did you mean fk_customer?).",
        "public.orders: no column is called nam (did you mean name?).",
        "public.orders: no column is called zzz.",
        "public.orders: no column is called idd (did you mean id?).",
        "rename orders.naem: no such table or column (did you mean orders.name?).",
        "rename orderss: no such table or column (did you mean orders?).",
    ]


def test_the_two_ways_of_renaming_may_agree_but_not_contradict_each_other():
    asked = {"t": TableOptions(rename="x", column={"id": ColumnOptions(rename="y")})}

    agreed = Shaping(tables=asked, rename={"public.t": "x", "t.id": "y"})
    other = Shaping(tables=asked, rename={"t": "z", "public.t.id": "z"})

    assert options(agreed, identified("t"))["public.t"].rename == "x"
    assert problems(other, identified("t")).splitlines() == [
        "rename t: to z, or to x?",
        "rename public.t.id: to z, or to y?",
    ]


def test_a_table_has_its_settings_under_one_spelling():
    asked = {"t": TableOptions(), "public.t": TableOptions()}

    assert "two spellings" in problems(Shaping(tables=asked), identified("t"))


def test_new_names_that_are_reserved_are_problems_too():
    shaping = Shaping(
        tables={"t": TableOptions(column={"id": ColumnOptions(rename="_streamer_x")})},
        rename={"t": "sqlite_t", "u": "json_each"},
    )

    text = problems(shaping, identified("t"), identified("u"))

    assert "public.t.id: would be called _streamer_x" in text
    assert "rename t: would be called sqlite_t, and names that start with sqlite_" in text
    assert "rename u: would be called json_each" in text


def test_a_column_is_made_in_one_way():
    asked = {"t": TableOptions(column={"id": ColumnOptions(expression="1", mask="null")})}

    assert "not both" in problems(Shaping(tables=asked), identified("t"))
