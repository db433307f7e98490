"""What docs/types.md says is true of the settings, and the README's examples are."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from streamer.config import Config, known, resolve
from streamer.model import ColumnOptions, Shaping, TableOptions, TypeOptions

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "types.md").read_text()
README = (ROOT / "README.md").read_text()
SECRETS = {
    "STREAMER_HASH_KEY": "0123456789abcdef",
    "CLOUDFLARE_API_TOKEN": "token",
    "POSTGRES_PASSWORD": "secret",
}


def examples(text: str) -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def row(name: str) -> str:
    """The line of a table that begins with `name`."""
    return re.findall(rf"^\| `{name}`.*$", GUIDE, re.MULTILINE)[-1]


def read(folder: Path, example: str) -> Config:
    (folder / "streamer.toml").write_text(example)
    options = {"config": str(folder / "streamer.toml")}
    return resolve(options, SECRETS, source=True, target=True, job=True)


@pytest.mark.parametrize("name", TypeOptions.names())
def test_each_type_option_is_told_with_its_choices_the_default_first(name: str) -> None:
    told = re.findall(r"`([a-z0-9-]+)`", row(name))

    assert told[0] == name
    choices = [word for word in told[1:] if word in TypeOptions.choices(name)]
    assert tuple(dict.fromkeys(choices)) == TypeOptions.choices(name)


@pytest.mark.parametrize("kind", [Shaping, TableOptions, ColumnOptions])
def test_each_key_is_told(kind: type) -> None:
    unnamed = {"types", "tables", "column", "hash_key"}

    told = re.findall(r"`([a-z_]+)`", GUIDE)
    assert {field.name for field in fields(kind)} - unnamed - {*told} == set()
    assert ".column." in GUIDE
    assert known.HASH_KEY.variable in GUIDE


def test_the_example_is_one_that_works(tmp_path: Path) -> None:
    (example,) = examples(GUIDE)

    shaping = read(tmp_path, example).shaping

    assert shaping.tables.keys() == {"sales.orders", "audit.log", "users"}
    assert shaping.rename["odd.schema.the table"] == "plain"


def test_the_example_shows_every_key(tmp_path: Path) -> None:
    shaping = read(tmp_path, examples(GUIDE)[0]).shaping
    columns = [column for table in shaping.tables.values() for column in table.column.values()]

    for field in fields(TableOptions):
        assert any(getattr(table, field.name) for table in shaping.tables.values()), field.name
    for field in fields(ColumnOptions):
        assert any(getattr(column, field.name) for column in columns), field.name


def test_the_options_and_variables_in_the_guide_exist() -> None:
    options = {setting.option for setting in known.ALL} | {"--config", "--json"}
    variables = {*known.VARIABLES}

    assert {*re.findall(r"(?<![-\w])--[a-z][a-z-]+", GUIDE)} <= options
    assert {*re.findall(r"STREAMER_[A-Z_]+", GUIDE)} <= variables


@pytest.mark.parametrize("example", examples(README))
def test_each_example_of_the_readme_works(tmp_path: Path, example: str) -> None:
    file = tmp_path / "streamer.toml"
    file.write_text(example)

    config = resolve({"config": str(file)}, {}, job=True)

    assert config.origins
