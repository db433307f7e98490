"""Engines and settings that all tests share."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

pytest_plugins = [
    "tests.engines.postgres",
    "tests.engines.pythons",
    "tests.engines.workerd",
    "tests.engines.local_d1",
    "tests.engines.sqlite_file",
]

# No deadline: nothing is tested by the clock. `--hypothesis-profile` chooses another.
settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=100, print_blob=True)
settings.register_profile("deep", deadline=None, max_examples=5_000, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction] -- pytest uses it
    """Let no test that calls the command line in its own process change others' files."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(autouse=True, scope="session")
def _niceness() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction] -- as above
    """Let none of these change this process's priority, which could never rise again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "nice", lambda _: 19)
        yield
