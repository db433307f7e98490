"""Which file is a Worker's local database, and when it may be written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from streamer.config import PacingSettings, WranglerTarget
from streamer.d1 import SilentObserver
from streamer.errors import TargetError, UsageError
from streamer.model import Statement
from streamer.targets import file_of, identity_of, open_target
from streamer.targets.wrangler import find

PACING = PacingSettings(rate=None, concurrency=2, give_up_after_s=1.0)
STATE = ".wrangler/state/v3/d1/miniflare-D1DatabaseObject"
JSONC = """\
{ // with comments, and a comma too many
  "name": "shop",
  "d1_databases": [
    {"binding": "DB", "database_name": "shop", "database_id": "abc-1"},
    {"binding": "PRE", "database_name": "shop2", "database_id": "abc-2",
     "preview_database_id": "prev-2"}, /* and another comment */
    {"binding": "ONLY"},
  ],
  "env": {"staging": {"d1_databases": [{"binding": "DB", "database_id": "st-1"}]}, "empty": {}},
}
"""
TOML = """\
name = "shop"

[[d1_databases]]
binding = "DB"
database_name = "shop"
database_id = "abc-1"

[[env.staging.d1_databases]]
binding = "DB"
database_id = "st-1"
"""
# The names that wrangler 4.164.0 gave the files of these databases.
FILES = {
    "abc-1": "45a5b5d7242468713f1f54a326a10528ee12c8725586ae143afed85baca106ab",
    "prev-2": "3b4aecf10e95c2b526c8abcac5147b785a4e8ab0505ff847f70ba4a3d5a19186",
    "ONLY": "c5c7af95f4b70b40a049e2be227b1d915b9f0692a7a40bf1d4b843f8f30a7634",
    "st-1": "f13220bf26fcb9d30aa177a542ae19fc24b58aeb215e691f9f2bcad72d9713fb",
}


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "wrangler.jsonc").write_text(JSONC)
    return tmp_path


@pytest.mark.parametrize(
    ("database", "environment", "kept_as"),
    [
        ("DB", None, "abc-1"),
        ("shop", None, "abc-1"),
        ("abc-1", None, "abc-1"),
        ("PRE", None, "prev-2"),
        ("shop2", None, "prev-2"),
        ("ONLY", None, "ONLY"),
        ("DB", "staging", "st-1"),
        (None, "staging", "st-1"),
    ],
)
def test_the_file_is_the_one_that_wrangler_uses(
    project: Path, database: str | None, environment: str | None, kept_as: str
) -> None:
    found = find(WranglerTarget(project, database, environment))

    assert found.file == project / STATE / f"{FILES[kept_as]}.sqlite"


@pytest.mark.parametrize(("environment", "kept_as"), [(None, "abc-1"), ("staging", "st-1")])
def test_toml_says_the_same(tmp_path: Path, environment: str | None, kept_as: str) -> None:
    (tmp_path / "wrangler.toml").write_text(TOML)

    found = find(WranglerTarget(tmp_path, None, environment))

    assert found.file.stem == FILES[kept_as]
    assert find(WranglerTarget(tmp_path / "wrangler.toml", None, environment)) == found


def test_json_counts_before_jsonc_and_that_before_toml(project: Path) -> None:
    (project / "wrangler.toml").write_text(TOML.replace("abc-1", "toml"))
    assert find(WranglerTarget(project, "DB")).id == "abc-1"

    other = {"d1_databases": [{"binding": "DB", "database_id": "json"}]}
    (project / "wrangler.json").write_text(json.dumps(other))
    assert find(WranglerTarget(project, "DB")).id == "json"


@pytest.mark.parametrize(
    ("database", "environment", "message"),
    [
        (None, None, r"has 3 D1 databases: shop \(DB\), shop2 \(PRE\), ONLY"),
        ("other", None, "has no D1 database other"),
        ("PRE", "staging", "has no D1 database PRE in the environment staging"),
        (None, "production", "has no environment production"),
        (None, "empty", "has no D1 database in the environment empty"),
    ],
)
def test_what_is_not_there_or_not_clear_is_told(
    project: Path, database: str | None, environment: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        find(WranglerTarget(project, database, environment))

    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("wrangler.jsonc", "{", "no configuration"),
        ("wrangler.json", "[]", "no table"),
        ("wrangler.json", "[" * 100_000, "no configuration"),
        ("wrangler.json", '{"d1_databases": {}}', "no list"),
        ("wrangler.json", '{"d1_databases": [1]}', "no table"),
        ("wrangler.json", '{"d1_databases": [{"database_id": "x"}]}', "no binding"),
        ("wrangler.toml", "a = ", "no configuration"),
        ("wrangler.toml", "name = \udcff", "UTF-8"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, text: str, why: str
) -> None:
    (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(UsageError, match=why) as caught:
        find(WranglerTarget(tmp_path))

    assert name in caught.value.what


def test_a_folder_without_a_configuration_is_no_project(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match=str(folder)):
            find(WranglerTarget(folder))


async def test_the_folder_is_made_where_there_is_none(project: Path) -> None:
    target = WranglerTarget(project, "DB")
    database = await open_target(target, PACING, SilentObserver())

    await database.execute([Statement("CREATE TABLE t (a)")])
    await database.aclose()

    assert database.identity == identity_of(target)
    assert "shop (DB)" in str(database.identity)
    connection = apsw.Connection(str(file_of(target)))
    assert list(connection.execute("SELECT name FROM sqlite_schema")) == [("t",)]
    connection.close()


async def test_only_looking_makes_nothing(project: Path) -> None:
    database = await open_target(
        WranglerTarget(project, "DB"), PACING, SilentObserver(), writing=False
    )
    await database.aclose()

    assert names(project) == ["wrangler.jsonc"]


@pytest.fixture(params=["metadata.sqlite", f"{FILES['abc-1']}.sqlite"])
def running(request: pytest.FixtureRequest, project: Path) -> Iterator[Path]:
    """A project whose databases are open as `wrangler dev` has them: as soon as it runs, and in use."""
    (project / STATE).mkdir(parents=True)
    connection = apsw.Connection(str(project / STATE / request.param))
    connection.pragma("journal_mode", "WAL")
    connection.execute("CREATE TABLE kept (a)")
    yield project
    connection.close()


async def test_nothing_is_written_while_wrangler_dev_runs(running: Path) -> None:
    with pytest.raises(TargetError, match=r"wrangler dev|another program") as caught:
        await open_target(WranglerTarget(running, "DB"), PACING, SilentObserver())

    assert "wrangler dev" in f"{caught.value.what} {caught.value.hint}"


async def test_wrangler_dev_cannot_open_what_is_being_written(project: Path) -> None:
    target = WranglerTarget(project, "DB")
    database = await open_target(target, PACING, SilentObserver())

    other = apsw.Connection(str(file_of(target)))
    with pytest.raises(apsw.BusyError):
        list(other.execute("SELECT * FROM sqlite_schema"))

    other.close()
    await database.aclose()
