"""The torture database validated after it was moved: nothing differs, then exactly what was changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from streamer.validate.report import schema
from tests.engines.d1server import D1RequestError, D1Server
from tests.engines.postgres import Database, Postgres, now
from tests.engines.sqlite_file import PlainFile
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer
from tests.torture.corruptions import CORRUPTIONS
from tests.torture.load import OPTIONS, QUIETLY, RENAMED, load

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

Difference = tuple[str, str, str, str]


@pytest.fixture(scope="module")
def source(postgres: Postgres) -> Database:
    """The torture database; not to be changed."""
    database = now(postgres.create_database())
    now(load(database))
    return database


@pytest.fixture(params=["workerd", "file"])
def streamer(
    request: pytest.FixtureRequest, source: Database, tmp_path: Path
) -> Iterator[Streamer]:
    """The command, with all that can be moved in its target."""
    if request.param == "file":
        target: D1Server | PlainFile = PlainFile(tmp_path / "torture.db")
        uuid = ""
    else:
        target = request.getfixturevalue("workerd_d1")
        assert isinstance(target, Workerd)
        uuid = target.create(tmp_path.name)
    streamer = Streamer(tmp_path, source, target, uuid)
    assert streamer("run", *OPTIONS, *QUIETLY).code == 3
    yield streamer
    if isinstance(target, D1Server):
        target.delete(uuid)


def validated(streamer: Streamer, code: int, *arguments: str) -> dict[str, Any]:
    """The report of a validation that ends with `code`; it is as the schema says."""
    done = streamer("validate", *RENAMED, *QUIETLY, *arguments)
    assert done.code == code, done.said
    report = json.loads((streamer.folder / "validation_report.json").read_text())
    jsonschema.validate(report, schema(), cls=jsonschema.Draft202012Validator)
    assert report["equal"] is (code == 0)
    return report


def differences(report: dict[str, Any]) -> list[Difference]:
    return sorted(
        (table["name"].removeprefix("public."), one["kind"], key, column)
        for table in report["tables"]
        for one in table["differences"]
        for key in one["key"]
        for column in one["columns"] or [""]
    )


def test_nothing_differs_and_then_each_change_is_named_and_nothing_else(
    streamer: Streamer,
) -> None:
    assert differences(validated(streamer, 0)) == []
    assert differences(validated(streamer, 0, "--full")) == []
    sampled = validated(streamer, 0, "--detailed")
    assert differences(sampled) == []
    assert sampled["requests"] < sampled["totals"]["tables"] / 2  # small tables share them

    changed = [c for c in CORRUPTIONS if is_let_in(streamer, c.in_place)]

    assert len(changed) >= len(CORRUPTIONS) - 1
    assert differences(validated(streamer, 3, "--full")) == sorted(
        (c.table, c.kind, c.key, c.column) for c in changed
    )


def is_let_in(streamer: Streamer, sql: str) -> bool:
    """Make a change, but for one that D1's foreign keys keep out."""
    if isinstance(streamer.target, PlainFile):
        streamer.target.change(sql)
        return True
    try:
        streamer.target.run(streamer.uuid, sql)
    except D1RequestError as error:
        if "FOREIGN KEY" not in error.message:
            raise
        return False
    return True
