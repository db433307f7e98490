"""A fresh database on each local D1 (`d1`), and the same requests to both at once (`pair`)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.d1server import D1Server
from tests.engines.d1target import Pair, Target, fresh


@pytest.fixture(params=["workerd_d1", "local_d1", "sqlite_file"])
def d1(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A fresh database on each local D1 in turn, and a plain file."""
    server: D1Server = request.getfixturevalue(request.param)
    target = fresh(server)
    yield target
    server.delete(target.uuid)


@pytest.fixture
def served(any_d1: D1Server) -> Iterator[Target]:
    """A fresh database on each local D1 in turn, for what only a server has."""
    target = fresh(any_d1)
    yield target
    any_d1.delete(target.uuid)


@pytest.fixture
def pair(workerd_d1: D1Server, local_d1: D1Server) -> Iterator[Pair]:
    """A fresh database on both."""
    both = Pair(fresh(workerd_d1), fresh(local_d1))
    yield both
    for target in (both.real, both.ours):
        target.server.delete(target.uuid)


@pytest.fixture
def ours(local_d1: D1Server) -> Iterator[Target]:
    """A fresh database on the stand-in, for what the local workerd doesn't do as the hosted one."""
    target = fresh(local_d1)
    yield target
    local_d1.delete(target.uuid)
