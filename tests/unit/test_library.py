"""What `import streamer` offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import streamer


@pytest.mark.parametrize("name", streamer.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(streamer, name).__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = streamer.nothing


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, streamer; sys.exit(any(m in sys.modules for m in ('aiohttp', 'asyncpg')))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
