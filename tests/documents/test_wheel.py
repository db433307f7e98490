"""The wheel and the source archive, built, and installed where there is nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.documents.commands import ROOT

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


def pythons() -> list[str]:
    """This Python, and the newer ones that can be started by their names."""
    found = [sys.executable]
    for version in ("3.12", "3.13", "3.14"):
        path = shutil.which(f"python{version}")
        if (
            path
            and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
        ):
            found.append(path)
    return found


@pytest.mark.processes
@pytest.mark.parametrize("python", pythons(), ids=lambda path: Path(path).name)
def test_the_wheel_works_where_nothing_else_is_installed(
    built: Path, tmp_path: Path, python: str
) -> None:
    (wheel,) = built.glob("*.whl")
    ran(python, "-m", "venv", "--without-pip", tmp_path / "venv", folder=tmp_path)
    inside, streamer = tmp_path / "venv/bin/python", tmp_path / "venv/bin/streamer"
    ran(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", inside,
        "install", "--quiet", "--require-hashes", "--requirement", ROOT / "requirements/run.lock",
        folder=tmp_path,
    )  # fmt: skip
    ran(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", inside,
        "install", "--quiet", "--no-deps", wheel,
        folder=tmp_path,
    )  # fmt: skip
    (tmp_path / "report.json").write_text(REPORT)

    version = ran(streamer, "--version", folder=tmp_path)
    helped = [ran(streamer, name, "--help", folder=tmp_path) for name in ("run", "validate")]
    ran(streamer, "report", "report.json", folder=tmp_path)
    where = ran(
        inside, "-c", "import streamer; streamer.Transfer; print(streamer.__file__)",
        folder=tmp_path,
    )  # fmt: skip

    assert version.startswith("streamer 0.")
    assert all("--resume" in text for text in helped)
    assert "<html" in (tmp_path / "report.html").read_text()
    assert str(tmp_path / "venv") in where
