"""Settings for all tables, columns and types."""

from dataclasses import fields
from pathlib import Path

import pytest

from streamer.config import known, resolve
from streamer.errors import SettingsError
from streamer.model import Shaping, TableOptions, TypeOptions

HASHED = '[tables.users.column.email]\nmask = "hash"\n'
SOURCE = {"POSTGRES_DSN": "postgresql://me@db/shop"}


def shaping(options: dict[str, object] | None = None, **environ: str) -> Shaping:
    return resolve(options or {}, environ, job=True).shaping


def problems(options: dict[str, object], **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        resolve(options, SOURCE | environ, source=True, job=True)
    assert all("; " in problem for problem in caught.value.problems)
    return caught.value.problems


def toml(folder: Path, text: str) -> dict[str, object]:
    path = folder / "streamer.toml"
    path.write_text(text)
    return {"config": str(path)}


def test_every_decision_has_a_setting() -> None:
    decided = {field.name for field in fields(Shaping)} - {"types", "tables"}

    settings = {setting.key for setting in known.SHAPING}
    assert settings == {*decided, *TypeOptions.names(), "exclude_columns"}


@pytest.mark.parametrize("name", TypeOptions.names())
def test_every_choice_of_a_type_can_be_made_in_every_place(tmp_path: Path, name: str) -> None:
    for choice in TypeOptions.choices(name):
        expected = TypeOptions().but({name: choice})

        option = known.TYPES[name].option.removeprefix("--").replace("-", "_")
        assert shaping({option: choice.upper()}).types == expected
        assert resolve({}, {known.TYPES[name].variable: choice}, job=True).shaping.types == expected
        assert shaping(toml(tmp_path, f'{name} = "{choice}"')).types == expected


@pytest.mark.parametrize("name", TypeOptions.names())
def test_a_choice_that_there_is_not_names_those_there_are(tmp_path: Path, name: str) -> None:
    (found,) = problems(toml(tmp_path, f'{name} = "fast"'))

    assert found.startswith(f"{name} ({tmp_path / 'streamer.toml'}): 'fast' is not known; write ")
    assert all(choice in found for choice in TypeOptions.choices(name))


def test_the_option_that_prints_json_is_not_the_type(tmp_path: Path) -> None:
    assert shaping({"json": True}).types.json == "exact"
    assert shaping({"json": True, "json_text": "canonical"}).types.json == "canonical"


@pytest.mark.parametrize("name", ["autoincrement", "strict", "comments"])
def test_a_switch_is_on_or_off(tmp_path: Path, name: str) -> None:
    assert getattr(shaping({name: True}), name) is True
    off = resolve({}, {f"STREAMER_{name.upper()}": "no"}, job=True).shaping
    assert getattr(off, name) is False
    assert getattr(shaping(toml(tmp_path, f"{name} = true")), name) is True


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("without_rowid", ["auto", "always", "never"]),
        ("checks", ["auto", "none"]),
        ("defaults", ["auto", "none"]),
        ("views", ["skip", "create"]),
        ("matviews", ["skip", "as-tables"]),
        ("foreign_tables", ["skip", "as-tables"]),
    ],
)
def test_each_kind_of_object_has_its_words(tmp_path: Path, name: str, words: list[str]) -> None:
    assert getattr(shaping(), name) == words[0]
    assert [getattr(shaping({name: word}), name) for word in words] == words
    assert "is not known; write " + words[0] in problems(toml(tmp_path, f'{name} = "x"'))[0]


def test_tables_and_columns_are_renamed_by_their_names_without_quotes() -> None:
    given = ["sales.orders=sales_orders", '"we.ird"."t"."c="=c']

    assert shaping({"rename": given}).rename == {"sales.orders": "sales_orders", "we.ird.t.c=": "c"}


def test_renamings_in_the_environment_have_commas() -> None:
    given = shaping(STREAMER_RENAME='a=b, "c,d"=e')

    assert given.rename == {"a": "b", "c,d": "e"}


def test_every_renaming_that_can_not_be_read_is_told() -> None:
    found = problems({"rename": ["a", "b=c", "d=sqlite_d"]})

    assert [problem.partition(";")[0] for problem in found] == [
        "--rename: 'a' renames nothing",
        "--rename: names that start with sqlite_ are reserved, 'sqlite_d' too",
    ]


@pytest.mark.parametrize(
    "renamings",
    [["a.b=x", "a.b=y"], ["orders=x", "public.orders=y"], ["public.t.c=x", "t.c=y"]],
)
def test_one_thing_gets_one_new_name(renamings: list[str]) -> None:
    (found,) = problems({"rename": renamings})

    assert "can't be called both 'x' and 'y'; write one of them" in found
    assert shaping({"rename": [renamings[0], renamings[0]]}).rename


def test_a_renaming_of_a_table_in_the_same_file_must_agree(tmp_path: Path) -> None:
    text = 'rename = ["sales.o=x"]\n[tables."sales.o"]\nrename = "y"\n'

    (found,) = problems(toml(tmp_path, text))

    assert "'sales.o' can't be called both 'y' and 'x'" in found
    assert shaping(toml(tmp_path, text.replace('"y"', '"x"'))).rename == {"sales.o": "x"}


def test_a_renaming_on_the_command_line_outweighs_the_file(tmp_path: Path) -> None:
    text = '[tables.o]\nrename = "y"\n[tables.o.column.c]\nrename = "z"\n[tables.p]\nrename = "q"\n'
    given = toml(tmp_path, text) | {"rename": ["public.o=x", "o.c=d"]}

    found = shaping(given)

    assert found.rename == {"public.o": "x", "o.c": "d"}
    assert (found.tables["o"].rename, found.tables["o"].column["c"].rename) == ("", "")
    assert found.tables["p"].rename == "q"


def test_rename_is_a_list(tmp_path: Path) -> None:
    (found,) = problems(toml(tmp_path, "[rename]\na = 'b'\n"))

    assert "rename" in found
    assert 'write rename = ["schema.table=new"' in found


def test_excluded_columns_join_those_of_their_tables(tmp_path: Path) -> None:
    text = '[tables."public.a"]\nexclude_columns = ["x"]\n'
    given = toml(tmp_path, text) | {"exclude_columns": ["a.y", "public.a.x", "s.b.z", "s.b.w"]}

    assert shaping(given).tables == {
        "public.a": TableOptions(exclude_columns=("x", "y")),
        "s.b": TableOptions(exclude_columns=("z", "w")),
    }


def test_no_column_is_excluded_where_the_others_are_listed(tmp_path: Path) -> None:
    given = toml(tmp_path, '[tables.a]\ncolumns = ["x"]\n') | {"exclude_columns": ["a.y"]}

    (found,) = problems(given)

    assert found.startswith("--exclude-columns: 'a.y' can't be excluded")


def test_a_mask_that_hashes_needs_a_key_and_says_how_to_make_one(tmp_path: Path) -> None:
    (found,) = problems(toml(tmp_path, HASHED))

    assert found.startswith("STREAMER_HASH_KEY: not set; set it to a secret of 16 characters")
    assert "users.email" in found
    assert "`openssl rand -hex 32`" in found


def test_what_reads_no_rows_needs_no_key(tmp_path: Path) -> None:
    assert shaping(toml(tmp_path, HASHED)).hash_key is None
    assert resolve({}, SOURCE, source=True, job=True).shaping.hash_key is None


def test_the_key_is_a_secret(tmp_path: Path) -> None:
    key = "canary-0123456789"
    environ = SOURCE | {"STREAMER_HASH_KEY": key}

    config = resolve(toml(tmp_path, HASHED), environ, source=True, job=True)

    assert config.shaping.hash_key in config.secrets
    assert config.shaping.hash_key is not None
    assert config.shaping.hash_key.reveal() == key
    assert "canary" not in repr(config)
    assert "STREAMER_HASH_KEY" in known.SECRET_VARIABLES


@pytest.mark.parametrize("place", ["environment", "toml"])
def test_the_key_may_stand_in_a_file_of_its_own(tmp_path: Path, place: str) -> None:
    file = tmp_path / "key"
    file.write_text("canary-0123456789\n")
    text = f'hash_key_file = "{file}"\n' if place == "toml" else ""
    environ = {} if place == "toml" else {"STREAMER_HASH_KEY_FILE": str(file)}

    config = resolve(toml(tmp_path, text + HASHED), SOURCE | environ, source=True, job=True)

    assert config.shaping.hash_key is not None
    assert config.shaping.hash_key.reveal() == "canary-0123456789"


@pytest.mark.parametrize("key", ["canary", "canary-01234567", "canary-0123456789\udcff"])
def test_a_key_that_is_none_is_refused_without_being_shown(tmp_path: Path, key: str) -> None:
    for given in ({}, toml(tmp_path, HASHED)):
        (found,) = problems(given, STREAMER_HASH_KEY=key)

        assert "openssl rand -hex 32" in found
        assert "canary" not in found


def test_the_key_does_not_stand_in_toml(tmp_path: Path) -> None:
    (found,) = problems(toml(tmp_path, 'hash_key = "canary-0123456789"\n'))

    assert "STREAMER_HASH_KEY_FILE" in found
    assert "canary" not in found
