"""`plan --write-config`: what a command was told, said again by a file."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.cli.plan import run_parser
from streamer.cli.settings_file import (
    EXAMPLES,
    OF_ONE_START,
    refuse_existing,
    settings_text,
    write_settings,
)
from streamer.config import Config, FileTarget, known, resolve
from streamer.errors import SettingsError
from streamer.model import ColumnOptions, TableOptions
from tests.engines.catalogs import column, identified, plan_of

PLAN = plan_of(identified("shop.orders", column("note")), identified("customer", column("e-mail")))
SECRETS = {
    "POSTGRES_DSN": "postgresql://reader:hunter2@db.example.com:6543/shop?sslmode=require",
    "CLOUDFLARE_API_TOKEN": "hunter3-token",
    "STREAMER_HASH_KEY": "hunter4" * 4,
}
TARGET = {"CLOUDFLARE_ACCOUNT_ID": "acc", "D1_DATABASE_ID": "shop"}


def again(config: Config, folder: Path) -> Config:
    """What a run is told by the file alone, and the secrets."""
    path = folder / "written.toml"
    path.unlink(missing_ok=True)
    write_settings(path, settings_text(config, PLAN, run_parser()))
    return resolve({"config": path}, SECRETS, source=True, target=True, job=True)


def same(one: Config, other: Config) -> bool:
    """Whether both say the same, wherever they were told it."""
    return replace(one, origins={}, given={}) == replace(other, origins={}, given={})


def test_a_file_says_again_what_options_environment_and_files_said(tmp_path: Path) -> None:
    toml = tmp_path / "streamer.toml"
    toml.write_text(
        'strict = true\n[tables."shop.orders"]\nwhere = "note <> \'\\"\'"\ntimestamps = "seconds"\n'
        '[tables."shop.orders".column.note]\nmask = "hash"\n[tables.gone]\nkey = ["a", "b"]\n'
    )
    options = {"config": toml, "table": ["shop.*", "customer"], "rate_limit": "600/300"}
    options |= {"rename": ['shop.orders="the orders"', "customer.e-mail=mail"], "verbose": 2}
    environ = {**SECRETS, **TARGET, "STREAMER_EXCLUDE": 'a,"b,c"', "STREAMER_METRICS_PORT": "9400"}
    config = resolve(options, environ, source=True, target=True, job=True)

    written = again(config, tmp_path)

    assert same(replace(config, output=replace(config.output, verbosity=0)), written)
    assert written.selection.exclude == ("a", '"b,c"')


def test_a_plan_that_needs_no_target_writes_down_what_is_known_of_it(tmp_path: Path) -> None:
    environ = {"PGHOST": "/run/pg", "PGDATABASE": "shop", "STREAMER_TARGET": "sqlite:shop.db"}
    config = resolve({}, environ, source=True, job=True)

    text = settings_text(config, PLAN, run_parser())

    document = tomllib.loads(text)
    assert document["target"] == {"kind": "sqlite:shop.db"}
    assert document["source"] == {"host": "/run/pg", "database": "shop"}
    path = tmp_path / "a.toml"
    write_settings(path, text)
    target = resolve({"config": path}, {}, source=True, target=True, job=True).target
    assert target == FileTarget(Path("shop.db"))


def test_no_secret_is_written(tmp_path: Path) -> None:
    environ = {**SECRETS, **TARGET, "POSTGRES_PASSWORD_FILE": ""}
    config = resolve({}, environ, source=True, target=True, job=True)

    text = settings_text(config, PLAN, run_parser())

    assert "hunter" not in text
    assert 'host = "db.example.com"' in text
    assert 'sslmode = "require"' in text


def test_every_setting_is_there_with_what_it_is_for_and_every_example_is_right(
    tmp_path: Path,
) -> None:
    config = resolve({}, {**SECRETS}, source=True, job=True)
    text = settings_text(config, PLAN, run_parser())

    bare = re.sub(r"(?m)^# (?=[a-z_]+ = |\[)", "", text)

    path = tmp_path / "bare.toml"
    path.write_text(bare)
    said = tomllib.loads(bare)
    flat = {*said} | {f"{s}.{k}" for s in ("source", "target") for k in said[s]}
    settings = {s.key for s in known.ALL if not s.secret} - OF_ONE_START
    assert flat - {"source", "target", "tables"} == settings
    assert resolve({"config": path}, {**SECRETS}, source=True, target=True, job=True).run
    assert {*EXAMPLES} <= settings
    for line, comment in zip(text.splitlines()[1:], text.splitlines(), strict=False):
        if (match := re.match(r"# ([a-z_]+) = ", line)) and f"{match[1]}" in {*said} - {"where"}:
            assert len(comment) > 5, line


names = st.text(min_size=1, max_size=8).filter(lambda text: text.strip() and "\0" not in text)
sqls = st.text(max_size=12).filter(lambda text: not text or bool(text.strip()))
asked = st.builds(
    TableOptions,
    where=sqls,
    key=st.lists(names, max_size=2, unique=True).map(tuple),
    autoincrement=st.none() | st.booleans(),
    types=st.sampled_from([{}, {"uuid": "blob"}]),
    column=st.dictionaries(names, st.builds(ColumnOptions, expression=sqls), max_size=2),
)


PARSER = run_parser()


@given(tables=st.dictionaries(names, asked, max_size=3))
def test_whatever_was_asked_of_tables_comes_back(
    tmp_path_factory: pytest.TempPathFactory, tables: dict[str, TableOptions]
) -> None:
    config = resolve({}, {**SECRETS}, source=True, job=True)
    config = replace(config, shaping=replace(config.shaping, tables=tables))

    text = settings_text(config, PLAN, PARSER)

    document = tomllib.loads(text)
    written = document.get("tables", {})
    assert {name: options.where for name, options in tables.items()} == {
        name: section.get("where", "") for name, section in written.items()
    }
    for name, options in tables.items():
        assert tuple(written[name].get("key", ())) == options.key
        assert written[name].get("autoincrement") == options.autoincrement
        columns = {c: a.expression for c, a in options.column.items()}
        found = written[name].get("column", {})
        assert {c: found[c].get("expression", "") for c in found} == columns


def test_what_is_there_already_is_not_overwritten(tmp_path: Path) -> None:
    there, dangling = tmp_path / "there", tmp_path / "dangling"
    there.write_text("mine")
    dangling.symlink_to(tmp_path / "elsewhere")

    for path in (there, dangling):
        with pytest.raises(SettingsError, match="there already"):
            refuse_existing(path)
        with pytest.raises(SettingsError, match="there already"):
            write_settings(path, "x")

    assert there.read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_is_its_owners_alone_and_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_settings(tmp_path / "a", "x")

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingsError, match="No such file"):
        write_settings(tmp_path / "none" / "a", "x")
