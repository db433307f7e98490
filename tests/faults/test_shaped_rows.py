"""A run with everything that settings do to rows, stopped dead at any of its requests and resumed."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from streamer.config import Config, resolve
from streamer.d1.api import EMPTY, Body, Break, Reply
from streamer.errors import BadRowsError, ExitCode, SettingsChangedError, UsageError
from streamer.progress import Events
from streamer.progress.report import schema
from streamer.run import run
from streamer.targets.file import FileTransport
from tests.engines.postgres import Database

KEY = "a key of 16 letters or more"
SAMPLE = """
CREATE TABLE person (id int PRIMARY KEY, name text NOT NULL, boss int REFERENCES person);
INSERT INTO person SELECT n, 'name ' || n, CASE WHEN n % 3 > 0 THEN n / 3 END
FROM generate_series(0, 89) AS n;
CREATE TABLE item (id int PRIMARY KEY, owner int NOT NULL REFERENCES person, price float8, note text,
    twin int REFERENCES item);
INSERT INTO item SELECT n, n % 90, n / 8.0, 'secret ' || n, 901 - n FROM generate_series(1, 900) AS n;
CREATE TABLE log (at int, line text);
INSERT INTO log SELECT n, 'line ' || n FROM generate_series(1, 600) AS n;
"""
TOML = """
[tables.person.column.id]
mask = "hash"
rename = "number"
[tables.person.column.boss]
mask = "hash"
rename = "chief"
[tables.item]
where = "id % 10 <> 3 /* no threes */"
transform = "rules:item"
rename = "thing"
[tables.item.column.id]
rename = "number"
[tables.item.column.owner]
mask = "hash"
[tables.item.column.twin]
rename = "pair"
[tables.log]
where = "at % 2 = 0"
transform = "rules:line"
[tables.log.column.line]
rename = "text"
"""
RULES = """
def item(row):
    if 200 < row["id"] < 700 or row["id"] > 880:
        return None
    row["price"] = row["price"] * 2
    row["note"] = None
    row["twin"] = row["id"] if row["id"] % 7 == 0 else None
    return row

def person(row):
    return row if row["id"] < 50 else None

def line(row):
    return None if row["at"] > 400 or row["at"] % 6 == 0 else {**row, "line": row["line"].upper()}
"""
READ = {"public.person": 90, "public.item": 810, "public.log": 300}
WRITTEN = {"public.person": 90, "public.item": 343, "public.log": 134}

pytestmark = [pytest.mark.postgres]


def hashed(value: object) -> str:
    return hmac.new(KEY.encode(), str(value).encode(), hashlib.sha256).hexdigest()


def expected() -> dict[str, list[tuple[object, ...]]]:
    """What D1 is to hold, worked out here in another way."""
    kept = [n for n in range(1, 901) if n % 10 != 3 and not (200 < n < 700 or n > 880)]
    return {
        "person": [(hashed(n), f"name {n}", hashed(n // 3) if n % 3 else None) for n in range(90)],
        "thing": [(n, hashed(n % 90), n / 4, None, n if n % 7 == 0 else None) for n in kept],
        "log": [(n, f"LINE {n}") for n in range(2, 401, 2) if n % 6],
    }


@dataclass
class Job:
    """A run in this process, into a file; every state that a kill could leave is kept aside."""

    folder: Path
    source: Database
    toml: str = TOML
    states: list[Path] = field(default_factory=list)
    keeps: bool = False

    @property
    def target(self) -> Path:
        return self.folder / "target.db"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.db"

    def config(self, *, resume: bool, **options: object) -> Config:
        (self.folder / "streamer.toml").write_text(self.toml)
        return resolve(
            {
                "config": str(self.folder / "streamer.toml"),
                "target": f"sqlite:{self.target}",
                "checkpoint": str(self.checkpoint),
                "report": str(self.folder / "report.json"),
                "batch_bytes": "6000",
                "concurrency": "1",
                "resume": resume or None,
                **options,
            },
            {"POSTGRES_DSN": self.source.dsn, "STREAMER_HASH_KEY": KEY},
            source=True,
            target=True,
            job=True,
        )

    async def run(self, *, resume: bool = False, **options: object) -> ExitCode:
        events = Events(time.monotonic)
        return await run(self.config(resume=resume, **options), events, asyncio.Event())

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "report.json").read_text())

    def held(self) -> dict[str, list[tuple[object, ...]]]:
        orders = {
            "person": ("number, name, chief", "name"),
            "thing": ("number, owner, price, note, pair", "number"),
            "log": ("at, text", "at"),
        }
        with closing(sqlite3.connect(self.target)) as opened:
            held = {
                table: opened.execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()
                for table, (columns, order) in orders.items()
            }
            assert opened.execute("PRAGMA foreign_key_check").fetchall() == []
        held["person"].sort(key=lambda row: int(str(row[1])[5:]))
        return held

    def keep(self) -> None:
        """Keep aside what a kill would leave now."""
        state = self.folder / f"state{len(self.states)}"
        state.mkdir()
        with (
            closing(sqlite3.connect(self.checkpoint)) as opened,
            closing(sqlite3.connect(state / "checkpoint.db")) as copy,
        ):
            opened.backup(copy)
        shutil.copy(self.target, state / "target.db")
        self.states.append(state)

    def bring_back(self, state: Path) -> None:
        for name in ("checkpoint.db", "target.db"):
            for old in self.folder.glob(f"{name}*"):
                old.unlink()
            shutil.copy(state / name, self.folder / name)


@pytest.fixture
async def job(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    await database.execute(SAMPLE)
    (tmp_path / "rules.py").write_text(RULES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "rules", raising=False)
    made = Job(tmp_path, database)
    send = FileTransport.send

    async def watched(
        self: FileTransport, method: str, path: str, body: Body = EMPTY
    ) -> Reply | Break:
        keeps = made.keeps and path.endswith("/raw") and made.checkpoint.exists()
        if keeps and len(made.states) % 2 == 0:
            made.keep()  # the request never came
            keeps = False
        answer = await send(self, method, path, body)
        if keeps:
            made.keep()  # the answer never came
        return answer

    monkeypatch.setattr(FileTransport, "send", watched)
    return made


@pytest.fixture(autouse=True)
def own_modules() -> Iterator[None]:
    """What a test imports from its folder isn't the next one's."""
    yield
    sys.modules.pop("rules", None)


def figures(report: dict[str, Any], name: str) -> dict[str, int]:
    return {table["name"]: table[name] for table in report["tables"]}


async def test_a_run_that_is_killed_at_any_request_is_resumed_to_the_same_rows_and_figures(
    job: Job,
) -> None:
    job.keeps = True
    assert await job.run() is ExitCode.DONE
    job.keeps = False
    assert job.held() == expected()
    assert figures(job.report, "rows_read") == READ
    assert figures(job.report, "rows_written") == WRITTEN
    assert len(job.states) > 15

    for number, state in enumerate(job.states):
        job.bring_back(state)
        assert await job.run(resume=True) is ExitCode.DONE, number
        assert job.held() == expected(), number
        assert figures(job.report, "rows_read") == READ, number
        assert figures(job.report, "rows_written") == WRITTEN, number
        assert job.report["rows_skipped"] == sum(READ.values()) - sum(WRITTEN.values()), number


def in_the_middle(job: Job) -> Path:
    """A state in which things have begun to come and more are to come."""
    for state in job.states:
        with closing(sqlite3.connect(state / "target.db")) as opened:
            (count,) = opened.execute(
                "SELECT count(*) FROM sqlite_schema WHERE name = 'thing'"
            ).fetchone()
            if count and opened.execute("SELECT count(*) > 50 FROM thing").fetchone() == (1,):
                return state
    raise AssertionError("no such state")


async def test_a_resume_names_the_setting_that_changed(job: Job) -> None:
    job.keeps = True
    await job.run()
    job.keeps = False
    job.bring_back(in_the_middle(job))

    changes = {
        "where": ("id % 10 <> 3", "id % 10 <> 4"),
        "transform": ("rules:item", "rules:line"),
        "rename of twin": ('"pair"', '"other"'),
    }
    for said, (was, becomes) in changes.items():
        job.toml = TOML.replace(was, becomes)
        with pytest.raises(
            SettingsChangedError,
            match=f"settings of public.item changed since the run began: {said}",
        ):
            await job.run(resume=True)
    job.toml = TOML + '[tables.person.column.name]\nmask = "redact"\n'
    with pytest.raises(SettingsChangedError, match=r"settings of public.person .*how name is"):
        await job.run(resume=True)

    job.toml = TOML
    assert await job.run(resume=True) is ExitCode.DONE
    assert job.held() == expected()


async def test_a_resume_with_another_hash_key_is_refused(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.keeps = True
    await job.run()
    job.keeps = False
    job.bring_back(in_the_middle(job))

    monkeypatch.setitem(globals(), "KEY", KEY[::-1])
    with pytest.raises(UsageError, match="another key for the mask `hash`"):
        await job.run(resume=True)


async def test_the_ledger_knows_numbers_only_of_keys_that_are_hidden(job: Job) -> None:
    job.keeps = True
    await job.run()

    seen: set[str] = set()
    for state in job.states:
        with closing(sqlite3.connect(state / "target.db")) as opened:
            if opened.execute(
                "SELECT 1 FROM sqlite_schema WHERE name = '_streamer_ledger'"
            ).fetchone():
                rows = opened.execute(
                    'SELECT "table", behind, last FROM _streamer_ledger WHERE step <> ?', ("facts",)
                )
                for table, behind, last in rows:
                    seen.add(table)
                    assert table != "person" or (behind, last) == ("", ""), state
    assert seen == {"person", "thing", "log"}
    assert KEY not in (job.folder / "checkpoint.db").read_bytes().decode(errors="replace")


async def test_a_function_that_fails_stops_the_run_and_mended_it_goes_on(job: Job) -> None:
    rules = job.folder / "rules.py"
    rules.write_text(RULES.replace('row["price"] * 2', 'row["price"] / (row["id"] - 150) * 0'))
    with pytest.raises(
        BadRowsError, match=r"public\.item, key 150: the transform rules:item"
    ) as met:
        await job.run()
    assert "ZeroDivisionError" in met.value.what
    assert "secret" not in str(met.value)

    sys.modules.pop("rules")
    rules.write_text(RULES)
    assert await job.run(restart=True) is ExitCode.DONE
    assert job.held() == expected()


async def test_a_function_that_is_not_there_is_told_before_anything_is_written(job: Job) -> None:
    job.toml = TOML.replace("rules:item", "rules:thing").replace("rules:line", "norules:line")

    with pytest.raises(UsageError) as met:
        await job.run()

    assert "public.item: its transform rules:thing can't be used" in met.value.what
    assert "there is no module norules" in met.value.what
    with closing(sqlite3.connect(job.target)) as opened:
        assert opened.execute("SELECT name FROM sqlite_schema").fetchall() == []


async def test_a_row_whose_parent_is_left_out_is_named_with_the_parent_and_the_setting(
    job: Job,
) -> None:
    job.toml = '[tables.person]\ntransform = "rules:person"\n'

    with pytest.raises(BadRowsError) as met:
        await job.run()

    assert met.value.what.startswith(
        "public.item, key 50: can't be stored, for it refers to a row of public.person, key 50, that "
        "isn't moved: its transform leaves it out, or PostgreSQL has it no more"
    )


async def test_a_parent_that_came_late_is_found_by_the_hash_that_refers_to_it(job: Job) -> None:
    job.keeps = True
    await job.run()
    job.keeps = False
    job.bring_back(in_the_middle(job))
    await job.source.execute(
        "INSERT INTO person VALUES (500, 'name 500', NULL), (501, 'name 501', 500);"
        "UPDATE item SET owner = 501 WHERE id = 871"
    )

    assert await job.run(resume=True) is ExitCode.DONE

    wanted = expected()
    wanted["person"] += [
        (hashed(500), "name 500", None),
        (hashed(501), "name 501", hashed(500)),
    ]
    wanted["thing"] = [
        (row[0], hashed(501), *row[2:]) if row[0] == 871 else row for row in wanted["thing"]
    ]
    assert job.held() == wanted


async def test_the_report_of_rows_that_were_left_out_is_as_its_schema_says(job: Job) -> None:
    await job.run()

    jsonschema.validate(job.report, schema())
    skipped = {name: READ[name] - WRITTEN[name] for name in READ}
    assert figures(job.report, "rows_skipped") == skipped
    assert job.report["rows_skipped"] == job.report["totals"]["rows_skipped"] > 0
    assert hashed(7) not in json.dumps(job.report)
