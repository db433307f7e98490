"""Two owned tables on each of the local D1s."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.owned import Target, opened
from tests.engines.d1server import D1Server


@pytest.fixture
async def remote(any_d1: D1Server) -> AsyncIterator[Target]:
    """A database on each local D1 in turn, with a network in between that may fail."""
    async with opened(any_d1) as target:
        yield target


@pytest.fixture(params=["workerd_d1", "local_d1", "sqlite_file"])
async def target(request: pytest.FixtureRequest) -> AsyncIterator[Target]:
    """A database on each local D1 in turn, and a plain file."""
    async with opened(request.getfixturevalue(request.param)) as target:
        yield target
