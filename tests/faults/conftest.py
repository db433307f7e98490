"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.engines.workerd import Workerd
from tests.faults.between import Between


@pytest.fixture
async def between(workerd_d1: Workerd) -> AsyncIterator[Between]:
    """A proxy before the real D1, which says when what passes."""
    async with Between(workerd_d1) as proxy:
        yield proxy
