"""`streamer run` is loaded without what few runs need."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

SELDOM = (
    "aiohttp",  # while the source is looked at
    "json5",
    "sqlglot",
    "streamer.run.lost",
    "streamer.run.publish",
    "streamer.run.rebuild",
    "streamer.run.retry",
    "streamer.sinks.staged",
    "streamer.translate.expressions.defaults",
    "streamer.translate.expressions.places",
    "streamer.translate.expressions.translator",
    "tomllib",
)


@pytest.fixture(scope="module")
def loaded() -> frozenset[str]:
    """The modules that a process has which has loaded the command."""
    script = "import sys, streamer.cli.run; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return frozenset(ended.stdout.decode().split())


@pytest.mark.parametrize("name", SELDOM)
def test_what_few_runs_need_is_loaded_by_them(name: str, loaded: frozenset[str]) -> None:
    assert name not in loaded
    assert importlib.util.find_spec(name) is not None
