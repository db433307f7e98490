"""The wheel and the source archive, built, and installed where there is nothing else."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.documents.commands import ROOT
from tests.engines.postgres import Database
from tests.engines.pythons import pythons

PACKAGES = ("streamer", "checkpoints")
REPORT = """{
"format_version": 1, "tool_version": "0", "command": "run", "run_id": "r", "status": "done",
"started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:01:00Z", "source": {}, "target": {},
"tables": [], "rows_skipped": 0, "totals": {"rows_read": 0, "rows_written": 0, "rows_rejected": 0,
"rows_skipped": 0, "bytes_sent": 0, "requests": 0, "retries": 0, "seconds": 0.0, "request_bytes": 0,
"rate_limited": 0, "d1_rows_written": 0, "estimated_cost_usd": 0.0}, "consistency": {"mode": "snapshot",
"snapshots": [], "tables_in_several_snapshots": []}, "timeline": [], "answers": {"bounds_s": [],
"counts": [], "sum_s": 0.0}, "warnings": [], "errors": []}"""


def ran(*command: str | Path, folder: Path) -> str:
    """What a command printed, which must succeed; the tests' own environment isn't handed on."""
    kept = {"PATH", "HOME", "TMPDIR", "LANG"}
    kept |= {name for name in os.environ if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}
    done = subprocess.run(
        [*command],
        cwd=folder,
        env={name: os.environ[name] for name in kept if name in os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    ran(sys.executable, "-m", "hatchling", "build", "-d", folder, folder=ROOT)
    return folder


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")

    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    here = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == here
    for suffix in ("py.typed", ".schema.json", ".html.jinja", ".sql", ".css", ".js"):
        assert any(name.endswith(suffix) for name in names), suffix


def test_the_source_archive_holds_what_is_needed_to_test_and_to_build_it(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")

    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}

    wanted = {"pyproject.toml", "Makefile", "README.md", "LICENSE", "tests/conftest.py"}
    wanted |= {"requirements/dev.lock", "docs/cli.md", "examples/library.py", "deploy/Dockerfile"}
    assert wanted <= names
    assert not [name for name in names if name.startswith((".venv", "node_modules", ".git/"))]


@pytest.fixture(scope="module", params=pythons())
def installed(
    request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The programs of an environment that holds the wheel and what it needs, and nothing else."""
    (wheel,) = built.glob("*.whl")
    folder = tmp_path_factory.mktemp("venv")
    ran(pythons()[request.param], "-m", "venv", "--without-pip", folder / "venv", folder=folder)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "wheel.txt").write_text(f"{wheel} --hash=sha256:{digest}\n")
    ran(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", folder / "venv/bin/python",
        "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes",
        "--requirement", ROOT / "requirements/run.lock", "--requirement", "wheel.txt",
        folder=folder,
    )  # fmt: skip
    return folder / "venv/bin"


@pytest.mark.processes
def test_the_wheel_works_where_nothing_else_is_installed(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(REPORT)

    version = ran(installed / "streamer", "--version", folder=tmp_path)
    ran(installed / "streamer", "report", "report.json", folder=tmp_path)
    where = ran(
        installed / "python", "-c", "import streamer; streamer.Transfer; print(streamer.__file__)",
        folder=tmp_path,
    )  # fmt: skip

    assert version.startswith("streamer 0.")
    assert "<html" in (tmp_path / "report.html").read_text()
    assert str(installed.parent) in where


@pytest.mark.processes
async def test_the_wheel_moves_tables_and_compares_them(
    installed: Path, tmp_path: Path, database: Database
) -> None:
    await database.execute("""
        CREATE TABLE kind (id int PRIMARY KEY, name text NOT NULL);
        CREATE TABLE item (id bigint PRIMARY KEY, kind int REFERENCES kind, at timestamptz, price numeric);
        INSERT INTO kind SELECT n, 'kind ' || n FROM generate_series(1, 10) AS n;
        INSERT INTO item SELECT n, 1 + n % 10, now(), n / 7.0 FROM generate_series(1, 2000) AS n""")
    (tmp_path / "env").write_text(f"POSTGRES_DSN={database.dsn}\n")
    options = ["--env-file", "env", "--target", "sqlite:moved.db"]

    moved = ran(installed / "streamer", "run", "--validate", *options, folder=tmp_path)

    assert "2,010 rows of 2 tables moved" in moved
    assert "2,010 rows of 2 tables compared (every value)" in moved
    assert "no difference found" in moved
