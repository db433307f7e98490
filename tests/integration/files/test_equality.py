"""The whole way in steps: what `run` gives, cell by cell, in every form, by import and by wrangler."""

from __future__ import annotations

import gzip
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.engines.postgres import Database, Postgres, now
from tests.engines.sqlite_file import PlainFile
from tests.engines.wrangler import Project
from tests.integration.files.contents import SELECTED, TORTURE, contents
from tests.stories.command import Streamer, ended
from tests.stories.reports import read_report

pytestmark = [pytest.mark.postgres, pytest.mark.processes]

JSONC = """\
{"name": "shop", "main": "index.mjs", "compatibility_date": "2026-01-01",
 "d1_databases": [{"binding": "DB", "database_name": "shop", "database_id": "7e8b2c1c"}]}
"""


class Torture:
    """The torture database, what a run makes of it, and an export of it."""

    def __init__(self, source: Database, folder: Path) -> None:
        self.source = source
        self.folder = folder
        self.exported = folder / "migration_data"
        whole = PlainFile(folder / "run.db")
        streamer = Streamer(folder, source, whole, "")
        run = streamer("run", *SELECTED, "--progress", "none")
        assert run.code == 3, run.said
        exported = streamer("export", *SELECTED, "--compress", "zstd", "--validate", "-q")
        assert exported.code == 3, exported.said
        self.contents: dict[str, Any] = contents(whole.path)

    def differs(self, path: Path) -> list[str]:
        """What of a target isn't as the run made it."""
        here = contents(path)
        assert {name for name in here if "_cf_METADATA" not in name} == self.contents.keys()
        return [name for name, held in self.contents.items() if held != here[name]]


@pytest.fixture(scope="module")
def torture(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Torture]:
    database = now(postgres.create_database())
    now(loaded(database))
    yield Torture(database, tmp_path_factory.mktemp("torture"))
    now(postgres.drop_database(database.name))


async def loaded(database: Database) -> None:
    connection = await database.connect()
    connection.add_log_listener(lambda *_: None)  # what a server has no extension for is skipped
    await connection.execute(TORTURE)
    await connection.close()


@pytest.fixture
def steps(torture: Torture, tmp_path: Path) -> Streamer:
    """The command in a folder of its own, with a file as its target."""
    return Streamer(tmp_path, torture.source, PlainFile(tmp_path / "steps.db"), "")


def test_the_steps_give_what_run_gives_cell_by_cell(torture: Torture, steps: Streamer) -> None:
    transformed = steps("transform", "--input-dir", str(torture.exported), "-q", "--validate")
    imported = steps("import", "-q")

    assert transformed.code == 0, transformed.said
    assert imported.code == 0, imported.said
    assert torture.differs(steps.folder / "steps.db") == []
    assert sum(name.startswith("rows of") for name in torture.contents) > 75


def test_killed_in_every_step_and_begun_again_they_give_it_too(
    torture: Torture, steps: Streamer
) -> None:
    exporting = ("export", *SELECTED, "--resume", "-q")
    exported, made = steps.folder / "migration_data", steps.folder / "d1_migration_data"
    importing = ("import", "--batch-bytes", "50000", "--resume", "-q")

    killed_once(steps.start(*exporting), exported, "*.json", 15)
    assert not (exported / "export_manifest.json").exists()
    assert steps(*exporting).code == 3
    killed_once(steps.start("transform", "-q"), made, "*.part", 30)
    assert not (made / "transform_manifest.json").exists()
    assert steps("transform", "-q").code == 0
    for request, moment in (("9", "within"), ("12", "after")):
        steps.program = ("tests.stories.killed", request, moment)
        assert steps(*importing).code == -signal.SIGKILL
    steps.program = ("streamer",)
    done = steps(*importing)

    assert done.code == 0, done.said
    assert not list(made.glob("*.part"))
    assert torture.differs(steps.folder / "steps.db") == []


def killed_once(process: subprocess.Popen[str], folder: Path, pattern: str, files: int) -> None:
    """Kill a step once it has written so many files; it must not have come to its end."""
    while process.poll() is None:
        if len(list(folder.glob(pattern))) >= files:
            process.send_signal(signal.SIGKILL)
            break
    assert ended(process).code == -signal.SIGKILL


def test_lines_and_arrays_compressed_and_plain_hold_the_same_rows(
    torture: Torture, steps: Streamer
) -> None:
    lines = steps("export", *SELECTED, "--format", "ndjson", "--compress", "gzip", "-q")
    assert lines.code == 3, lines.said
    for source, target in ((torture.exported, "arrays"), (Path("migration_data"), "lines")):
        done = steps("transform", "--input-dir", str(source), "--output-dir", target, "-q")
        assert done.code == 0, done.said

    arrays = {path.name.split("_transformed")[0]: path for path in (steps.folder / "arrays").glob("*.zst")}  # fmt: skip
    for name, path in arrays.items():
        whole = zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True)  # fmt: skip
        there = [line.rstrip(b",") for line in whole.read().splitlines()[1:-1]]
        packed = steps.folder / "lines" / f"{name}_transformed.ndjson.gz"
        assert gzip.decompress(packed.read_bytes()).splitlines() == there
    assert len(arrays) > 75


def test_wrangler_loads_sql_files_to_what_run_gives_cell_by_cell(
    torture: Torture, steps: Streamer
) -> None:
    made = steps("transform", "--input-dir", str(torture.exported), "-q", "--format", "sql")

    assert made.code == 0, made.said
    folder = steps.folder / "d1_migration_data"
    files = sorted(folder.glob("*.sql"))
    report = read_report(folder / "transformation_report.json")
    assert report["files"] == [path.name for path in files]
    assert not list(folder.glob("*_transformed*"))
    project = Project(steps.folder / "shop", JSONC)
    for path in files:
        project("d1", "execute", "DB", "--local", "--file", str(path))
    (held,) = [
        path
        for path in project.folder.rglob("miniflare-D1DatabaseObject/*.sqlite")
        if path.name != "metadata.sqlite"
    ]
    assert torture.differs(held) == []
    refused = steps("import")
    assert (refused.code, "wrangler" in refused.stderr) == (1, True)
