"""What TOML asks of single tables and columns."""

from dataclasses import fields
from pathlib import Path

import pytest

from streamer.config import resolve
from streamer.errors import SettingsError
from streamer.model import ColumnOptions, TableOptions, TypeOptions

KEY = {"STREAMER_HASH_KEY": "0123456789abcdef"}


def tables(folder: Path, text: str) -> dict[str, TableOptions]:
    path = folder / "streamer.toml"
    path.write_text(text)
    return {**resolve({"config": str(path)}, KEY, job=True).shaping.tables}


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        tables(folder, text)
    assert all("write" in found or "correct" in found for found in caught.value.problems)
    assert all("\n" not in found for found in caught.value.problems)
    return [found.replace(f" ({folder / 'streamer.toml'})", "") for found in caught.value.problems]


def test_everything_that_can_be_asked_of_a_table(tmp_path: Path) -> None:
    found = tables(
        tmp_path,
        """
        table = ["sales.*"]
        [tables."sales.orders"]
        where = "created > '2020-01-01'"
        columns = ["id", "email"]
        rename = "orders"
        transform = "shop.moves:orders"
        key = ["id"]
        exclude_foreign_keys = ["orders_customer_fkey"]
        without_rowid = "never"
        autoincrement = false
        bigint = "text"
        [tables."sales.orders".column.email]
        rename = "mail"
        mask = "hash"
        [tables."sales.orders".column."e mail"]
        expression = "lower(email)"
        uuid = "blob"
        [tables.users]
        exclude_columns = ["password"]
        """,
    )

    assert found == {
        "sales.orders": TableOptions(
            where="created > '2020-01-01'",
            columns=("id", "email"),
            rename="orders",
            transform="shop.moves:orders",
            key=("id",),
            exclude_foreign_keys=("orders_customer_fkey",),
            without_rowid="never",
            autoincrement=False,
            types={"bigint": "text"},
            column={
                "email": ColumnOptions(rename="mail", mask="hash"),
                "e mail": ColumnOptions(expression="lower(email)", types={"uuid": "blob"}),
            },
        ),
        "users": TableOptions(exclude_columns=("password",)),
    }


@pytest.mark.parametrize("name", TypeOptions.names())
def test_every_type_option_may_be_given_for_a_table_and_for_a_column(
    tmp_path: Path, name: str
) -> None:
    first, *_, last = TypeOptions.choices(name)

    text = f'[tables.t]\n{name} = "{last}"\n[tables.t.column.c]\n{name} = "{first}"\n'
    found = tables(tmp_path, text)["t"]

    assert found.types == {name: last}
    assert found.column["c"].types == {name: first}


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
        [tables.t]
        wher = "x"
        bigint = 3
        without_rowid = "yes"
        [tables.t.column.c]
        mask = "sha1"
        numeric = "exact"
        expresion = "x"
        """,
    )

    advice = "correct its name or remove it"
    assert found == [
        "tables.t.without_rowid: 'yes' is not known; write auto, always or never",
        "tables.t.bigint: 'a number' is not known; write integer or text",
        "tables.t.column.c.mask: 'sha1' is not known; write null, hash or redact",
        "tables.t.column.c.numeric: 'exact' is not known; write auto, text, real or scaled",
        f"tables.t.column.c.expresion: unknown setting (did you mean expression?); {advice}",
        f"tables.t.wher: unknown setting (did you mean where?); {advice}",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("where = 3", 'takes a text, not a number; write where = "..."'),
        ("where = true", "takes a text, not true or false"),
        ("where = 2020-01-01", "takes a text, not a date or time"),
        ('where = ["a"]', "takes a text, not a list"),
        ("where = {a = 1}", "takes a text, not a table"),
        ('where = " "', "is empty; write something, or leave where out"),
        ('where = "a\\u0000b"', "holds a zero byte"),
        ("columns = []", 'takes a list of names; write columns = ["...", "..."]'),
        ("columns = [1]", "takes a list of names"),
        ('columns = ["a", ["b"]]', "takes a list of names"),
        ('columns = ["a", ""]', "one of its names is empty"),
        ('columns = ["a", "\\u0000"]', "one of its names holds a zero byte"),
        ('columns = ["a", "b", "a"]', "names 'a' twice; write it once"),
        ("key = {}", "takes a list of names"),
        ('autoincrement = "yes"', "is neither true nor false; write autoincrement = true"),
        ("autoincrement = 1", "is neither true nor false"),
        ("timestamps = true", "is not known; write exact, seconds, ms"),
        ('rename = "sqlite_x"', "names that start with sqlite_ are reserved"),
        ('rename = "_CF_x"', "names that start with _cf_ are reserved"),
        ("column = 3", "takes a table for each; write [tables.t.column.NAME]"),
        ("column = {a = 3}", "takes a table, not a number; write [tables.t.column.a]"),
        ('column = {"" = {}}', "is empty; write a name"),
        ('column = {a = {rename = "_streamer_a"}}', "are reserved"),
        ('column = {a = {expression = ""}}', "is empty"),
        ('columns = ["a"]\nexclude_columns = ["b"]', "columns and exclude_columns exclude each"),
        ('column = {a = {mask = "null", expression = "1"}}', "expression and mask exclude each"),
        ("email = {}", "[tables.t.column.email] for a column"),
        ("strict = true", "is a setting for the whole run; write it above the first [...]"),
        ("strikt = true", "unknown setting; correct its name"),
    ],
)
def test_what_can_not_be_asked_of_a_table_is_refused_with_what_to_write(
    tmp_path: Path, line: str, words: str
) -> None:
    (found,) = problems(tmp_path, f"[tables.t]\n{line}\n")

    assert found.startswith("tables.t")
    assert words in found


@pytest.mark.parametrize("function", ["a:b", "a.b.c:d", "_a:_b", "ä:ö", "a:b.c"])
def test_a_transform_is_a_module_and_a_function(tmp_path: Path, function: str) -> None:
    assert tables(tmp_path, f'[tables.t]\ntransform = "{function}"')["t"].transform == function


@pytest.mark.parametrize(
    "text", ["a", "a:", ":b", "a.b", "a..b:c", "a:b:c", "a:b()", "a b:c", "1:2", "if:a", "a:b."]
)
def test_what_is_no_function_is_refused(tmp_path: Path, text: str) -> None:
    (found,) = problems(tmp_path, f'[tables.t]\ntransform = "{text}"')

    assert "is not a function; write module:function" in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[table.x]\nwhere = "a"', "table: says which tables are moved; write [tables.NAME]"),
        ('tables = ["x"]', 'tables: holds what is asked of single tables; write [tables."schema'),
        ("[[tables]]", "or table = [...] for which are moved"),
        ("[tables]\nx = 3", "tables.x: takes a table, not a number; write [tables.x]"),
        ("[[tables.x]]", "tables.x: takes a table, not a list; write [tables.x]"),
        ("[tables.sales.orders]", 'write [tables."sales.orders"] for a table of a schema'),
        ('[tables.""]', 'tables."": is empty; write a name'),
        ("[tables.a]\n[tables.'public.a']", "names the same table as tables.a; write one of them"),
        ("[tables.'a.b']\n[tables.'\"a\".b']", 'names the same table as tables."a.b"'),
        ("[tables.'a\tb']\nx = 1", 'tables."a\\tb".x: unknown setting'),
        ("[tables.a]\nx = 1\n'\ty' = 2", 'tables.a."\\ty": unknown setting'),
    ],
)
def test_a_table_in_the_wrong_place_is_sent_to_the_right_one(
    tmp_path: Path, text: str, words: str
) -> None:
    assert words in "\n".join(problems(tmp_path, text))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("t", "t"),
        ("'sales.orders'", "sales.orders"),
        ("""'"sales"."orders"'""", "sales.orders"),
        ("""'"we.ird".t'""", "we.ird.t"),
        ("""'odd "name"'""", 'odd "name"'),
        ('"a b"', "a b"),
    ],
)
def test_a_table_is_kept_under_its_name_without_quotes(tmp_path: Path, key: str, name: str) -> None:
    assert [*tables(tmp_path, f"[tables.{key}]\n")] == [name]


def test_every_field_of_the_options_is_read(tmp_path: Path) -> None:
    """A field that no key fills would be one that nobody can set."""
    known_of_table = {field.name for field in fields(TableOptions)} - {"types"}
    known_of_column = {field.name for field in fields(ColumnOptions)} - {"types"}

    for name in known_of_table:
        assert "unknown" not in "".join(problems(tmp_path, f"[tables.t]\n{name} = 2020-01-01"))
    for name in known_of_column:
        text = f"[tables.t.column.c]\n{name} = 2020-01-01"
        assert "unknown" not in "".join(problems(tmp_path, text))


def test_a_setting_that_got_into_the_table_before_is_sent_above_it(tmp_path: Path) -> None:
    found = problems(
        tmp_path, "[source]\nbatch_size = 3\n[tables.t.column.c]\nrate_limit = '1/1'\n"
    )

    assert found == [
        f"{where}: is a setting for the whole run; write it above the first [...] of the file"
        for where in ("tables.t.column.c.rate_limit", "source.batch_size")
    ]
